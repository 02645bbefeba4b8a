"""`prompter config`: the settings in force and where each one came from."""

import json

import typer

from app.cli.common import AsJson, read_settings


def config(as_json: AsJson = False) -> None:
    """Print the server's settings on this machine in the form of a .env file, secrets masked."""
    from app.cli.config_sources import rows

    found = rows(read_settings())
    if as_json:
        items = [{"name": row.name, "value": row.value, "source": row.source} for row in found]
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for row in found:
        typer.echo(f"{row.name}={row.value}  # {row.source}")

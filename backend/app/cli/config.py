"""`prompter config`: the settings in force, and the source of each one."""

import json

import typer

from app.cli.common import AsJson, read_settings, run_async


def config(as_json: AsJson = False) -> None:
    """Print the server's settings on this machine in the form of a .env file, secrets masked."""
    from app.cli.config_sources import (
        describe_folders,
        has_database,
        list_model_sources,
        list_settings,
        read_connections,
    )

    read = read_settings()
    connections = run_async(read_connections(read)) if has_database(read) else []
    settings, models = list_settings(read), list_model_sources(read, connections)
    if as_json:
        items = [{"name": row.name, "value": row.value, "source": row.source} for row in (*settings, *models)]
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for line in describe_folders():
        typer.echo(f"# {line}")
    for row in settings:
        typer.echo(f"{row.name}={row.value}  # {row.source}")
    for row in models:
        typer.echo(f"# {row.name}: {row.value}  # {row.source}")

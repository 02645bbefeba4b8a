"""`prompter db`: the database of this machine's server: its schema, and copies of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import AsJson, CommandError, notes, out, read_settings, run

if TYPE_CHECKING:
    from app.storage.connections import DatabaseUrl

app = typer.Typer(help="The database of this machine's server.", no_args_is_help=True)


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Tell where the database is, and whether its schema is the one this version needs."""
    from app.core.errors import StorageUnavailable
    from app.storage import migrate

    url = _url()
    try:
        schema = None if _is_missing(url) else run(migrate.read_schema(url))
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    current = schema.current if schema else None
    head = schema.head if schema else migrate.find_head_revision()
    state = (
        "no database yet"
        if current is None
        else "newer than this version"
        if schema and not schema.is_known
        else "up to date"
        if current == head
        else "behind"
    )
    shown = _shown(url)
    if as_json:
        typer.echo(json.dumps({"database": shown, "schema": current, "needed": head, "state": state}))
        return
    out().print(f"{shown}: {state} (schema {current or 'none'}, needed {head})", markup=False)


@app.command("upgrade")
def upgrade() -> None:
    """Bring the database to the schema of this version; a server does so itself on SQLite, not on PostgreSQL."""
    from app.core.errors import StorageUnavailable
    from app.storage import data_folder, migrate

    settings, url = read_settings(), _url()
    try:
        if url.get_backend_name() == "sqlite":
            with data_folder.lock_folder(settings.data_dir):
                schema = run(migrate.upgrade(url))
        else:
            schema = run(migrate.upgrade(url))
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    out().print(f"{_shown(url)}: up to date (schema {schema.current})", markup=False)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="The copy; it must not be there yet.")],
) -> None:
    """Copy the SQLite database to a file while a server uses it.

    To restore, stop the server, remove prompter.db, prompter.db-wal and prompter.db-shm from the data folder, and
    copy the file there as prompter.db.
    """
    from app.core.errors import StorageUnavailable
    from app.storage.backup import back_up

    url = _url()
    if url.get_backend_name() != "sqlite":
        raise CommandError(
            f"{_shown(url)} is PostgreSQL, which has tools of its own: pg_dump -Fc -f {file.name} {url.database}"
        )
    try:
        size = back_up(Path(url.database or ""), file)
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    out().print(f"{file} has all of it ({size / 1e6:.1f} MB)", markup=False)
    notes().print(
        "keep jwt.key of the data folder too, where there is one: log-ins depend on it", markup=False
    )


def _url() -> "DatabaseUrl":
    """Raises:
    CommandError: the setting cannot be read.
    """
    from app.storage.connections import database_url

    try:
        return database_url(read_settings())
    except ValueError as error:
        raise CommandError(str(error)) from error


def _is_missing(url: "DatabaseUrl") -> bool:
    """Whether it is an SQLite file that is not there; looking at it would make it."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def _shown(url: "DatabaseUrl") -> str:
    from app.cli.config_sources import without_password

    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return without_password(url.set(drivername="postgresql").render_as_string(hide_password=False))

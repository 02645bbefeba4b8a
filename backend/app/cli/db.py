"""`prompter db`: the schema of this machine's database, and backups of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import AsJson, CommandError, note_console, read_settings, result_console, run_async

if TYPE_CHECKING:
    from app.core.config import Settings
    from app.storage.connections import DatabaseUrl

app = typer.Typer(help="The database of this machine's server.", no_args_is_help=True)


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show where the database is, and whether its schema is the one that this version needs."""
    from app.core.errors import StorageUnavailable
    from app.storage import migrate

    url = _read_url()
    try:
        schema = None if _is_empty(url) else run_async(migrate.read_schema(url))
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    current = schema.current if schema else None
    head = schema.head if schema else migrate.find_head_revision()
    state = (
        "an empty file: if there was a database, restore a backup with `prompter db restore FILE`"
        if schema is None and Path(url.database or "").exists()
        else "no database yet"
        if current is None and not (schema and schema.missing)
        else "newer than this version"
        if schema and not schema.is_known
        else "damaged: tables are missing"
        if schema and schema.missing
        else "up to date"
        if current == head
        else "behind"
    )
    shown = _format_url(url)
    if as_json:
        typer.echo(json.dumps({"database": shown, "schema": current, "needed": head, "state": state}))
        return
    result_console().print(f"{shown}: {state} (schema {current or 'none'}, needed {head})", markup=False)


@app.command("upgrade")
def upgrade() -> None:
    """Bring the database to the schema of this version. A server does so on SQLite, not on PostgreSQL."""
    from app.core.errors import StorageUnavailable
    from app.storage import data_folder, migrate

    settings, url = read_settings(), _read_url()
    try:
        if url.get_backend_name() == "sqlite":
            with data_folder.lock_folder(settings.data_dir):
                schema = run_async(migrate.upgrade(url))
        else:
            schema = run_async(migrate.upgrade(url))
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    result_console().print(f"{_format_url(url)}: up to date (schema {schema.current})", markup=False)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys",
            help="Also write FILE.keys, which opens the API keys of connected models: keep it safe.",
        ),
    ] = False,
    with_audio: Annotated[
        bool,
        typer.Option(
            "--with-audio", help="Also write FILE.audio, with the audio of dictations that is kept."
        ),
    ] = False,
) -> None:
    """Copy the SQLite database to a file, also while a server uses it.

    `prompter db restore` puts it back, on this machine or on another one. The API keys of models that users have
    connected are encrypted in it, and need the key file of the data folder; without it they are entered again. The
    files of messages are written to FILE.attachments.
    """
    from app.core.errors import StorageUnavailable
    from app.storage.backup import back_up, note_backup

    settings, url = read_settings(), _read_url()
    if url.get_backend_name() != "sqlite":
        raise CommandError(
            f"{_format_url(url)} is PostgreSQL, which has tools of its own: pg_dump -Fc -f {file.name} {url.database}"
        )
    audio = _back_up_audio(settings, file) if with_audio else ""
    try:
        size = back_up(Path(url.database or ""), file)
    except StorageUnavailable as error:
        if audio:
            _name_audio(file).unlink()
        raise CommandError(error.message) from error
    files = _back_up_files(settings, file)
    note_backup(settings.data_dir)
    result_console().print(f"{file} has all of it ({size / 1e6:.1f} MB)", markup=False)
    note_console().print(
        "keep jwt.key of the data folder too, where there is one: log-ins depend on it", markup=False
    )
    if with_keys:
        note_console().print(_back_up_keys(settings, file), markup=False)
    for told in (audio, files):
        if told:
            note_console().print(told, markup=False)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="File that `prompter db backup` wrote.")],
) -> None:
    """Make a backup the database. Stop the server before.

    The backup is checked first. The database that is there now is kept under another name, and is not deleted.
    """
    from app.core.errors import StorageUnavailable
    from app.storage.backup import restore as restore_backup

    settings, url = read_settings(), _read_url()
    if url.get_backend_name() != "sqlite":
        raise CommandError(
            f"{_format_url(url)} is PostgreSQL, which has tools of its own: stop the servers, then "
            f"pg_restore --clean --if-exists -d {url.database} {file.name}"
        )
    try:
        size, kept = restore_backup(file, settings.data_dir)
    except StorageUnavailable as error:
        raise CommandError(error.message) from error
    result_console().print(f"{_format_url(url)} is now {file} ({size / 1e6:.1f} MB)", markup=False)
    if kept is not None:
        note_console().print(f"the former database is kept as {kept}; delete it when you want", markup=False)
    note_console().print(
        "start the server; with accounts put jwt.key into the data folder before, or everybody logs in again",
        markup=False,
    )
    restored = (
        *_restore_keys(settings, file),
        *_restore_audio(settings, file),
        *_restore_files(settings, file),
    )
    for told in restored:
        note_console().print(told, markup=False)


def _name_audio(file: Path) -> Path:
    return file.with_name(f"{file.name}.audio")


def _back_up_audio(settings: "Settings", file: Path) -> str:
    """Copy the audio of the data folder beside a backup that is going to be written; what became of it.

    Raises:
        CommandError: it could not be copied.
    """
    from app.storage.kept_audio import back_up_audio

    if file.exists():
        return ""  # the backup says so
    target = _name_audio(file)
    try:
        count = back_up_audio(settings.data_dir, target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
    return f"{target} has the audio of {count} sessions"


def _restore_audio(settings: "Settings", file: Path) -> Iterator[str]:
    """Put the audio of a backup back whose database is restored; what became of it.

    Raises:
        CommandError: it could not be put back.
    """
    from app.storage.kept_audio import restore_audio

    source = _name_audio(file)
    if not source.is_file():
        return
    try:
        yield f"the audio of {restore_audio(source, settings.data_dir)} sessions is back from {source}"
    except OSError as error:
        raise CommandError(
            f"the database is restored, but not its audio: {error.strerror or error}"
        ) from error


def _name_files(file: Path) -> Path:
    return file.with_name(f"{file.name}.attachments")


def _back_up_files(settings: "Settings", file: Path) -> str:
    """Copy the files of messages beside a backup that is written; what became of it, empty where there is none.

    Raises:
        CommandError: they could not be copied.
    """
    from app.storage.attached_files import back_up_files, has_files

    target = _name_files(file)
    try:
        if not has_files(settings.data_dir):
            return ""
        count = back_up_files(settings.data_dir, target)
    except OSError as error:
        raise CommandError(
            f"{file} is written, but not the files of its messages: {target}: {error.strerror or error}"
        ) from error
    return f"{target} has the {count} files of its messages: keep the two together"


def _restore_files(settings: "Settings", file: Path) -> Iterator[str]:
    """Put the files of messages of a backup back whose database is restored; what became of it.

    Raises:
        CommandError: they could not be put back.
    """
    from app.storage.attached_files import restore_files

    source = _name_files(file)
    if not source.is_file():
        return
    try:
        yield f"{restore_files(source, settings.data_dir)} files of messages are back from {source}"
    except OSError as error:
        raise CommandError(
            f"the database is restored, but not the files of its messages: {error.strerror or error}"
        ) from error


def _back_up_keys(settings: "Settings", file: Path) -> str:
    """Copy the key file beside a backup that is written; what became of it.

    Raises:
        CommandError: it could not be copied.
    """
    from app.core.errors import StorageUnavailable
    from app.storage.backup import back_up_keys

    if settings.llm.connections_key.get_secret_value():
        return "no key file is written: the setting llm.connections_key opens the API keys in it, so keep that setting"
    try:
        keys = back_up_keys(settings.data_dir, file)
    except StorageUnavailable as error:
        raise CommandError(f"{file} is written, but not the key file: {error.message}") from error
    if keys is None:
        return "there is no key file in the data folder: no API key of a connected model can be opened, if there is one"
    return f"{keys} opens the API keys in it: keep the two apart"


def _restore_keys(settings: "Settings", file: Path) -> Iterator[str]:
    """Put the key file of a backup back whose database is restored; what became of it, and which keys are lost.

    Raises:
        CommandError: it could not be put back.
    """
    from app.core.errors import StorageUnavailable
    from app.storage.backup import restore_keys

    try:
        if (keys := restore_keys(file, settings.data_dir)) is not None:
            yield f"the key file is now {keys}"
    except StorageUnavailable as error:
        raise CommandError(f"the database is restored, but not the key file: {error.message}") from error
    try:
        if lost := run_async(_list_lost_keys()):
            yield f"these connected models need their API keys again: {'; '.join(lost)}"
    except StorageUnavailable as error:
        yield f"the database is restored, but the API keys of connected models were not checked: {error.message}"


def _read_url() -> "DatabaseUrl":
    """Raises:
    CommandError: the setting cannot be read.
    """
    from app.storage.connections import database_url

    try:
        return database_url(read_settings())
    except ValueError as error:
        raise CommandError(str(error)) from error


async def _list_lost_keys() -> list[str]:
    """The connected models whose keys this machine cannot open, each with its owner."""
    from app.storage.database import Database
    from app.storage.key_file import KeyFile
    from app.storage.migrate import upgrade
    from app.storage.model_connections import list_lost

    settings = read_settings()
    await upgrade(_read_url())  # as the next start does
    database = Database(settings)
    key_file = KeyFile(settings.data_dir, settings.llm.connections_key.get_secret_value())
    try:
        async with database.read() as session:
            lost = await list_lost(session, key_file)
    finally:
        await database.aclose()
    return [f"{each.title} of {owner}" for owner, each in lost]


def _is_empty(url: "DatabaseUrl") -> bool:
    """Whether it is an SQLite file that does not exist or has no byte; opening the database would write to it."""
    file = Path(url.database or "")
    return url.get_backend_name() == "sqlite" and not (file.exists() and file.stat().st_size)


def _format_url(url: "DatabaseUrl") -> str:
    from app.cli.config_sources import mask_password

    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return mask_password(url.set(drivername="postgresql").render_as_string(hide_password=False))

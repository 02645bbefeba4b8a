"""Checks of what is stored: the data folder, the disk, the database, its backups, and the clock."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.config_sources import has_database
from app.cli.doctor.findings import Finding, report_ok, report_problem, report_warning
from app.core.config import Settings

if TYPE_CHECKING:
    from app.storage.migrate import Schema

FULL_BYTES = 500_000_000
"""Free space below which the server keeps no more audio."""
LITTLE_BYTES = 2_000_000_000
BACKUP_AGE = timedelta(days=7)
CLOCK_BEHIND = timedelta(minutes=5)
"""How far the newest stored entry may be ahead of this machine's clock."""
CLOCK_AHEAD = timedelta(days=7)
"""How long nothing may have been stored before a retention makes the clock worth a look."""


# -- the folder and the disk


def check_folder(settings: Settings) -> Iterator[Finding]:
    """Check that this user can write the data folder, that nobody else reads it, and that it is on a local disk."""
    from app.storage.data_folder import read_network_file_system

    folder = settings.data_dir
    if not folder.exists():
        parent = next(each for each in folder.parents if each.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield report_ok("data folder", f"{folder} is not there yet; the server creates it")
        else:
            yield _report_unwritable(folder, f"{parent} cannot be written")
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield _report_unwritable(folder, (error.strerror or type(error).__name__).lower())
        return
    yield _check_mode(folder)
    if kind := read_network_file_system(folder):
        yield report_problem(
            "data folder",
            f"{folder} is on a network file system ({kind}), where SQLite may lose data",
            "set PROMPTER_DATA_DIR to a folder on a local disk, or use PostgreSQL (PROMPTER_STORAGE__URL)",
        )


def _report_unwritable(folder: Path, reason: str) -> Finding:
    return report_problem(
        "data folder",
        f"{folder} cannot be written by this user: {reason}",
        "give it to the user that runs the server (chown), mount it for writing, or set PROMPTER_DATA_DIR",
    )


def _check_mode(folder: Path) -> Finding:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.name == "posix" and mode & 0o007:
        return report_warning(
            "data folder",
            f"{folder} is open to other users of this machine (mode {mode:o})",
            f"run chmod o-rwx {folder}",
        )
    return report_ok("data folder", f"{folder} can be written")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Check the free space where data and models are."""
    seen: set[int] = set()
    for check, folder in (("disk", settings.data_dir), ("disk", settings.models_dir)):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        yield judge_space(check, folder, shutil.disk_usage(there).free)


def judge_space(check: str, folder: Path, free_bytes: int) -> Finding:
    """Say whether the free space of a folder's disk is enough."""
    message = f"{free_bytes / 1e9:.1f} GB are free for {folder}"
    advice = "make room, or shorten PROMPTER_STORAGE__AUDIO_HOURS or PROMPTER_STORAGE__RETENTION_DAYS"
    if free_bytes < FULL_BYTES:
        return report_problem(check, f"{message}: no more audio is kept, and soon nothing is stored", advice)
    return report_warning(check, message, advice) if free_bytes < LITTLE_BYTES else report_ok(check, message)


# -- the database


@dataclass(frozen=True, slots=True)
class Stored:
    """What a look into the database tells."""

    schema: "Schema"
    newest: datetime | None
    """When a conversation or dictation was last changed; None where there is none, or it was not read."""
    active_admins: int
    database_now: datetime | None
    """The clock of PostgreSQL; None on SQLite, whose clock is this machine's."""


async def read_stored(settings: Settings) -> Stored:
    """Look into the database. It is not changed.

    Raises:
        StorageUnavailable: it cannot be read.
        ValueError: its address cannot be parsed.
    """
    from app.storage import lifecycle, migrate
    from app.storage.connections import database_url
    from app.storage.database import Database
    from app.storage.users import Users

    schema = await migrate.read_schema(database_url(settings))
    if not schema.is_up_to_date or schema.missing:
        return Stored(schema, None, 0, None)
    database = Database(settings)
    try:
        async with database.read() as session:
            newest = await lifecycle.find_newest(session)
            admins = await Users(session).count_active_admins()
            now = None if database.is_sqlite else await lifecycle.read_clock(session)
    finally:
        await database.aclose()
    return Stored(schema, newest, admins, now)


async def check_database(settings: Settings, now: datetime) -> list[Finding]:
    """Check that the database can be reached, has this version's schema, and that its entries fit the clock."""
    from app.core.errors import StorageUnavailable

    if not has_database(settings):
        return [report_ok("database", "there is none yet; the server creates it at its first start")]
    try:
        stored = await read_stored(settings)
    except (StorageUnavailable, ValueError) as error:
        reason, _, advice = str(error).partition(": ")
        return [report_problem("database", reason, advice or "start it, and check PROMPTER_STORAGE__URL")]
    schema = stored.schema
    findings = [judge_schema(schema)]
    if schema.is_up_to_date and not schema.missing:
        findings += check_clock(settings, stored, now)
        findings += check_admins(settings, stored)
    return findings


def judge_schema(schema: "Schema") -> Finding:
    """Say whether the schema of a database is the one that this version needs."""
    where = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(schema.dialect, schema.dialect)
    if schema.missing:
        names = ", ".join(schema.missing)
        advice = "restore a backup (`prompter db restore FILE`; of PostgreSQL: pg_restore)"
        return report_problem("database", f"{where} is damaged: it lacks {names}", advice)
    if not schema.is_known:
        return report_problem(
            "database",
            f"{where} has the schema {schema.current} of a newer version; this one knows {schema.head} at most",
            "start the newer version, or restore the backup made before it",
        )
    if schema.is_up_to_date:
        return report_ok("database", f"{where} can be read, and its schema is up to date ({schema.current})")
    state = (
        f"{where} has the schema {schema.current or 'of an empty database'}, this version needs {schema.head}"
    )
    if schema.dialect == "sqlite":
        return report_warning(
            "database", state, "run `prompter db backup FILE`; the next start brings it up to date"
        )
    return report_problem("database", state, "stop the servers that use it, then run `prompter db upgrade`")


def check_clock(settings: Settings, stored: Stored, now: datetime) -> Iterator[Finding]:
    """Compare the clock with the newest entry, and with that of PostgreSQL."""
    advice = "set the clock (timedatectl set-ntp true)"
    if stored.newest is not None and stored.newest - now > CLOCK_BEHIND:
        yield report_problem(
            "clock",
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the newest entry is of {stored.newest:%Y-%m-%d %H:%M} UTC",
            f"{advice}: log-ins and deletions by age depend on it",
        )
    elif stored.database_now is not None and abs(stored.database_now - now) > CLOCK_BEHIND:
        yield report_problem(
            "clock",
            f"this machine's clock and that of the database differ by {_tell_age(abs(stored.database_now - now))}",
            f"{advice} on both machines",
        )
    elif settings.storage.retention_days and stored.newest and now - stored.newest > CLOCK_AHEAD:
        yield report_warning(
            "clock",
            f"nothing was stored for {_tell_age(now - stored.newest)}, and data are deleted after "
            f"{settings.storage.retention_days} days",
            f"if nobody has used the server for so long, do nothing; otherwise {advice}",
        )
    else:
        yield report_ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, not behind what is stored")


def check_admins(settings: Settings, stored: Stored) -> Iterator[Finding]:
    """Check that somebody can log in."""
    if settings.accounts.mode == "accounts" and not stored.active_admins:
        yield report_problem(
            "accounts",
            "everybody has to log in, and there is no administrator",
            "run `prompter users add NAME --admin`",
        )


# -- backups


def check_backup(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Check the age of the last backup that `prompter db backup` made; others are not known here."""
    from app.storage.backup import read_backup_time
    from app.storage.data_folder import has_content

    if settings.storage.url.get_secret_value():
        yield report_ok(
            "backup", "PostgreSQL has tools of its own (pg_dump -Fc); the age of a backup is not known here"
        )
        return
    last = read_backup_time(settings.data_dir)
    if last is None:
        if has_content(settings.data_dir):
            yield report_warning(
                "backup",
                "`prompter db backup` has made none",
                "run `prompter db backup FILE` daily, by cron or a systemd timer",
            )
        return
    age = now - last
    if age > BACKUP_AGE:
        yield report_warning(
            "backup", f"the last one is {_tell_age(age)} old", "run `prompter db backup FILE` daily"
        )
    else:
        yield report_ok("backup", f"the last one is {_tell_age(age)} old")


def _tell_age(age: timedelta) -> str:
    if age.days:
        return f"{age.days} days"
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min"

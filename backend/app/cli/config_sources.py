"""The settings in force, and the source of each value: the environment, `.env`, another tool's name, or the default."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr

from app.core.config import ALIASES, Settings
from app.core.paths import base_folder, find_base
from app.weights.gguf import GgufFile, find_default_gguf

MASK = "********"
_QUERY_VALUE = re.compile(r"([?&](?!api-version=)[^=&,]+=)[^&,]+")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as `prompter config` shows it."""

    name: str
    """Its name in the environment."""
    value: str
    source: str


def list_settings(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str | None] | None = None,
) -> list[SettingRow]:
    """Return every setting in the order of the class, its value as in a `.env` file, secrets masked."""
    environ = os.environ if environ is None else environ
    dotenv = dotenv_values(base_folder() / ".env") if dotenv is None else dotenv
    sources = {"environment": {name.upper() for name in environ}, ".env": {name.upper() for name in dotenv}}
    aliases = {path: name for name, path in ALIASES.items() if environ.get(name) or dotenv.get(name)}
    found = []
    for path, value in _walk_settings(settings):
        names = ["PROMPTER_" + "__".join(path[:depth]).upper() for depth in range(len(path), 0, -1)]
        source = next(
            (place for place, given in sources.items() if any(name in given for name in names)), None
        )
        if source is None and path in aliases:
            alias = aliases[path]
            source = f"{alias} in {'the environment' if environ.get(alias) else '.env'}"
        found.append(SettingRow(names[0], _format_value(value), source or "default"))
    return found


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A model that a user has connected in the page."""

    owner: str
    name: str
    base_url: str
    shared: bool


def has_database(settings: Settings) -> bool:
    """Whether there is a database to read; opening an SQLite file that is not there would create it."""
    from app.storage.connections import database_url

    url = database_url(settings)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


async def read_connections(settings: Settings) -> list[ConnectionRow]:
    """Read which models users have connected; none where the database cannot be read now."""
    from app.core.errors import StorageUnavailable
    from app.storage import model_connections
    from app.storage.connections import database_url
    from app.storage.database import Database
    from app.storage.migrate import read_schema

    url = database_url(settings)
    database = Database(settings)
    try:
        if not (await read_schema(url)).is_up_to_date:
            return []
        async with database.read() as session:
            found = await model_connections.list_all(session)
    except StorageUnavailable:
        return []  # `prompter db status` says why; the settings are shown all the same
    finally:
        await database.aclose()
    return [
        ConnectionRow(owner=owner, name=f"my.{each.name}", base_url=each.base_url, shared=each.shared)
        for owner, each in found
    ]


def list_model_sources(
    settings: Settings,
    connections: Sequence[ConnectionRow],
    environ: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str | None] | None = None,
) -> list[SettingRow]:
    """Return where each service of language models comes from: the environment, `.env`, a file, or the page."""
    rows = list_settings(settings, environ, dotenv)
    services = {"openai_compat": ("PROMPTER_LLM__OPENAI_COMPAT__", settings.llm.openai_compat.base_url)} | {
        name: (f"PROMPTER_LLM__PROFILES__{name.upper()}__", profile.base_url)
        for name, profile in settings.llm.profiles.items()
    }
    found = []
    for name, (prefix, base_url) in services.items():
        given = (row.source for row in rows if row.name.startswith(prefix) and row.source != "default")
        if sources := dict.fromkeys(given):
            address = mask_password(base_url) or "its usual address"
            found.append(SettingRow(f"model service {name}", address, ", ".join(sources)))
    if isinstance(file := find_default_gguf(settings), GgufFile):
        found.append(SettingRow("model service llama_local", file.name, "file"))
    for each in connections:
        source = f"page, {each.owner}{', shared' if each.shared else ''}"
        found.append(SettingRow(f"model service {each.name}", mask_password(each.base_url), source))
    return found


def describe_folders() -> list[str]:
    """Return which folder relative paths start from, and why, and whether it has a `.env` file."""
    base = find_base()
    dotenv = base.path / ".env"
    return [
        f"relative paths start from {base.path}: {base.reason}",
        f"settings are read from {dotenv}" if dotenv.is_file() else f"there is no {dotenv}",
    ]


def _walk_settings(model: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _walk_settings(value, (*path, name))
        elif any(
            isinstance(part, type) and issubclass(part, BaseModel) for part in get_args(field.annotation)
        ):
            for key, item in value.items():
                yield from _walk_settings(item, (*path, name, key))
        elif value is not None:  # a .env file cannot express None
            yield (*path, name), value


def _format_value(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, list):
        return ",".join(_format_value(item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={_format_value(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return str(value).lower()
    return mask_password(str(value))


def mask_password(text: str) -> str:
    """Mask the password of an address, as in `https://user:password@host`, and the values of its query."""
    if "://" in text:
        text = _QUERY_VALUE.sub(rf"\1{MASK}", text)
    parts = urlsplit(text) if "://" in text and "@" in text else None
    if parts is None or not parts.netloc.count("@"):
        return text
    return parts._replace(netloc=f"{MASK}@{parts.netloc.rpartition('@')[2]}").geturl()

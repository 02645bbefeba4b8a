"""The settings in force, and the source of each value: the environment, `.env`, another tool's name, or the default."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr

from app.core.config import ALIASES, Settings
from app.core.paths import base_folder, find_base

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

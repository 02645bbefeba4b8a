"""The configured assistants: those that come with PROMPTer, those in the operator's folder, those in the settings."""

import logging
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.core.assistants import NAME, AssistantDefinition
from app.core.config import Settings
from app.core.paths import resolve_path

SHIPPED = Path(__file__).parent / "shipped"
_FILE_BYTES = 1 << 20
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfiguredAssistant:
    """An assistant's definition, or why it cannot be used."""

    name: str
    definition: AssistantDefinition
    problem: str = ""
    """What is wrong with its file; empty if nothing is. With a problem the definition is empty."""

    @property
    def title(self) -> str:
        return self.definition.title or self.name


def load_assistants(
    settings: Settings, reserved_names: frozenset[str] = frozenset()
) -> dict[str, ConfiguredAssistant]:
    """All assistants by name. The operator's folder overrides the shipped ones, and the settings override both.

    `reserved_names` are those of providers, which no assistant can have. An unreadable file does not stop the server:
    its assistant is listed with the problem.
    """
    own = settings.assistants
    found = {each.name: each for each in (_load_folder(SHIPPED) if own.shipped else ())}
    found |= {each.name: each for each in _load_folder(resolve_path(own.folder))}
    found |= {name: ConfiguredAssistant(name, definition) for name, definition in own.named.items()}
    for name in sorted(reserved_names & found.keys()):
        logger.error("no assistant can be called %r: a provider of language models is called so", name)
        del found[name]
    for each in found.values():
        if each.problem:
            logger.error("assistant %r cannot be used: %s", each.name, each.problem)
    return found


def _load_folder(folder: Path) -> Iterator[ConfiguredAssistant]:
    for path in sorted(folder.glob("*.toml")):
        if not NAME.fullmatch(path.stem):
            logger.error(
                "no assistant can be called %r (%s); expected 1 to 64 letters, digits, '_' and '-'",
                path.stem[:80],
                path,
            )
            continue
        yield _load_file(path)


def _load_file(path: Path) -> ConfiguredAssistant:
    name = path.stem
    try:
        if path.stat().st_size > _FILE_BYTES:
            return _make_broken(name, path, f"expected at most {_FILE_BYTES} bytes")
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        given = data.pop("name", name)
        if given != name:
            return _make_broken(name, path, f"`name` is {str(given)[:80]!r}, and the file is called {name!r}")
        return ConfiguredAssistant(name, AssistantDefinition.model_validate(data))
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        return _make_broken(name, path, f"`{where}`: {first['msg'].lower()}{more}")
    except OSError as error:  # its message holds the path, which every user would see
        return _make_broken(name, path, (error.strerror or type(error).__name__).lower())
    except ValueError as error:  # not TOML, not UTF-8
        return _make_broken(name, path, str(error)[:200].lower())


def _make_broken(name: str, path: Path, problem: str) -> ConfiguredAssistant:
    return ConfiguredAssistant(name, AssistantDefinition(), f"{path.name}: {problem}")

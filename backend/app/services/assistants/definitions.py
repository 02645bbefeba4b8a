"""Which assistants there are: those shipped, those of the operator's folder, those of the settings."""

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
    """An assistant as it is to be, or why it cannot be."""

    name: str
    definition: AssistantDefinition
    problem: str = ""
    """What is wrong with its file; the definition is then empty."""

    @property
    def title(self) -> str:
        return self.definition.title or self.name


def load_assistants(
    settings: Settings, taken: frozenset[str] = frozenset()
) -> dict[str, ConfiguredAssistant]:
    """All by name; the operator's folder overrides what is shipped, and settings both.

    `taken` are names of providers, which no assistant can have. A file that cannot be read is not the end of the
    server: its assistant is there with its problem.
    """
    own = settings.assistants
    found = {one.name: one for one in (_of_folder(SHIPPED) if own.shipped else ())}
    found |= {one.name: one for one in _of_folder(resolve_path(own.folder))}
    found |= {name: ConfiguredAssistant(name, definition) for name, definition in own.named.items()}
    for name in sorted(taken & found.keys()):
        logger.error("no assistant can be called %r: a provider of language models is called so", name)
        del found[name]
    for one in found.values():
        if one.problem:
            logger.error("assistant %r cannot be used: %s", one.name, one.problem)
    return found


def _of_folder(folder: Path) -> Iterator[ConfiguredAssistant]:
    for path in sorted(folder.glob("*.toml")):
        if not NAME.fullmatch(path.stem):
            logger.error(
                "no assistant can be called %r (%s); expected 1 to 64 letters, digits, '_' and '-'",
                path.stem[:80],
                path,
            )
            continue
        yield _of_file(path)


def _of_file(path: Path) -> ConfiguredAssistant:
    name = path.stem
    try:
        if path.stat().st_size > _FILE_BYTES:
            return _broken(name, path, f"expected at most {_FILE_BYTES} bytes")
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        said = data.pop("name", name)
        if said != name:
            return _broken(name, path, f"`name` is {str(said)[:80]!r}, and the file is called {name!r}")
        return ConfiguredAssistant(name, AssistantDefinition.model_validate(data))
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        return _broken(name, path, f"`{where}`: {first['msg'].lower()}{more}")
    except OSError as error:  # its words hold the path, which everybody would read
        return _broken(name, path, (error.strerror or type(error).__name__).lower())
    except ValueError as error:  # not TOML, not UTF-8
        return _broken(name, path, str(error)[:200].lower())


def _broken(name: str, path: Path, problem: str) -> ConfiguredAssistant:
    return ConfiguredAssistant(name, AssistantDefinition(), f"{path.name}: {problem}")

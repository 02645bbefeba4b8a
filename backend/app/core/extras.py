"""The optional packages: what `prompter extras add NAME` installs, pinned, and the line that advises it."""

import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.core.paths import checkout_root

EXTRAS_FILE = Path(__file__).resolve().parents[1] / "extras.toml"
"""Travels in the wheel: an installed server knows its pins without the checkout, and asks no index for them."""


@dataclass(frozen=True, slots=True)
class Extra:
    """One optional part of PROMPTer."""

    name: str
    purpose: str
    packages: tuple[str, ...]
    """Requirements, each as `name==version`."""
    brings: tuple[str, ...]
    """What these packages need beyond the server's own packages, in the same form."""

    @property
    def pins(self) -> tuple[str, ...]:
        return (*self.packages, *self.brings)


@cache
def read_extras() -> dict[str, Extra]:
    """Return all extras by name."""
    tables = tomllib.loads(EXTRAS_FILE.read_text(encoding="utf-8"))
    return {
        name: Extra(
            name=name,
            purpose=table["purpose"],
            packages=tuple(table["packages"]),
            brings=tuple(table.get("brings", ())),
        )
        for name, table in tables.items()
    }


def advise_extra(name: str) -> str:
    """Return the command that installs an extra into the environment that runs, as an error names it."""
    assert name in read_extras(), name
    root = checkout_root()
    # `make` installs into `.venv` alone, and there `prompter` is seldom on the PATH.
    if root is not None and Path(sys.prefix) == root / ".venv":
        return f"`prompter extras add {name}` (with make: `make extras EXTRAS={name}`)"
    return f"`prompter extras add {name}`"

"""The folder of data, models and `.env`: the checkout that a server belongs to, else the user's data folder."""

import importlib.metadata
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from platformdirs import user_data_path

WEB_APP = Path(__file__).resolve().parents[1] / "web"
"""Where `make web` builds the web app; a wheel that is built afterwards has it."""


@dataclass(frozen=True, slots=True)
class BaseFolder:
    """The folder that relative paths in settings start from, and why it is this one."""

    path: Path
    reason: str


def checkout_root() -> Path | None:
    """Return the root of the checkout that this code runs from; None if it is installed as a package."""
    root = Path(__file__).resolve().parents[3]
    return root if _is_checkout(root) else None


def tell_how_to_build() -> str:
    """Return how an installation gets the web app that it lacks."""
    if checkout_root():
        return "`make web` in the checkout builds it (it needs Node 20.19 or newer with npm)"
    return "install a package that `make wheel` builds in a checkout, where Node is"


def find_base() -> BaseFolder:
    """Return the base folder. It is never the working directory.

    A copy that pip has put into the environment of a checkout belongs to that checkout: data and models stay where they
    were when the checkout itself ran.
    """
    if root := checkout_root():
        return BaseFolder(path=root, reason="the checkout that this program runs from")
    if _is_checkout(root := Path(sys.prefix).resolve().parent):
        return BaseFolder(
            path=root, reason="the checkout that the Python environment of this program lies in"
        )
    return BaseFolder(
        path=user_data_path("prompter", appauthor=False),
        reason="the user's data folder: this is an installed program",
    )


def base_folder() -> Path:
    """Return the folder that relative paths in settings start from."""
    return find_base().path


def resolve_path(path: Path) -> Path:
    """Make a path absolute, starting from `base_folder()`, and expand `~`."""
    path = path.expanduser()
    return path if path.is_absolute() else base_folder() / path


def list_other_bases() -> list[Path]:
    """Return the folders that another installation of the same user would start from, as far as they can be known."""
    here = Path.cwd()
    candidates = (checkout_root(), *_list_installed_from(), here, *here.parents)
    found = [path for path in candidates if path is not None and _is_checkout(path)]
    found.append(user_data_path("prompter", appauthor=False))
    return [path for path in dict.fromkeys(found) if path != base_folder()]


def _is_checkout(root: Path) -> bool:
    return (root / "backend" / "app").is_dir() and (root / "requirements.txt").is_file()


def _list_installed_from() -> list[Path]:
    """Return the folder that pip installed this package from (PEP 610); nothing where it was no folder."""
    try:
        text = importlib.metadata.distribution("prompter").read_text("direct_url.json")
        address = urlsplit(json.loads(text or "{}").get("url", ""))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return []
    return [Path(url2pathname(address.path))] if address.scheme == "file" else []

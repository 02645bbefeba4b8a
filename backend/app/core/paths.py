"""Where files live: beside the checkout when run from one, in the user's data folder when installed."""

from pathlib import Path

from platformdirs import user_data_path


def checkout_root() -> Path | None:
    """The root of the checkout this code runs from, or None when it is installed as a package."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "backend" / "app").is_dir() and (root / "requirements.txt").is_file() else None


def base_folder() -> Path:
    """The folder that relative settings (`data`, `models`, `.env`) are relative to; never the working directory."""
    return checkout_root() or user_data_path("prompter", appauthor=False)


def resolve_path(path: Path) -> Path:
    """`path` made absolute against `base_folder()`; `~` is expanded."""
    path = path.expanduser()
    return path if path.is_absolute() else base_folder() / path

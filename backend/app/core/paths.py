"""The folder of data, models and `.env`: the checkout if run from one, else the user's data folder."""

from pathlib import Path

from platformdirs import user_data_path


def checkout_root() -> Path | None:
    """Return the root of the checkout that this code runs from; None if it is installed as a package."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "backend" / "app").is_dir() and (root / "requirements.txt").is_file() else None


def base_folder() -> Path:
    """Return the folder that relative paths in settings start from. It is never the working directory."""
    return checkout_root() or user_data_path("prompter", appauthor=False)


def resolve_path(path: Path) -> Path:
    """Make a path absolute, starting from `base_folder()`, and expand `~`."""
    path = path.expanduser()
    return path if path.is_absolute() else base_folder() / path

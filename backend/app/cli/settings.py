"""The settings in force, with one clear line where one of them is wrong."""

from typing import TYPE_CHECKING

from app.cli.common import USAGE, CommandError

if TYPE_CHECKING:
    from app.core.config import Settings


def read_settings() -> "Settings":
    """The settings of this machine.

    Raises:
        CommandError: a value is not valid; the line names the setting and never repeats the value.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from app.core.config import load_settings

    try:
        return load_settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "PROMPTER_" + "__".join(str(part) for part in first["loc"]).upper()
        raise CommandError(f"setting {name}: {first['msg']}", USAGE) from error
    except SettingsError as error:
        raise CommandError(f"settings cannot be read: {error}", USAGE) from error

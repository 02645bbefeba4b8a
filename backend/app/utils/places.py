"""Where in the code an error came from, without its words, which may quote what a user said."""

import traceback


def place_of(error: BaseException) -> str:
    """` in function (file:line)` of the innermost place; nothing where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" in {last.name} ({last.filename}:{last.lineno})"

"""What the commands share: exit codes, server options, consoles, and settings with clear errors."""

import contextlib
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.client.prompt_client import PromptClient
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.config import Settings


T = TypeVar("T")

OK, FAILED, USAGE, NOT_REACHABLE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 server not reachable, 4 server refused or not ready, "
    "130 interrupted. Results go to standard output, everything else to standard error."
)

Url = Annotated[
    str, typer.Option("--url", envvar="PROMPTER_URL", help="Address of the server.", rich_help_panel="Server")
]
Token = Annotated[
    str,
    typer.Option("--token", envvar="PROMPTER_TOKEN", help="Its access token.", rich_help_panel="Server"),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--cafile",
        envvar="PROMPTER_CAFILE",
        help="Certificate to trust: that which `prompter tls` has made.",
        rich_help_panel="Server",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for scripts.")]
DEFAULT_URL = "http://127.0.0.1:8000"


class CommandError(Exception):
    """Ends the command with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def leave(exit_code: int) -> NoReturn:
    """End the process now. A normal end would wait for threads that may be blocked, and then take the interpreter
    apart, which with all that a server has loaded is half a second of computing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it has left
            stream.flush()
    os._exit(exit_code)


def connect(url: str, token: str, cafile: Path | None = None) -> "PromptClient":
    """A client, not yet open."""
    from app.client.prompt_client import PromptClient

    return PromptClient(url, token or None, cafile)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command; Ctrl-C cancels it and goes on as KeyboardInterrupt.

    asyncio's own handler is Python code that runs once the loop wakes: a Ctrl-C in the moment before the loop
    begins to wait, or one that the system hands to another thread, would wait for the next event, and a silent
    server sends none. A handler of the loop's wakes it.
    """
    import asyncio
    import signal

    interrupted = False

    async def until_ctrl_c() -> T:
        task = asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            nonlocal interrupted
            interrupted = True
            task.cancel()

        # Not on Windows, where the loop wakes by itself, nor in a thread, which no signal reaches.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, cancel)
        return await main

    try:
        return asyncio.run(until_ctrl_c())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


def out() -> "Console":
    """Results. Never wrapped or coloured when piped."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def notes() -> "Console":
    """Progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


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

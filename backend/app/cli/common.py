"""Shared by the commands: exit codes, options for the server's address, consoles, and settings with clear errors."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.client.prompt_client import PromptClient
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
    typer.Option(
        "--token", envvar="PROMPTER_TOKEN", help="Access token for the server.", rich_help_panel="Server"
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--cafile",
        envvar="PROMPTER_CAFILE",
        help="Certificate to trust, such as the one that `prompter tls` makes.",
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


def exit_now(exit_code: int) -> NoReturn:
    """End the process now, without waiting for threads that may be blocked.

    It also saves the half second in which Python would tear down what a server has loaded.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # its reader is gone
            stream.flush()
    os._exit(exit_code)


def make_client(url: str, token: str, cafile: Path | None = None) -> "PromptClient":
    """Return a client that is not connected yet."""
    from app.client.prompt_client import PromptClient

    return PromptClient(url, token or None, cafile)


def run_async(main: Coroutine[Any, Any, T], on_interrupt: Callable[[], bool] = lambda: False) -> T:
    """Run the asynchronous part of a command; Ctrl-C cancels it and raises KeyboardInterrupt.

    `on_interrupt` is called first, and returns whether it has handled that Ctrl-C.

    asyncio's own handler runs only when the loop wakes up. A Ctrl-C just before the loop waits, or one that the system
    gives to another thread, would wait for the next event, and a silent server sends none. A signal handler of the
    loop wakes it.
    """
    import asyncio
    import signal

    interrupted = False

    async def until_ctrl_c() -> T:
        task = asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            nonlocal interrupted
            if on_interrupt():
                return
            interrupted = True
            task.cancel()

        # Windows has no such handlers, and its loop wakes by itself; no signal reaches other threads than the main one.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, cancel)
        return await main

    try:
        return asyncio.run(until_ctrl_c())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


def result_console() -> "Console":
    """Return the console for results: standard output, not wrapped, without colours in a pipe."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def note_console() -> "Console":
    """Return the console for progress and remarks: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def read_settings() -> "Settings":
    """Read the settings of this machine.

    Raises:
        CommandError: a value is not valid; the message names the setting and does not repeat the value.
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


def log_refusal(settings: "Settings", error: CommandError) -> int:
    """Log why there is no start as an object, as every other line is; the exit code."""
    from app.core.logging import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    logging.getLogger(__name__).error("cannot start: %s", error)
    return error.exit_code

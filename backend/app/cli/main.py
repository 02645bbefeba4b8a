"""The `prompter` command: its subcommands, and the place where every failure becomes one line and an exit code."""

import sys
import threading
import traceback
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from app import __version__
from app.cli import (
    ask,
    bench,
    config,
    db,
    demo_data,
    dictate,
    extras,
    imports,
    models,
    serve,
    tls,
    transcribe,
    users,
    worker,
)
from app.cli.common import (
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    NOT_REACHABLE,
    REFUSED,
    USAGE,
    CommandError,
    exit_now,
)
from app.cli.doctor.command import doctor
from app.client.errors import ClientError, Refused, Unreachable

app = typer.Typer(
    name="prompter",
    help="Prompt language models by voice: a server, and a client for it.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("dictate")(dictate.dictate)
app.command("transcribe")(transcribe.transcribe)
app.command("ask")(ask.ask)
app.command("import")(imports.import_file)
app.command("providers")(ask.providers)
app.add_typer(models.app, name="models")
app.add_typer(extras.app, name="extras")
app.command("config")(config.config)
app.command("doctor")(doctor)
app.add_typer(users.app, name="users")
app.add_typer(db.app, name="db")
app.add_typer(demo_data.app, name="demo-data")
app.command("tls")(tls.tls)
app.add_typer(bench.app, name="bench")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prompter {__version__}")
        raise typer.Exit


@app.callback()
def prompter(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Prompt language models by voice: a server, and a client for it."""


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        code = execute(sys.argv[1:] or ["--help"])
    except Exception:  # noqa: BLE001  # a bug: its traceback is shown
        traceback.print_exc()
        code = FAILED
    if not any(thread.name.startswith("AnyIO worker") for thread in threading.enumerate()):
        sys.exit(code)
    exit_now(code)  # a worker thread may be blocked on a silent pipe


def execute(arguments: list[str]) -> int:
    """Run a command line, and return its exit code."""
    try:
        result = typer.main.get_command(app)(arguments, prog_name="prompter", standalone_mode=False)
    except CommandError as error:
        return _report(str(error), error.exit_code)
    except ClientError as error:
        codes = {Unreachable: NOT_REACHABLE, Refused: REFUSED}
        return _report(str(error), codes.get(type(error), FAILED))
    except TyperException as error:
        return _report(f"{_lower_first(error.format_message())} (prompter --help tells more)", USAGE)
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _report(message: str, code: int) -> int:
    """Print a message as one line, and return the code."""
    typer.echo(f"prompter: {' '.join(message.split())}", err=True)
    return code


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")

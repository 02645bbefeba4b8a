"""`prompter models`: the Whisper checkpoints of this machine, and fetching another one."""

import json
from typing import Annotated

import typer

from app.cli.common import NOT_REACHABLE, AsJson, CommandError, notes, out
from app.cli.settings import read_settings

HUB_SILENT = (
    "the model hub does not answer, so there is no Whisper checkpoint yet; "
    "fetch one later with: prompter models pull base"
)

app = typer.Typer(help="Checkpoints of the local Whisper engine on this machine.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the checkpoints that are there; * marks the one used unasked."""
    from app.core.checkpoints import default, list_checkpoints

    settings = read_settings()
    used = default(settings)
    found = list_checkpoints(settings)
    if as_json:
        items = [
            {
                "name": item.name,
                "path": str(item.path),
                "size_bytes": item.size_bytes,
                "multilingual": item.multilingual,
                "default": item == used,
            }
            for item in found
        ]
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for item in found:
        langs = (
            "only its test sentences"
            if item.test_only
            else "about 100 languages"
            if item.multilingual
            else "en"
        )
        mark = "*" if item == used else " "
        out().print(
            f"{mark} {item.name:<18} {item.size_bytes / 1e6:7.1f} MB  {langs}  {item.path}", markup=False
        )
    if used is None:
        notes().print("no checkpoint is used unasked; fetch one with: prompter models pull base")


@app.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="tiny, base, small, medium, large-v3 …, or owner/repository.")],
) -> None:
    """Fetch a checkpoint into the models folder; a broken download goes on where it stopped."""
    fetch(name)


@app.command("ensure", hidden=True)
def ensure_model(name: str = "base", timeout_s: float = 3.0) -> None:
    """Fetch a checkpoint where none is there and the hub answers in time, as `make run` does."""
    from app.core.checkpoints import default, hub_answers

    if default(read_settings()) is not None:
        return
    if not hub_answers(timeout_s):
        raise CommandError(HUB_SILENT, NOT_REACHABLE)
    fetch(name)


def fetch(name: str) -> None:
    """Fetch with a progress bar.

    Raises:
        CommandError: it could not be fetched; the hub's answer in one line.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from app.core.checkpoints import HubError, pull
    from app.core.hub import HubUnreachable

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=notes()) as progress:
            task = progress.add_task(f"fetching {name}", total=None)

            def on_progress(done_bytes: int, total_bytes: int) -> None:
                progress.update(task, completed=done_bytes, total=total_bytes)

            checkpoint = pull(name, read_settings(), on_progress)
    except HubUnreachable as error:
        raise CommandError(str(error), NOT_REACHABLE) from error
    except HubError as error:
        raise CommandError(str(error)) from error
    out().print(f"{checkpoint.name} is at {checkpoint.path}", markup=False)

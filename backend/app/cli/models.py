"""`prompter models`: lists the Whisper checkpoints and GGUF files of this machine, and downloads checkpoints."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import NOT_REACHABLE, AsJson, CommandError, note_console, read_settings, result_console

if TYPE_CHECKING:
    from app.core.config import Settings

HUB_SILENT = (
    "the model hub does not answer, so there is no Whisper checkpoint yet; "
    "fetch one later with: prompter models pull base"
)

app = typer.Typer(help="Whisper checkpoints and GGUF files on this machine.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the checkpoints and GGUF files; * marks the default ones."""
    from app.weights.checkpoints import find_default_checkpoint

    settings = read_settings()
    items = _list_items(settings)
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for item in items:
        mark = "*" if item["default"] else " "
        result_console().print(
            f"{mark} {item['name']:<18} {item['size_bytes'] / 1e6:7.1f} MB  {_describe_use(item)}  {item['path']}",
            markup=False,
        )
    if find_default_checkpoint(settings) is None:
        note_console().print("there is no default checkpoint; download one with: prompter models pull base")


def _list_items(settings: "Settings") -> list[dict[str, Any]]:
    from app.weights.checkpoints import find_default_checkpoint, list_checkpoints
    from app.weights.gguf import find_default_gguf, list_gguf

    used: tuple[object, ...] = (find_default_checkpoint(settings), find_default_gguf(settings))
    checkpoints = [
        {
            "kind": "whisper",
            "name": item.name,
            "path": str(item.path),
            "size_bytes": item.size_bytes,
            "multilingual": item.multilingual,
            "test_only": item.test_only,
            "default": item in used,
        }
        for item in list_checkpoints(settings)
    ]
    return checkpoints + [
        {
            "kind": "gguf",
            "name": item.name,
            "path": str(item.path),
            "size_bytes": item.size_bytes,
            "default": item in used,
        }
        for item in list_gguf(settings)
    ]


def _describe_use(item: dict[str, Any]) -> str:
    if item["kind"] == "gguf":
        return "answers prompts"
    if item["test_only"]:
        return "only its test sentences"
    return "about 100 languages" if item["multilingual"] else "en"


@app.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="tiny, base, small, medium, large-v3 …, or owner/repository.")],
) -> None:
    """Download a checkpoint into the models folder; a broken download continues where it stopped."""
    download_with_progress(name)


@app.command("ensure", hidden=True)
def ensure_model(name: str = "base", timeout_s: float = 3.0) -> None:
    """Download a checkpoint if there is none and the hub answers in time; `make run` does so."""
    from app.weights.checkpoints import find_default_checkpoint
    from app.weights.hub import is_hub_reachable

    if find_default_checkpoint(read_settings()) is not None:
        return
    if not is_hub_reachable(timeout_s):
        raise CommandError(HUB_SILENT, NOT_REACHABLE)
    download_with_progress(name)


def download_with_progress(name: str) -> None:
    """Download a checkpoint with a progress bar.

    Raises:
        CommandError: the download failed; one line says why.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from app.weights.download import download_checkpoint
    from app.weights.fetch import DownloadError, SourceUnreachable

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=note_console()) as progress:
            task = progress.add_task(f"fetching {name}", total=None)

            def on_progress(done_bytes: int, total_bytes: int) -> None:
                progress.update(task, completed=done_bytes, total=total_bytes)

            checkpoint = download_checkpoint(name, read_settings(), on_progress)
    except SourceUnreachable as error:
        raise CommandError(str(error), NOT_REACHABLE) from error
    except DownloadError as error:
        raise CommandError(str(error)) from error
    result_console().print(f"{checkpoint.name} is at {checkpoint.path}", markup=False)

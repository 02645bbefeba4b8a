"""`prompter bench`: measure a server as its clients see it, an engine on one's own recordings, and compare runs."""

import datetime as dt
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import FAILED, USAGE, CommandError, note_console, result_console, run_async
from app.cli.dictate import Lang, Model, Provider
from app.core.extras import advise_extra

if TYPE_CHECKING:
    from app.bench.report import Run

app = typer.Typer(
    name="bench",
    help="Measure latency, accuracy and capacity; needs the extra `bench`.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path,
    typer.Argument(help="Recordings: manifest.jsonl, or a .txt beside each.", exists=True, file_okay=False),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the results; a new one if left out.", file_okay=False)
]
Langs = Annotated[
    str, typer.Option("--langs", help="Languages of the speech to use, comma-separated; all if left out.")
]
Kinds = Annotated[str, typer.Option("--kinds", help="Kinds of the manifest to use, comma-separated.")]


@app.command("run")
def run(
    folder: Folder,
    parts: Annotated[
        str,
        typer.Option(
            "--parts", help="Parts to run, of dictation, capacity, fairness, ingest; all if left out."
        ),
    ] = "",
    provider: Provider = None,
    model: Model = None,
    lang: Lang = None,
    langs: Langs = "",
    kinds: Kinds = "",
    without: Annotated[
        str, typer.Option("--without", help="Ids of recordings to leave out, comma-separated.")
    ] = "",
    endpointing: Annotated[
        str | None, typer.Option("--endpointing", help="Endpointing profile of the sessions.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="Address of a running server, ws:// or http://; if left out, one is started."
        ),
    ] = None,
    speakers: Annotated[int, typer.Option(min=1, help="Sessions at once in the part `dictation`.")] = 1,
    most: Annotated[int, typer.Option(min=1, help="Most speakers that the part `capacity` tries.")] = 64,
    levels: Annotated[
        str,
        typer.Option(
            "--levels", help="Numbers of speakers to measure, comma-separated, in place of a search."
        ),
    ] = "",
    utterances: Annotated[int, typer.Option(min=1, help="Sentences of each speaker under load.")] = 7,
    output: Out = None,
) -> None:
    """Speak recordings to a server in real time and measure what comes back."""
    runner = _import_part("runner")
    speech = _import_part("speaker").SessionOptions(provider, model, lang, endpointing)
    plan = runner.Plan(
        folder=folder, parts=_split(parts) or runner.PARTS, speech=speech, langs=_split(langs), kinds=_split(kinds),
        without=_split(without), url=url, speakers=speakers, most=most, levels=_parse_numbers(levels),
        utterances=utterances,
    )  # fmt: skip
    result = _run_part(runner.run_plan(plan, _command_line(), _print_note))
    _save_and_show(result, output or _default_results_folder(provider or "default"))


@app.command("accuracy")
def accuracy(
    folder: Folder,
    provider: Annotated[str, typer.Option("--provider", help="Engine.")] = "whisper_local",
    model: Model = None,
    window: Annotated[
        str, typer.Option("--window", help="Windows of whole-window engines: short, full, or both.")
    ] = "short,full",
    langs: Langs = "",
    kinds: Kinds = "",
    output: Out = None,
) -> None:
    """Measure word errors, loops and cost of an engine on your own recordings, without a server or a network."""
    from app.cli.common import read_settings

    windows = _split(window)
    if not windows or not set(windows) <= {"short", "full"}:
        raise CommandError(f"--window {window!r}: expected short, full, or short,full", USAGE)
    parts, clips, runner = _import_part("accuracy"), _import_part("clips"), _import_part("runner")
    found = _run_part(
        parts.measure_accuracy(
            _with_command_errors(lambda: clips.find_clips(folder, _split(langs), _split(kinds))),
            provider=provider, model=model, windows=windows, settings=read_settings(), tell=_print_note,
        )
    )  # fmt: skip
    setting = {"provider": provider, "model": model or "the default", "audio": folder.name}
    _save_and_show(
        runner.make_run(_command_line(), [found], setting),
        output or _default_results_folder(f"accuracy-{provider}"),
    )


@app.command("gateway")
def gateway(
    crowd: Annotated[int, typer.Option(min=1, help="Streams at once; none of them may lose anything.")] = 100,
    output: Out = None,
) -> None:
    """Measure what the server adds to a language model's answers: time to the first token, CPU per chunk, memory."""
    parts, runner = _import_part("gateway"), _import_part("runner")
    found = _run_part(parts.measure_gateway(crowd=crowd))
    _save_and_show(
        runner.make_run(_command_line(), [found], {"upstream": "a fake one"}),
        output or _default_results_folder("gateway"),
    )


@app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="result.json of one run.", exists=True, dir_okay=False)],
    after: Annotated[Path, typer.Argument(help="result.json of another.", exists=True, dir_okay=False)],
) -> None:
    """List what got better or worse beyond noise; the exit code is 1 if anything got worse."""
    report = _import_part("report")
    one, other = (_with_command_errors(lambda path=path: report.read_run(path)) for path in (before, after))
    changes = _import_part("compare").compare_figures(one.figures, other.figures)
    typer.echo("\n".join(report.format_changes(changes)))
    if any(change.verdict == "worse" for change in changes):
        raise typer.Exit(FAILED)


def _import_part(name: str) -> Any:
    """Import a module of the benchmark.

    Raises:
        CommandError: a package that it needs is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"app.bench.{name}")
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the benchmark needs {error.name}: install it with {advise_extra('bench')}"
        ) from error


def _run_part(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return _with_command_errors(lambda: run_async(coroutine))


def _with_command_errors(call: Any) -> Any:
    """Call, and turn the benchmark's own errors into CommandError."""
    from app.bench.figures import BenchError

    try:
        return call()
    except BenchError as error:
        raise CommandError(str(error)) from error


def _save_and_show(result: "Run", folder: Path) -> None:
    """Write the result files, and show their tables."""
    files = _import_part("runner").save_run(result, folder)
    typer.echo(_import_part("report").format_run(result))
    result_console().print(f"written: {', '.join(str(file) for file in files)}", markup=False)


def _default_results_folder(name: str) -> Path:
    from app.core.paths import checkout_root

    stamp = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return (checkout_root() or Path()) / "bench" / "results" / f"{stamp}-{name}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _parse_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in _split(text)]
    except ValueError:
        raise CommandError(f"--levels {text!r}: expected numbers like 1,8,16", USAGE) from None


def _command_line() -> str:
    return " ".join(["prompter", *sys.argv[1:]])


def _print_note(line: str) -> None:
    note_console().print(line, markup=False)

"""`prompter transcribe`: turns recordings of any usual format into text, JSON or subtitles."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    DEFAULT_URL,
    FAILED,
    USAGE,
    CaFile,
    CommandError,
    Token,
    Url,
    make_client,
    note_console,
    run_async,
)
from app.cli.dictate import (
    Endpointing,
    Lang,
    Langs,
    Model,
    Provider,
    Resume,
    Vocabulary,
    parse_endpointing,
    split_terms,
)
from app.client.errors import AudioError

if TYPE_CHECKING:
    from rich.progress import Progress

    from app.client.events import Transcription
    from app.client.prompt_client import PromptClient


class OutputFormat(StrEnum):
    """What is written."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


SUFFIXES = {
    OutputFormat.TEXT: ".txt",
    OutputFormat.JSON: ".json",
    OutputFormat.SRT: ".srt",
    OutputFormat.VTT: ".vtt",
}


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="wav, mp3, flac, ogg, webm, m4a …")],
    form: Annotated[OutputFormat, typer.Option("--format", help="What to write.")] = OutputFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(help="Folder for one file each; else standard output.", file_okay=False)
    ] = None,
    lang: Lang = None,
    langs: Langs = None,
    provider: Provider = None,
    model: Model = None,
    endpointing: Endpointing = None,
    vocabulary: Vocabulary = None,
    words: Annotated[bool, typer.Option("--words", help="Ask for word times.")] = False,
    resume: Resume = True,
    url: Url = DEFAULT_URL,
    token: Token = "",
    cafile: CaFile = None,
) -> None:
    """Transcribe recordings as fast as the server can; standard error shows the progress."""
    if len(files) > 1 and form in (OutputFormat.SRT, OutputFormat.VTT) and output is None:
        raise CommandError(f"several files in one {form} make no sense; say --output DIR", USAGE)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    options = {
        "lang": lang,
        "langs": split_terms(langs),
        "provider": provider,
        "model": model,
        "words": words or form in (OutputFormat.SRT, OutputFormat.VTT),
        "vocabulary": split_terms(vocabulary),
        "endpointing": parse_endpointing(endpointing),
        "resume": resume,
    }
    failed = run_async(_transcribe_all(files, form, output, options, make_client(url, token, cafile)))
    if failed:
        raise typer.Exit(FAILED)


async def _transcribe_all(
    files: list[Path],
    form: OutputFormat,
    output: Path | None,
    options: dict[str, Any],
    client: "PromptClient",
) -> int:
    """Transcribe the files one after another, and return how many could not be read."""
    from rich.progress import Progress

    failed = 0
    names = make_target_names(files, SUFFIXES[form])
    console = note_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        async with client:
            for file, name in zip(files, names, strict=True):
                try:
                    result = await _transcribe_one(client, file, options, progress)
                except AudioError as error:
                    progress.console.print(f"prompter: {error}", markup=False)
                    failed += 1
                    continue
                text = render_result(file, result, form)
                if output:
                    (output / name).write_text(text, encoding="utf-8")
                else:
                    progress.stop()
                    typer.echo(
                        f"==> {file} <==\n{text}" if form is OutputFormat.TEXT and len(files) > 1 else text,
                        nl=False,
                    )
                    progress.start()
    return failed


async def _transcribe_one(
    client: "PromptClient", file: Path, options: dict[str, Any], progress: "Progress"
) -> "Transcription":
    task = progress.add_task(file.name, total=None)

    def on_progress(done_ms: int, audio_ms: int | None) -> None:
        progress.update(task, completed=done_ms, total=audio_ms)

    try:
        return await client.transcribe(file, progress=on_progress, **options)
    finally:
        progress.remove_task(task)


def make_target_names(files: Sequence[Path], suffix: str) -> list[str]:
    """Return a file name for each result: its recording's, with the old suffix where two would be the same."""
    stems = Counter(file.stem for file in files)
    return [(file.stem if stems[file.stem] == 1 else file.name) + suffix for file in files]


def render_result(file: Path, result: "Transcription", form: OutputFormat) -> str:
    """Return the result in the given form, ending with a newline."""
    import json
    from dataclasses import asdict

    from app.utils.subtitles import to_srt, to_vtt

    if form is OutputFormat.SRT:
        return to_srt(result.segments)
    if form is OutputFormat.VTT:
        return to_vtt(result.segments)
    if form is OutputFormat.JSON:
        return json.dumps({"file": str(file), **asdict(result)}, ensure_ascii=False) + "\n"
    return "".join(f"{segment.text}\n" for segment in result.segments)

"""`prompter transcribe`: recordings of any usual format to text, JSON or subtitles."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import DEFAULT_URL, FAILED, USAGE, CaFile, CommandError, Token, Url, connect, notes, run
from app.cli.dictate import (
    Endpointing,
    Lang,
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


class Format(StrEnum):
    """What to write."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


SUFFIXES = {Format.TEXT: ".txt", Format.JSON: ".json", Format.SRT: ".srt", Format.VTT: ".vtt"}


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="wav, mp3, flac, ogg, webm, m4a …")],
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TEXT,
    output: Annotated[
        Path | None, typer.Option(help="Folder for one file each; else standard output.", file_okay=False)
    ] = None,
    lang: Lang = None,
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
    """Transcribe recordings as fast as the server can, with a progress bar on standard error."""
    if len(files) > 1 and form in (Format.SRT, Format.VTT) and output is None:
        raise CommandError(f"several files in one {form} make no sense; say --output DIR", USAGE)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    options = {
        "lang": lang,
        "provider": provider,
        "model": model,
        "words": words or form in (Format.SRT, Format.VTT),
        "vocabulary": split_terms(vocabulary),
        "endpointing": parse_endpointing(endpointing),
        "resume": resume,
    }
    failed = run(_transcribe_all(files, form, output, options, connect(url, token, cafile)))
    if failed:
        raise typer.Exit(FAILED)


async def _transcribe_all(
    files: list[Path], form: Format, output: Path | None, options: dict[str, Any], client: "PromptClient"
) -> int:
    """Go through the files; the number of those that could not be read."""
    from rich.progress import Progress

    failed = 0
    names = target_names(files, SUFFIXES[form])
    console = notes()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        async with client:
            for file, name in zip(files, names, strict=True):
                try:
                    result = await _transcribe_one(client, file, options, progress)
                except AudioError as error:
                    progress.console.print(f"prompter: {error}", markup=False)
                    failed += 1
                    continue
                text = render(file, result, form)
                if output:
                    (output / name).write_text(text, encoding="utf-8")
                else:
                    progress.stop()
                    typer.echo(
                        f"==> {file} <==\n{text}" if form is Format.TEXT and len(files) > 1 else text,
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


def target_names(files: Sequence[Path], suffix: str) -> list[str]:
    """A name for each result: that of its recording, with its old suffix where two would be the same."""
    stems = Counter(file.stem for file in files)
    return [(file.stem if stems[file.stem] == 1 else file.name) + suffix for file in files]


def render(file: Path, result: "Transcription", form: Format) -> str:
    """The result in the form asked for, with a newline at its end."""
    import json
    from dataclasses import asdict

    from app.utils.subtitles import to_srt, to_vtt

    if form is Format.SRT:
        return to_srt(result.segments)
    if form is Format.VTT:
        return to_vtt(result.segments)
    if form is Format.JSON:
        return json.dumps({"file": str(file), **asdict(result)}, ensure_ascii=False) + "\n"
    return "".join(f"{segment.text}\n" for segment in result.segments)

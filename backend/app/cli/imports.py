"""`prompter import`: sends a file of conversations to a server, shows how far it is, and prints the report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    DEFAULT_URL,
    FAILED,
    USAGE,
    AsJson,
    CaFile,
    CommandError,
    Token,
    make_client,
    note_console,
    run_async,
)

if TYPE_CHECKING:
    from app.client.prompt_client import PromptClient

_WORDS = {
    "image": "pictures",
    "file": "files",
    "audio": "recordings",
    "tool": "calls of tools",
    "hidden": "hidden messages",
    "empty": "empty messages",
    "unknown_role": "messages of an unknown role",
    "unknown_content": "parts of an unknown kind",
    "too_long": "messages that are too long",
    "cut": "long messages of which the beginning came",
    "too_deep": "messages that nest too deep",
    "duplicate": "messages with an id that was there before",
    "orphan": "messages that follow nothing, which came as new beginnings",
    "cycle": "messages that follow themselves, which came as new beginnings",
    "future_date": "dates in the future, which became today's",
    "too_many_messages": "conversations with too many messages",
    "no_messages": "conversations without messages",
    "not_a_conversation": "entries that are no conversations",
    "busy": "conversations in which an answer was under way",
    "other_file": "other files of the archive",
    "nested_archive": "archives in the archive",
    "locked_file": "encrypted files",
    "file_too_large": "files that are too large",
    "file_not_readable": "files that no message can have, or that are damaged",
    "files_full": "files over what your files may take: delete some, then import this file again",
    "too_many_files": "files over what a message or an import may have",
    "recordings_full": "recordings for which no place was free: import this file again later",
}
"""What was left out, by its reason."""


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="Export of ChatGPT, Claude, Open WebUI, LibreChat, Chatbot UI or PROMPTer.",
            exists=True,
            dir_okay=False,
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
    as_json: AsJson = False,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            "--server",
            envvar="PROMPTER_URL",
            help="Address of the server.",
            rich_help_panel="Server",
        ),
    ] = DEFAULT_URL,
    token: Token = "",
    cafile: CaFile = None,
) -> None:
    """Import conversations of another product, or of another server."""
    if not file.stat().st_size:
        raise CommandError("the file is empty; choose the file that the product exported", USAGE)
    ended = run_async(_import(make_client(url, token, cafile), file, dry_run))
    if as_json:
        typer.echo(json.dumps(ended, ensure_ascii=False))
    elif ended.get("report"):
        typer.echo(render_report(ended["report"], dry_run), nl=False)
    if ended["state"] != "done":
        told = (ended.get("error") or {}).get("message") or f"the import is {ended['state']}"
        raise CommandError(told, FAILED)


async def _import(client: "PromptClient", file: Path, dry_run: bool) -> dict[str, Any]:
    """Send the file, and wait for the end of its import."""
    from rich.progress import Progress

    console = note_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(file.name, total=None)

        def show(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        async with client:
            return await client.import_conversations(file, dry_run=dry_run, progress=show)


def render_report(report: dict[str, Any], dry_run: bool) -> str:
    """The report as lines for a person."""
    came = "would come" if dry_run else "imported"
    files = f" and {report['files']} files" if report.get("files") else ""
    lines = [f"{report['created']} conversations {came}, with {report['messages']} messages{files}"]
    for name, words in (
        ("extended", "have new messages or files"),
        ("unchanged", "were here already"),
        ("left_out", "left out"),
    ):
        if report[name]:
            lines.append(f"{report[name]} conversations {words}")
    if report["left"]:
        lines.append("Not imported, or changed:")
        lines += [
            f"  {each['count']} {_WORDS.get(each['reason'], each['reason'])}" for each in report["left"]
        ]
    return "".join(f"{line}\n" for line in lines)

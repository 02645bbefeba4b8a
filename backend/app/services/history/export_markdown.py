"""Renders a conversation as safe Markdown: without active HTML, and without images that a reader would load."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import quote

import anyio.to_thread

from app.services.history.export_files import describe_file, make_path
from app.services.history.export_words import WORDS, Reader, describe_status, list_tool_calls
from app.storage.conversations import Conversation
from app.storage.messages import Message

_HEADINGS = "|".join(word for words in WORDS.values() for word in words.speakers.values())
_SPECIAL = re.compile(r"[\\`*_\[\]<>&#!|~$]")
_LINE_END = re.compile(r"\r\n?|\n")
_OPENING = re.compile(r"( *)(`{3,}(?=[^`]*$)|~{3,})")
_SPAN = re.compile(r"\\.|(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")
"""Code within one line, or an escaped character."""
_SPAN_CHARS = 1000
"""Code is not searched in longer lines, because that can take quadratic time."""
_LIVE = re.compile(r"<[A-Za-z/!?]|!\[|\]:")
"""What can begin HTML, an image, or a link definition."""
_HEADING = re.compile(rf" {{0,3}}## +(?:{_HEADINGS})\b")
_BACKTICKS = re.compile(r"`+")


async def write_conversation(
    conversation: Conversation,
    at: datetime,
    reader: Reader,
    pages: AsyncIterator[tuple[Message, ...]],
    *,
    links_files: bool = False,
) -> AsyncIterator[bytes]:
    """Write the file piece by piece; with `links_files` it links attached files beside it."""
    yield render_head(conversation, at, reader).encode()
    async for page in pages:
        # In a thread: long messages, written for the purpose, can take long.
        yield (await anyio.to_thread.run_sync(_render_page, page, reader, links_files)).encode()


def _render_page(page: Sequence[Message], reader: Reader, links_files: bool) -> str:
    return "".join(render_message(message, reader, links_files=links_files) for message in page)


def render_head(conversation: Conversation, at: datetime, reader: Reader) -> str:
    """Render the title, the time of the export and its zone, the model and the system prompt."""
    words = reader.words
    about = [escape(reader.describe_export(at))]
    if conversation.model:
        about.append(words.model.format(model=escape(conversation.model)))
    system = ""
    if conversation.system_prompt:
        system = f"\n## {words.speakers['system']}\n\n{render_text(conversation.system_prompt)}\n"
    return f"# {escape(conversation.title)}\n\n*{' · '.join(about)}*\n{system}"


def render_message(message: Message, reader: Reader, *, links_files: bool = False) -> str:
    """Render one message under a heading."""
    speaker = reader.words.speakers[message.role] + (f" ({escape(message.model)})" if message.model else "")
    text = f"{render_text(message.content)}\n" if message.content.strip() else ""
    heading = f"\n## {speaker} · {reader.format_time(message.created_at)}\n"
    files = _render_files(message, reader, links_files)
    parts = [heading, _render_tools(message, reader), text, files, _render_status(message, reader)]
    return "\n".join(part for part in parts if part)


def render_text(text: str) -> str:
    """Return a text unchanged if it is certainly harmless Markdown, else unchanged inside a fenced block."""
    text = _LINE_END.sub("\n", text).strip("\n")
    if is_harmless(text):
        return text
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}markdown\n{text}\n{fence}"


def is_harmless(text: str) -> bool:
    """Whether every Markdown renderer shows the whole text, without HTML, images and headings like ours.

    False in case of doubt: code counts as code only if all dialects agree that it is code.
    """
    fence, indent, nested, loose = "", 0, False, False
    for line in text.split("\n"):
        bare = line.strip()
        if fence:
            if bare and len(line) - len(line.lstrip(" ")) < indent:
                return False  # in some dialects the line ends the list item that holds the fence
            if len(bare) >= len(fence) and set(bare) == {fence[0]}:
                if line.rstrip(" \t") != " " * indent + bare:
                    return False  # the end of the fence in some dialects only
                fence = ""
            continue
        opening = _OPENING.match(line)
        if opening and len(opening[1]) <= 3:
            if nested and opening[1]:
                return False  # it begins a fence or ends one, depending on the dialect
            fence, indent, loose = opening[2], len(opening[1]), False
            continue
        nested = nested or "\t" in line or "```" in line or "~~~" in line
        rest = _SPAN.sub(" ", line) if len(line) <= _SPAN_CHARS else line
        loose = bool(bare) and (loose or "`" in rest)
        if _HEADING.match(line) or (_LIVE.search(line) and (loose or "|" in line or _LIVE.search(rest))):
            return False
    return not fence


def _render_tools(message: Message, reader: Reader) -> str:
    """Render one line for each tool call; the JSON export has the whole call in its place."""
    calls = list_tool_calls(message, reader.words)
    return "".join(
        f"- {reader.words.tool} {escape(call.name)} {escape(call.arguments)}: {escape(call.outcome)}\n"
        for call in calls
    )


def _render_files(message: Message, reader: Reader, links_files: bool) -> str:
    """Render one line for each attached file."""
    lines = []
    for file in message.attachments:
        told = escape(describe_file(file, reader))
        lines.append(f"- [{told}](<{quote(make_path(file))}>)\n" if links_files else f"- {told}\n")
    return f"{reader.words.attachments}:\n\n{''.join(lines)}" if lines else ""


def escape(text: str) -> str:
    """Put a text on one line and escape the characters that Markdown interprets."""
    return _SPECIAL.sub(lambda match: f"\\{match.group()}", " ".join(text.split()))


def _render_status(message: Message, reader: Reader) -> str:
    """Say why a message is incomplete."""
    told = describe_status(message, reader.words)
    return f"*({escape(told)})*\n" if told else ""

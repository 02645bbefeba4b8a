"""Writes a conversation as one HTML file, which needs no script and nothing from the net, for screens and for paper."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path

import anyio.to_thread
import pybase64

from app.services.history.export_files import Album, describe_file
from app.services.history.export_words import Reader, describe_status, list_tool_calls
from app.services.history.rendering import (
    clean_text,
    find_direction,
    read_styles,
    render_markdown,
    render_plain,
)
from app.storage.conversations import Conversation
from app.storage.messages import Message


async def write_conversation(
    conversation: Conversation,
    at: datetime,
    reader: Reader,
    pages: AsyncIterator[tuple[Message, ...]],
    album: Album,
) -> AsyncIterator[bytes]:
    """Write the file piece by piece, with the pictures of the album in it."""
    yield render_head(conversation, at, reader).encode()
    first = 1
    async for page in pages:
        # In a thread: long messages, written for the purpose, can take seconds.
        yield (await anyio.to_thread.run_sync(_render_page, page, reader, first, album)).encode()
        first += len(page)
    yield b"</main>\n</body>\n</html>\n"


def _render_page(page: Sequence[Message], reader: Reader, first: int, album: Album) -> str:
    return "".join(
        render_message(message, reader, number, album) for number, message in enumerate(page, first)
    )


def render_head(conversation: Conversation, at: datetime, reader: Reader) -> str:
    """Render everything before the first message."""
    title, told = escape(clean_text(conversation.title)), escape(reader.describe_export(at))
    model = reader.words.model.format(model=conversation.model) if conversation.model else ""
    about = f"{told} · {escape(clean_text(model))}" if model else told
    system = ""
    if conversation.system_prompt:
        text = f'<div class="rendered">{render_plain(conversation.system_prompt)}</div>'
        system = _render_article("system", escape(reader.words.speakers["system"]), text)
    return (
        f'<!doctype html>\n<html lang="{reader.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_make_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="PROMPTer">\n'
        f"<title>{title}</title>\n<style>{_read_style()}</style>\n</head>\n<body>\n"
        f'<header>\n<h1 dir="{find_direction(conversation.title)}">{title}</h1>\n'
        f'<p class="about" data-date="{escape(reader.format_date(at))}">{about}</p>\n</header>\n'
        f"<main>\n{system}"
    )


def render_message(message: Message, reader: Reader, number: int, album: Album) -> str:
    """Render one message under a heading."""
    model = f' <span class="model">{escape(clean_text(message.model))}</span>' if message.model else ""
    time = (
        f'<time datetime="{message.created_at.isoformat()}">{reader.format_time(message.created_at)}</time>'
    )
    heading = f"{escape(reader.words.speakers[message.role])}{model} {time}"
    parts = (
        _render_tools(message, reader),
        _render_content(message, number),
        _render_files(message, reader, album),
        _render_status(message, reader),
    )
    return _render_article(message.role, heading, "".join(parts))


def _render_files(message: Message, reader: Reader, album: Album) -> str:
    """Render the attached files: a picture where there is one, the name and the size."""
    items = []
    for file in message.attachments:
        picture, name = album.take_picture(file), escape(clean_text(file.name))
        image = f'<img src="{picture}" alt="{name}">' if picture else ""
        items.append(f"<li>{image}{escape(clean_text(describe_file(file, reader)))}</li>\n")
    label = escape(reader.words.attachments)
    return f'<ul class="attachments" aria-label="{label}">\n{"".join(items)}</ul>\n' if items else ""


def _render_article(role: str, heading: str, body: str) -> str:
    return f'<article class="{role}">\n<h2>{heading}</h2>\n{body}</article>\n'


def _render_content(message: Message, number: int) -> str:
    """Render the text as the page shows it: what a user wrote as it is, an answer as Markdown."""
    if not message.content.strip():
        return ""
    if message.role == "user":
        html = render_plain(message.content.strip("\n"))
    else:
        html = render_markdown(message.content, prefix=f"m{number}")
    return f'<div class="rendered">{html}</div>\n'


def _render_tools(message: Message, reader: Reader) -> str:
    lines = [
        f"<li>{escape(reader.words.tool)} <b>{escape(call.name)}</b> <code>{escape(call.arguments)}</code>: "
        f"{escape(call.outcome)}</li>\n"
        for call in list_tool_calls(message, reader.words)
    ]
    return clean_text(f'<ul class="tools">\n{"".join(lines)}</ul>\n') if lines else ""


def _render_status(message: Message, reader: Reader) -> str:
    told = clean_text(describe_status(message, reader.words))
    return f'<p class="status">({escape(told)})</p>\n' if told else ""


@cache
def _read_style() -> str:
    own = Path(__file__).with_name("export.css").read_text(encoding="utf-8")
    return f"\n{read_styles()}{own}"


@cache
def _make_policy() -> str:
    """The file may use its own style and the images that it contains, and nothing else."""
    digest = pybase64.b64encode(hashlib.sha256(_read_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )

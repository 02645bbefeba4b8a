"""The HTML of a shared page, which needs no script: title, messages and files, and nothing else of their owner."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal
from uuid import UUID

from app.services.history.rendering import clean_text, find_direction, render_markdown, render_plain
from app.services.sharing.shares import Attachment, Message, OpenShare, SharedBranch

Language = Literal["en", "es"]
_OTHER: dict[Language, Language] = {"en": "es", "es": "en"}
_NAMES: dict[Language, str] = {"en": "English", "es": "Español"}
_SHOWN_ROLES = ("user", "assistant")
_INNER_IMAGE = re.compile(r'<img src="data:[^"]*" alt="([^"]*)">')
"""An image that a text itself contains: the policy of all pages loads none."""


_MONTHS: dict[Language, tuple[str, ...]] = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """What the page says in one language."""

    untitled: str
    snapshot: str
    live: str
    expires: str
    question: str
    answer: str
    streaming: str
    incomplete: str
    empty: str
    switch: str
    page: str
    earlier: str
    later: str
    foot: str
    table: str
    code: str
    formula: str
    files: str
    heard: str
    gone_title: str
    gone: str
    busy_title: str
    busy: str
    date: str
    months: Sequence[str]


_TEXTS: dict[Language, _Texts] = {
    "en": _Texts(
        untitled="Shared conversation",
        snapshot="Shared as it was on {date}. What was written later is not shown.",
        live="This page follows the conversation. Reload it to see what is new.",
        expires="The link ends on {date}.",
        question="Question",
        answer="Answer",
        streaming="This answer is still being written. Reload the page to see more.",
        incomplete="This answer was cut short.",
        empty="There is nothing to read here yet.",
        switch="Language",
        page="Page {number} of {pages}",
        earlier="Earlier messages",
        later="Later messages",
        foot="Shared from PROMPTer. Language models make mistakes.",
        table="Table",
        code="Code",
        formula="Formula",
        files="Files",
        heard="What was heard",
        gone_title="There is nothing behind this link",
        gone="It may have been mistyped, it may have ended, or what it showed is no longer shared. Ask whoever sent it "
        "to you for another one.",
        busy_title="Too many requests",
        busy="Your address has opened many shared pages in a short time. Try again in {seconds} s.",
        date="{day} {month} {year}, {time} UTC",
        months=_MONTHS["en"],
    ),
    "es": _Texts(
        untitled="Conversación compartida",
        snapshot="Compartida tal como estaba el {date}. No se muestra lo que se escribió después.",
        live="Esta página sigue la conversación. Vuelve a cargarla para ver lo nuevo.",
        expires="El enlace caduca el {date}.",
        question="Pregunta",
        answer="Respuesta",
        streaming="Esta respuesta todavía se está escribiendo. Vuelve a cargar la página para ver más.",
        incomplete="Esta respuesta quedó a medias.",
        empty="Aquí todavía no hay nada que leer.",
        switch="Idioma",
        page="Página {number} de {pages}",
        earlier="Mensajes anteriores",
        later="Mensajes posteriores",
        foot="Compartida desde PROMPTer. Los modelos de lenguaje cometen errores.",
        table="Tabla",
        code="Código",
        formula="Fórmula",
        files="Archivos",
        heard="Lo que se oyó",
        gone_title="No hay nada en este enlace",
        gone="Puede que esté mal escrito, que haya caducado o que lo que mostraba ya no se comparta. Pide otro a quien "
        "te lo envió.",
        busy_title="Demasiadas peticiones",
        busy="Desde tu dirección se han abierto muchas páginas compartidas en poco tiempo. Vuelve a intentarlo dentro "
        "de {seconds} s.",
        date="{day} de {month} de {year}, {time} UTC",
        months=_MONTHS["es"],
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """What surrounds the messages of a page."""

    language: Language
    style: str
    """Address of the style sheet."""
    address: str = ""
    """Address of the page, under which its files are."""


def render_head(frame: PageFrame, branch: SharedBranch) -> str:
    """Render the page down to its first message."""
    texts, share = _TEXTS[frame.language], branch.share
    about = (
        [texts.live] if share.is_live else [texts.snapshot.format(date=_write_date(texts, share.created_at))]
    )
    if share.expires_at is not None:
        about.append(texts.expires.format(date=_write_date(texts, share.expires_at)))
    title = clean_text(share.title).strip() or texts.untitled
    other = f"?lang={_OTHER[frame.language]}" + (f"&amp;page={branch.number}" if branch.number > 1 else "")
    return (
        _render_opening(frame, title, other)
        + f'<h1 dir="{find_direction(title)}">{escape(title)}</h1>\n<p class="about">{" ".join(about)}</p>\n'
        + _render_pages(frame, branch)
    )


def render_messages(
    frame: PageFrame, share: OpenShare, shown: Sequence[Message], begins_at: int, heard: Mapping[UUID, str]
) -> str:
    """Render messages with their files, and what was heard in those.

    `begins_at` is the position of the first message, which makes ids that are unique in the page, and names files.
    """
    return "".join(
        _render_message(
            frame, message, begins_at + at, _render_files(frame, share, message, begins_at + at, heard)
        )
        for at, message in enumerate(shown)
    )


def render_foot(frame: PageFrame, branch: SharedBranch, *, is_empty: bool) -> str:
    """Render the page behind its last message; `is_empty` where it has shown none."""
    texts = _TEXTS[frame.language]
    empty = f"<p>{texts.empty}</p>\n" if is_empty else ""
    return empty + _render_pages(frame, branch) + _render_closing(frame)


def render_gone(frame: PageFrame) -> str:
    """Render the page of a link that opens nothing. It does not say why: whoever has a link may not know."""
    texts = _TEXTS[frame.language]
    return _render_notice(frame, texts.gone_title, texts.gone)


def render_busy(frame: PageFrame, wait_s: int) -> str:
    """Render the page for an address that asks too often."""
    texts = _TEXTS[frame.language]
    return _render_notice(frame, texts.busy_title, texts.busy.format(seconds=wait_s))


def _render_notice(frame: PageFrame, title: str, text: str) -> str:
    opening = _render_opening(frame, title, f"?lang={_OTHER[frame.language]}")
    return f"{opening}<h1>{title}</h1>\n<p>{text}</p>\n{_render_closing(frame, is_signed=False)}"


def _render_opening(frame: PageFrame, title: str, other: str) -> str:
    texts, language = _TEXTS[frame.language], _OTHER[frame.language]
    return (
        f'<!doctype html>\n<html lang="{frame.language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex, nofollow, noarchive">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)} · PROMPTer</title>\n"
        '<link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">\n'
        f'<link rel="stylesheet" href="{escape(frame.style)}">\n</head>\n<body>\n'
        f'<header><span class="brand">PROMPTer</span><nav aria-label="{texts.switch}">'
        f'<a href="{other}" rel="nofollow" hreflang="{language}" lang="{language}">{_NAMES[language]}</a>'
        "</nav></header>\n<main>\n"
    )


def _render_closing(frame: PageFrame, *, is_signed: bool = True) -> str:
    foot = f"<footer>{_TEXTS[frame.language].foot}</footer>\n" if is_signed else ""
    return f"</main>\n{foot}</body>\n</html>\n"


def _render_pages(frame: PageFrame, branch: SharedBranch) -> str:
    """Render the way to the other pages of a long conversation."""
    if branch.pages == 1:
        return ""
    texts, number = _TEXTS[frame.language], branch.number
    name = texts.page.format(number=number, pages=branch.pages)
    links = [
        f'<a rel="nofollow" href="?lang={frame.language}&amp;page={page}">{text}</a>'
        for page, text in ((number - 1, texts.earlier), (number + 1, texts.later))
        if 1 <= page <= branch.pages
    ]
    return f'<nav class="pages" aria-label="{name}"><span>{name}</span>{"".join(links)}</nav>\n'


def _render_message(frame: PageFrame, message: Message, position: int, files: str) -> str:
    """Render a message of the user or of the model. System prompts, tools and thoughts are their owner's own."""
    if not _is_shown(message):
        return ""
    texts = _TEXTS[frame.language]
    if message.role == "user":
        heading, body = texts.question, render_plain(message.content)
    else:
        model = escape(name_model(message.model))
        heading = f'{texts.answer} <span dir="auto">{model}</span>' if model else texts.answer
        body = _adapt(render_markdown(message.content, prefix=f"m{position}"), texts)
    note = {"streaming": texts.streaming, "complete": ""}.get(message.status, texts.incomplete)
    note = f'<p class="note">{note}</p>\n' if note else ""
    return (
        f'<article class="{message.role}" aria-labelledby="h{position}">\n'
        f'<h2 id="h{position}">{heading}</h2>\n<div class="text">{body}</div>\n{files}{note}</article>\n'
    )


def _render_files(
    frame: PageFrame, share: OpenShare, message: Message, position: int, heard: Mapping[UUID, str]
) -> str:
    """Render the files of a message as far as the link shows them; only what was heard if it shows no files."""
    texts = _TEXTS[frame.language]
    items = []
    for index, file in enumerate(message.attachments):
        text = heard.get(file.id, "").strip()
        told = f"<details><summary>{texts.heard}</summary>{render_plain(text)}</details>" if text else ""
        shown = _render_file(f"{frame.address}/files/{position}-{index}", file) if share.attachments else ""
        if shown or told:
            items.append(f"<li>{shown}{told}</li>\n")
    return f'<ul class="files" aria-label="{texts.files}">\n{"".join(items)}</ul>\n' if items else ""


def _render_file(address: str, file: Attachment) -> str:
    """Render a file as its thumbnail, a player or a link; the browser saves what is no picture."""
    where, name = escape(address), escape(clean_text(file.name))
    link = f'<a href="{where}" dir="auto">{name}</a> <span>{_write_size(file.size_bytes)}</span>'
    if file.has_thumbnail and file.kind == "image":
        return f'<a href="{where}"><img src="{where}?small=1" alt="{name}"></a>'
    if file.kind in ("audio", "video"):
        return f'<{file.kind} controls preload="none" src="{where}"></{file.kind}> {link}'
    return link


def _write_size(size_bytes: int) -> str:
    """Write a size as people do; both languages have the same units."""
    return f"{size_bytes / 1_000_000:.1f} MB" if size_bytes >= 100_000 else f"{max(1, size_bytes // 1000)} kB"


def _is_shown(message: Message) -> bool:
    return message.role in _SHOWN_ROLES


def name_model(model: str | None) -> str:
    """The name of a model for strangers: without that of a connection, which its owner has chosen."""
    if model is None:
        return ""
    if not model.startswith(("my.", "shared.")):
        return clean_text(model)
    return clean_text(model.partition("/")[2])


def _adapt(html: str, texts: _Texts) -> str:
    """Fit rendered Markdown to this page: what scrolls is reached by keyboard, and no image is loaded."""
    html = _INNER_IMAGE.sub(r"\1", html)
    for kind, label in (("code", texts.code), ("math", texts.formula)):
        html = html.replace(
            f'<pre class="{kind}"', f'<pre tabindex="0" role="group" aria-label="{label}" class="{kind}"'
        )
    return html.replace(
        '<div class="table">', f'<div class="table" tabindex="0" role="group" aria-label="{texts.table}">'
    )


def _write_date(texts: _Texts, at: datetime) -> str:
    """Write a time for people; the server does not know the reader's zone."""
    date = texts.date.format(day=at.day, month=texts.months[at.month - 1], year=at.year, time=f"{at:%H:%M}")
    return f'<time datetime="{at:%Y-%m-%dT%H:%MZ}">{date}</time>'

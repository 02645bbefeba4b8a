"""Renders a message's Markdown as safe HTML: no script, no markup of the message's own, nothing that a reader loads."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.services.history.code_colours import colour_code

MAX_CHARS = 200_000
"""A longer text is shown as it was written."""
MAX_NESTING = 40
"""Open blocks around a text. Where there are more, the parser would drop what they contain."""
MAX_INLINE_CHARS = 20_000
"""A longer paragraph is shown as it was written."""
MAX_BRACKETS = 4000
"""Opening brackets that are read as links: each costs up to 0.1 ms. Later paragraphs are shown as written."""
MAX_IMAGE_CHARS = 8_000_000
"""Size of one image that the text itself contains, in base64."""
MAX_FOOTNOTES = 500
MAX_TABLE_CHARS = 80
"""Characters beside each other in a table on a sheet of A4, whose words are not broken."""
_CELL_CHARS = 7
"""The narrowest column."""

LINK_ATTRIBUTES = 'rel="noopener noreferrer nofollow"'
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f\x7f]+", re.I)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}", re.I)
_BARE_LINK = re.compile(r"(?<![\w/.@:])https?://[^\s<>\"'`\x00-\x1f\x7f]{1,2000}", re.I)
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_FOOTNOTE = re.compile(r"\[\^([^\s\[\]]{1,64})\]:[ \t]*")
_FOOTNOTE_MARK = re.compile(r"\[\^([^\s\[\]]{1,64})\]")
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_MATH = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_MATH_CHARS = 5000
_MATH_LINES = 40
_OPENED_BY = {")": "(", "]": "["}
_RTL_CLASSES = frozenset({"R", "AL"})
_STRONG_CLASSES = _RTL_CLASSES | {"L"}
_DIRECTED = frozenset(
    f"{name}_open"
    for name in (
        *("paragraph", "heading", "bullet_list", "ordered_list", "list_item", "blockquote"),
        *("table", "th", "td"),
    )
)


def render_markdown(text: str, *, prefix: str, heading_shift: int = 2) -> str:
    """Render a text as HTML that may stand in any page. It takes a time that is linear in the length of the text.

    Args:
        text: Markdown as models write it, from any source.
        prefix: What the ids in this HTML begin with, unique in its page: letters, digits and `-`.
        heading_shift: Added to the level of each heading, so that the page's own headings stay above them.
    """
    text = clean_text(text)
    if len(text) > MAX_CHARS:
        return render_plain(text)
    env: dict[str, Any] = {"prefix": prefix, "shift": heading_shift, "brackets": MAX_BRACKETS}
    return _render_blocks(text, env) + _render_footnotes(env)


def render_plain(text: str) -> str:
    """Render a text as it was written: its lines and spaces stay, and addresses become links."""
    text = clean_text(text)
    return f'<div class="plain" dir="{find_direction(text)}">{_link_addresses(text)}</div>\n'


@cache
def read_styles() -> str:
    """Return the CSS of rendered messages, which stand in an element of the class `rendered`."""
    return Path(__file__).with_name("rendering.css").read_text(encoding="utf-8")


def clean_text(text: str) -> str:
    """Replace characters that HTML and PDF cannot contain."""
    return _UNWANTED.sub("\ufffd", text)


def find_direction(text: str) -> str:
    """`rtl` for a text whose first letter is written from the right, else `auto`, for which not all renderers look."""
    for character in text[:1000]:
        kind = unicodedata.bidirectional(character)
        if kind in _STRONG_CLASSES:
            return "rtl" if kind in _RTL_CLASSES else "auto"
    return "auto"


def is_safe_link(url: str) -> bool:
    """Whether an address is one of the web or of mail. Images of the text itself count too, and are never linked."""
    if url[:5].lower() == "data:":
        return len(url) <= MAX_IMAGE_CHARS and _IMAGE.fullmatch(url) is not None
    return _LINK.fullmatch(url) is not None


# -- parsing


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "maxNesting": MAX_NESTING})
    parser.validateLink = is_safe_link  # type: ignore[method-assign]  # the parser's own way to replace it
    parser.block.ruler.before(
        "reference", "footnote", _read_footnote, {"alt": ["paragraph", "reference", "footnote"]}
    )
    parser.block.ruler.before(
        "fence", "math_block", _read_math_block, {"alt": ["paragraph", "blockquote", "list"]}
    )
    parser.inline.ruler.before("escape", "math", _read_math)
    parser.inline.ruler.before("link", "footnote_mark", _read_footnote_mark)
    parser.core.ruler.at("inline", _parse_inline)
    parser.core.ruler.push("finish", _finish)
    parser.renderer.rules.update(_RENDER_RULES)  # type: ignore[attr-defined]  # of the renderer for HTML
    return parser


def _parse_inline(state: StateCore) -> None:
    """Parse the paragraphs, except those that would cost too much."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        brackets = token.content.count("[")
        if len(token.content) > MAX_INLINE_CHARS or brackets > state.env["brackets"]:
            token.children = [Token("text", "", 0, content=token.content)]
            continue
        state.env["brackets"] -= brackets
        token.children = []
        state.md.inline.parse(token.content, state.md, state.env, token.children)


def _read_footnote(state: StateBlock, begin: int, end: int, silent: bool) -> bool:
    """Read `[^label]: text` at the outermost level, with the lines after it that are its own."""
    found = _FOOTNOTE.match(state.src, state.bMarks[begin] + state.tShift[begin], state.eMarks[begin])
    if state.level or state.is_code_block(begin) or found is None:
        return False
    if silent:
        return True
    lines, line = [state.src[found.end() : state.eMarks[begin]]], begin + 1
    while line < end and not state.isEmpty(line) and not _begins_footnote(state, line):
        lines.append(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]])
        line += 1
    while line < end and (state.isEmpty(line) or state.sCount[line] >= 4):
        lines.append(state.getLines(line, line + 1, 4, False))
        line += 1
    notes = state.env.setdefault("footnotes", {})
    if len(notes) < MAX_FOOTNOTES:
        notes.setdefault(found[1], "\n".join(lines).strip("\n"))
    state.line = line
    return True


def _begins_footnote(state: StateBlock, line: int) -> bool:
    return _FOOTNOTE.match(state.src, state.bMarks[line] + state.tShift[line]) is not None


def _read_footnote_mark(state: StateInline, silent: bool) -> bool:
    found = _FOOTNOTE_MARK.match(state.src, state.pos, state.posMax)
    if found is None or found[1] not in state.env.get("footnotes", ()):
        return False
    if not silent:
        marks: dict[str, int] = state.env.setdefault("marks", {})
        is_first = found[1] not in marks
        token = state.push("footnote_mark", "", 0)
        token.meta = {"number": marks.setdefault(found[1], len(marks) + 1), "is_first": is_first}
    state.pos = found.end()
    return True


def _read_math_block(state: StateBlock, begin: int, end: int, silent: bool) -> bool:
    r"""Read a formula between lines that begin and end with `$$`, or with `\[` and `\]`."""
    start = state.bMarks[begin] + state.tShift[begin]
    close = _MATH.get(state.src[start : start + 2], "")
    if state.is_code_block(begin) or close not in ("$$", "\\]"):
        return False
    for line in range(begin, min(end, begin + _MATH_LINES)):
        if line > begin and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
        text = state.src[start + 2 if line == begin else state.bMarks[line] : state.eMarks[line]].rstrip()
        if not text.endswith(close):
            continue
        if not silent:
            token = state.push("math_block", "", 0)
            token.content = state.getLines(begin, line + 1, state.blkIndent, False).strip()
            state.line = line + 1
        return True
    return False


def _read_math(state: StateInline, silent: bool) -> bool:
    """Read a formula within a line, so that Markdown leaves its backslashes and underscores alone."""
    at = state.pos
    if state.src[at] not in "$\\":
        return False
    begin = state.src[at : at + 2] if state.src[at : at + 2] in _MATH else state.src[at]
    close = _MATH.get(begin)
    if close is None:
        return False
    end = _find_math_end(state, at + len(begin), close)
    if end < 0:
        return False
    if not silent:
        state.push("math", "", 0).content = state.src[at : end + len(close)]
    state.pos = end + len(close)
    return True


def _find_math_end(state: StateInline, begin: int, close: str) -> int:
    """Find the end of a formula, or -1. One `$` is no formula if it looks like money."""
    end = state.src.find(close, begin, min(state.posMax, begin + _MATH_CHARS))
    if end <= begin or "\n\n" in state.src[begin:end]:
        return -1
    if close == "$":
        after = state.src[end + 1 : end + 2]
        if state.src[begin].isspace() or state.src[end - 1].isspace() or after.isdigit():
            return -1
    return end


# -- after parsing


def _finish(state: StateCore) -> None:
    """Give blocks their direction, lists their tasks, texts their links, and headings the level that the page wants."""
    opened: list[Token] = []
    for at, token in enumerate(state.tokens):
        if token.type in _DIRECTED:
            token.attrSet("dir", "auto")
            opened.append(token)
        elif token.type.replace("_close", "_open") in _DIRECTED and opened:
            opened.pop()
        if style := token.attrs.pop(
            "style", None
        ):  # the alignment of a column, which policies forbid as a style
            token.attrSet("class", str(style).replace("text-align:", "align-"))
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + state.env['shift'])}"
        elif token.type == "inline":
            _direct(opened, token.content)
            if [each.type for each in state.tokens[max(at - 2, 0) : at]] == [
                "list_item_open",
                "paragraph_open",
            ]:
                _mark_task(state.tokens[at - 2], token)
            token.children = _finish_inline(token.children or [])


def _direct(opened: Sequence[Token], text: str) -> None:
    """Set the direction of the open blocks that begin with this text."""
    direction = find_direction(text)
    for token in reversed(opened):
        if token.meta.get("directed"):
            return
        token.meta["directed"] = True
        token.attrSet("dir", direction)


def _mark_task(item: Token, inline: Token) -> None:
    """Turn `[x]` at the beginning of a list item into a box."""
    children = inline.children
    found = _TASK.match(children[0].content) if children and children[0].type == "text" else None
    if children and found:
        children[0].content = children[0].content[found.end() :]
        children.insert(0, Token("task", "", 0, content="☐" if found[1] == " " else "☑\ufe0e"))
        item.attrJoin("class", "task")


def _finish_inline(children: list[Token]) -> list[Token]:
    """Take away links that lead nowhere, or to an image of the text itself, and note which texts are linked."""
    links: list[bool] = []
    for child in children:
        if child.type == "link_open":
            links.append(_LINK.fullmatch(str(child.attrGet("href"))) is not None)
            child.hidden = not links[-1]
        elif child.type == "link_close":
            child.hidden = not links.pop()
        elif child.type in ("text", "image"):
            child.meta["is_linked"] = any(links)
    return children


# -- writing


def _render_blocks(text: str, env: dict[str, Any]) -> str:
    tokens = _PARSER.parse(text, env)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        return render_plain(text)
    html: str = _PARSER.renderer.render(tokens, _PARSER.options, env)
    return html


def _render_text(tokens: Sequence[Token], at: int, *_: Any) -> str:
    token = tokens[at]
    return escape(token.content) if token.meta.get("is_linked") else _link_addresses(token.content)


def _link_addresses(text: str) -> str:
    """Escape a text and make links of the addresses in it."""
    parts, end = [], 0
    for found in _BARE_LINK.finditer(text):
        url = _trim_address(found.group())
        parts += [escape(text[end : found.start()]), _make_link(url, escape(url))]
        end = found.start() + len(url)
    return "".join([*parts, escape(text[end:])])


def _trim_address(url: str) -> str:
    """Leave out the punctuation after an address, and a bracket that was opened before it."""
    while url[-1] in ".,;:!?*_~" or (
        url[-1] in _OPENED_BY and url.count(_OPENED_BY[url[-1]]) < url.count(url[-1])
    ):
        url = url[:-1]
    return url


def _make_link(url: str, html: str) -> str:
    return f'<a href="{escape(url)}" {LINK_ATTRIBUTES}>{html}</a>'


def _render_link_open(tokens: Sequence[Token], at: int, *_: Any) -> str:
    href = str(tokens[at].attrGet("href") or "")
    return "" if tokens[at].hidden else f'<a href="{escape(href)}" {LINK_ATTRIBUTES}>'


def _render_link_close(tokens: Sequence[Token], at: int, *_: Any) -> str:
    return "" if tokens[at].hidden else "</a>"


def _render_image(tokens: Sequence[Token], at: int, *_: Any) -> str:
    """Show an image of the text itself. Another one becomes a link, which the reader may follow."""
    token = tokens[at]
    url, words = str(token.attrGet("src") or ""), escape(token.content)
    if url[:5].lower() == "data:":
        return f'<img src="{escape(url)}" alt="{words}">'
    return words if token.meta.get("is_linked") else _make_link(url, words or escape(url))


def _render_code(tokens: Sequence[Token], at: int, *_: Any) -> str:
    language = tokens[at].info.split()[0][:40] if tokens[at].info.split() else ""
    label = f' data-language="{escape(language)}"' if language else ""
    return (
        f'<pre class="code" dir="ltr"{label}><code>{colour_code(tokens[at].content, language)}</code></pre>\n'
    )


def _render_table_open(tokens: Sequence[Token], at: int, *_: Any) -> str:
    """Open a table. One whose words do not fit beside each other on paper has a class: paper cannot be scrolled."""
    kind = ' class="broad"' if _count_table_chars(tokens, at) > MAX_TABLE_CHARS else ""
    return f'<div class="table"><table dir="{tokens[at].attrGet("dir")}"{kind}>\n'


def _count_table_chars(tokens: Sequence[Token], at: int) -> int:
    """Count the characters of a line of a table in which no word is broken: the longest word of each column."""
    longest: list[int] = []
    column = 0
    while (token := tokens[at]).type != "table_close":
        at += 1
        if token.type == "tr_open":
            column = 0
        elif token.type == "inline":
            words = "".join(child.content for child in token.children or ()).split()
            longest += [_CELL_CHARS] * (column + 1 - len(longest))
            longest[column] = max(longest[column], max(map(len, words), default=0) + 2)
            column += 1
    return sum(longest)


def _render_math(tokens: Sequence[Token], at: int, *_: Any) -> str:
    return f'<code class="math" dir="ltr">{escape(tokens[at].content)}</code>'


def _render_math_block(tokens: Sequence[Token], at: int, *_: Any) -> str:
    return f'<pre class="math" dir="ltr"><code>{escape(tokens[at].content)}</code></pre>\n'


def _render_footnote_mark(tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    number, prefix = tokens[at].meta["number"], escape(env["prefix"])
    id_ = f' id="{prefix}-mark-{number}"' if tokens[at].meta["is_first"] else ""
    return f'<sup><a href="#{prefix}-note-{number}"{id_}>{number}</a></sup>'


def _render_footnotes(env: dict[str, Any]) -> str:
    """Write the notes that the text mentions, and those that they mention, in order."""
    marks: dict[str, int] = env.get("marks", {})
    items, written = [], 0
    while written < len(marks):
        label = list(marks)[written]
        written += 1
        html = _render_blocks(env["footnotes"][label], env)
        prefix = escape(env["prefix"])
        back = f'<a href="#{prefix}-mark-{written}">↩\ufe0e</a>'
        items.append(f'<li id="{prefix}-note-{written}">{html}{back}</li>\n')
    return f'<ol class="footnotes">\n{"".join(items)}</ol>\n' if items else ""


_RENDER_RULES: dict[str, Callable[..., str]] = {
    "text": _render_text,
    "link_open": _render_link_open,
    "link_close": _render_link_close,
    "image": _render_image,
    "fence": _render_code,
    "code_block": _render_code,
    "math": _render_math,
    "math_block": _render_math_block,
    "footnote_mark": _render_footnote_mark,
    "task": lambda tokens, at, *_: f'<span class="box">{tokens[at].content}</span>',
    "table_open": _render_table_open,
    "table_close": lambda *_: "</table></div>\n",
}
_PARSER = _make_parser()

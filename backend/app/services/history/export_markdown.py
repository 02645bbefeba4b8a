"""A conversation as Markdown that shows nothing but itself: no HTML of anybody, and nothing loaded; pure."""

import re
from datetime import datetime

import orjson

from app.services.chat.events import tool_events_of
from app.storage.conversations import Conversation
from app.storage.messages import Message
from app.storage.tool_events import ENDS

SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}

_SIGNS = re.compile(r"[\\`*_\[\]<>&#!|~$]")
_LINE_END = re.compile(r"\r\n?|\n")
_OPENING = re.compile(r"( *)(`{3,}(?=[^`]*$)|~{3,})")
_SPAN = re.compile(r"\\.|(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")
"""Code within one line, or an escaped sign."""
_SPAN_CHARS = 1000
"""In longer lines no code is looked for: that could take the square of their length."""
_LIVE = re.compile(r"<[A-Za-z/!?]|!\[|\]:")
"""What could begin HTML, an image, or a target for the links of others."""
_HEADING = re.compile(rf" {{0,3}}## +(?:{'|'.join(SPEAKERS.values())})\b")
_TOOL_CHARS = 500
"""Of what a tool was given, and of what it gave."""
_BACKTICKS = re.compile(r"`+")


def render_head(conversation: Conversation, at: datetime) -> str:
    """The title, and what was sent along with each message."""
    about = [f"Exported from PROMPTer on {format_time(at)}"]
    if conversation.model:
        about.append(f"model {escape(conversation.model)}")
    system = (
        f"\n## System\n\n{render_text(conversation.system_prompt)}\n" if conversation.system_prompt else ""
    )
    return f"# {escape(conversation.title)}\n\n*{' · '.join(about)}*\n{system}"


def render_message(message: Message) -> str:
    """One message under a heading of its own."""
    said_by = SPEAKERS[message.role] + (f" ({escape(message.model)})" if message.model else "")
    text = f"{render_text(message.content)}\n" if message.content.strip() else ""
    parts = [f"\n## {said_by} · {format_time(message.created_at)}\n", _tools(message), text, _ending(message)]
    return "\n".join(part for part in parts if part)


def render_text(text: str) -> str:
    """A message as it was written where that is surely harmless Markdown, else inside a fence: never changed."""
    text = _LINE_END.sub("\n", text).strip("\n")
    if is_harmless(text):
        return text
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}markdown\n{text}\n{fence}"


def is_harmless(text: str) -> bool:
    """Whether every reader of Markdown shows this text without HTML, images and headings of ours, and whole.

    False where that is not sure: code counts as code only where no dialect could see it otherwise.
    """
    fence, indent, nested, loose = "", 0, False, False
    for line in text.split("\n"):
        bare = line.strip()
        if fence:
            if bare and len(line) - len(line.lstrip(" ")) < indent:
                return False  # to some it ends the list item that the fence is in
            if len(bare) >= len(fence) and set(bare) == {fence[0]}:
                if line.rstrip(" \t") != " " * indent + bare:
                    return False  # an end to some only
                fence = ""
            continue
        opening = _OPENING.match(line)
        if opening and len(opening[1]) <= 3:
            if nested and opening[1]:
                return False  # it may begin a fence, or end one
            fence, indent, loose = opening[2], len(opening[1]), False
            continue
        nested = nested or "\t" in line or "```" in line or "~~~" in line
        rest = _SPAN.sub(" ", line) if len(line) <= _SPAN_CHARS else line
        loose = bool(bare) and (loose or "`" in rest)
        if _HEADING.match(line) or (_LIVE.search(line) and (loose or "|" in line or _LIVE.search(rest))):
            return False
    return not fence


def _tools(message: Message) -> str:
    """What an assistant's tools did, a line for each call; the JSON has it whole and in its place."""
    happened = tool_events_of(message)
    ends = {each.call_id: each for each in happened if each.name in ENDS}
    lines = []
    for call in happened:
        if call.name == "tool_call":
            end = ends.get(call.call_id)
            came = end.data.get("result" if end.name == "tool_result" else "error") if end else "not yet"
            asked = orjson.dumps(call.data.get("arguments")).decode()
            lines.append(f"- Tool {_short(call.data.get('name'))} {_short(asked)}: {_short(came)}\n")
    return "".join(lines)


def _short(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= _TOOL_CHARS else f"{text[:_TOOL_CHARS]}…")


def escape(text: str) -> str:
    """A text on one line in which no sign means anything."""
    return _SIGNS.sub(lambda sign: f"\\{sign.group()}", " ".join(text.split()))


def format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _ending(message: Message) -> str:
    """Why a message is not whole."""
    if message.status == "streaming":
        return "*(still being answered)*\n"
    if message.status == "complete":
        return ""
    why = escape(str((message.error or {}).get("message") or "cut short"))
    return f"*({message.status}: {why})*\n"

"""Renders a conversation as safe Markdown: without active HTML, and without images that a reader would load."""

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from app.core.errors import BadRequest
from app.storage.conversations import Conversation
from app.storage.messages import Message
from app.storage.tool_events import CALL_ENDS, load_tool_events

SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}

_SPECIAL = re.compile(r"[\\`*_\[\]<>&#!|~$]")
_LINE_END = re.compile(r"\r\n?|\n")
_OPENING = re.compile(r"( *)(`{3,}(?=[^`]*$)|~{3,})")
_SPAN = re.compile(r"\\.|(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")
"""Code within one line, or an escaped character."""
_SPAN_CHARS = 1000
"""Code is not searched in longer lines, because that can take quadratic time."""
_LIVE = re.compile(r"<[A-Za-z/!?]|!\[|\]:")
"""What can begin HTML, an image, or a link definition."""
_HEADING = re.compile(rf" {{0,3}}## +(?:{'|'.join(SPEAKERS.values())})\b")
_TOOL_CHARS = 500
"""Characters shown of the arguments of a tool, and of its result."""
_BACKTICKS = re.compile(r"`+")


def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        BadRequest: there is no zone of that name.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # the name of a folder raises OSError
        raise BadRequest(
            "`timezone` has to be an IANA name of a time zone, such as Europe/Madrid or UTC"
        ) from error


def render_head(conversation: Conversation, at: datetime, zone: tzinfo = UTC) -> str:
    """Render the title, the time of the export and its zone, the model and the system prompt."""
    about = [f"Exported from PROMPTer on {format_time(at, zone)}"]
    if zone is not UTC:
        about.append(f"times of {escape(str(zone))}")
    if conversation.model:
        about.append(f"model {escape(conversation.model)}")
    system = (
        f"\n## System\n\n{render_text(conversation.system_prompt)}\n" if conversation.system_prompt else ""
    )
    return f"# {escape(conversation.title)}\n\n*{' · '.join(about)}*\n{system}"


def render_message(message: Message, zone: tzinfo = UTC) -> str:
    """Render one message under a heading."""
    speaker = SPEAKERS[message.role] + (f" ({escape(message.model)})" if message.model else "")
    text = f"{render_text(message.content)}\n" if message.content.strip() else ""
    heading = f"\n## {speaker} · {format_time(message.created_at, zone)}\n"
    parts = [heading, _render_tools(message), text, _render_status(message)]
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


def _render_tools(message: Message) -> str:
    """Render one line for each tool call; the JSON export has the whole call in its place."""
    events = load_tool_events(message.tool_data)
    ends = {event.call_id: event for event in events if event.name in CALL_ENDS}
    lines = []
    for call in events:
        if call.name == "tool_call":
            end = ends.get(call.call_id)
            outcome = end.data.get("result" if end.name == "tool_result" else "error") if end else "not yet"
            arguments = orjson.dumps(call.data.get("arguments")).decode()
            lines.append(
                f"- Tool {_shorten(call.data.get('name'))} {_shorten(arguments)}: {_shorten(outcome)}\n"
            )
    return "".join(lines)


def _shorten(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= _TOOL_CHARS else f"{text[:_TOOL_CHARS]}…")


def escape(text: str) -> str:
    """Put a text on one line and escape the characters that Markdown interprets."""
    return _SPECIAL.sub(lambda match: f"\\{match.group()}", " ".join(text.split()))


def format_time(at: datetime, zone: tzinfo) -> str:
    """Format a time to the minute, with its distance from UTC: where summer time ends, an hour comes twice."""
    here = at.astimezone(zone)
    distance = f"{here:%z}"
    return f"{here:%Y-%m-%d %H:%M} " + ("UTC" if zone is UTC else f"{distance[:3]}:{distance[3:5]}")


def _render_status(message: Message) -> str:
    """Say why a message is incomplete."""
    if message.status == "streaming":
        return "*(still being answered)*\n"
    if message.status == "complete":
        return ""
    reason = escape(str((message.error or {}).get("message") or "cut short"))
    return f"*({message.status}: {reason})*\n"

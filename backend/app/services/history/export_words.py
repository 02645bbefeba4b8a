"""The words and times in exported files, in the language and the time zone of their reader."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from app.core.errors import BadRequest
from app.storage.messages import Message
from app.storage.tool_events import CALL_ENDS, load_tool_events

ExportLanguage = Literal["en", "es"]
_TOOL_CHARS = 500
"""Characters shown of the arguments of a tool, and of its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a file says of its own, in one language."""

    speakers: Mapping[str, str]
    exported: str
    """The line with the time of the export."""
    times_of: str
    model: str
    tool: str
    not_yet: str
    streaming: str
    interrupted: str
    failed: str
    cut_short: str
    attachments: str
    not_printed: str
    """What stands in the place of a PDF that could not be made, before the reason."""
    months: str
    date: str
    conversations: str
    """The name of a file with several conversations."""


WORDS: Mapping[ExportLanguage, Words] = {
    "en": Words(
        speakers={"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"},
        exported="Exported from PROMPTer on {time}",
        times_of="times of {zone}",
        model="model {model}",
        tool="Tool",
        not_yet="not yet",
        streaming="still being answered",
        interrupted="interrupted",
        failed="failed",
        cut_short="cut short",
        attachments="Attachments",
        not_printed="There is no PDF of this conversation. The server said:",
        months="January February March April May June July August September October November December",
        date="{day} {month} {year}",
        conversations="PROMPTer conversations {date}",
    ),
    "es": Words(
        speakers={"user": "Usuario", "assistant": "Asistente", "system": "Sistema", "tool": "Herramienta"},
        exported="Exportado de PROMPTer el {time}",
        times_of="horas de {zone}",
        model="modelo {model}",
        tool="Herramienta",
        not_yet="aún no",
        streaming="aún se está respondiendo",
        interrupted="interrumpido",
        failed="falló",
        cut_short="cortado",
        attachments="Adjuntos",
        not_printed="No hay PDF de esta conversación. El servidor dijo:",
        months="enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        date="{day} de {month} de {year}",
        conversations="Conversaciones de PROMPTer {date}",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whom a file is for: the zone of the times in it, and the language of its own words."""

    zone: tzinfo = UTC
    language: ExportLanguage = "en"
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", WORDS[self.language])

    def format_time(self, at: datetime) -> str:
        """Format a time to the minute, with its distance from UTC: where summer time ends, an hour comes twice."""
        here = at.astimezone(self.zone)
        distance = f"{here:%z}"
        return f"{here:%Y-%m-%d %H:%M} " + ("UTC" if self.zone is UTC else f"{distance[:3]}:{distance[3:5]}")

    def format_date(self, at: datetime) -> str:
        """Format a date as people write it, such as `30 November 2026`."""
        here = at.astimezone(self.zone)
        month = self.words.months.split()[here.month - 1]
        return self.words.date.format(day=here.day, month=month, year=here.year)

    def format_size(self, size_bytes: int) -> str:
        """Format a size as people write it, such as `1.4 MB`."""
        if size_bytes < 1_000_000:
            return f"{max(1, round(size_bytes / 1000))} kB"
        shown = f"{size_bytes / 1_000_000:.1f} MB"
        return shown.replace(".", ",") if self.language == "es" else shown

    def describe_export(self, at: datetime) -> str:
        """Say when a file was made, and whose times it has."""
        told = self.words.exported.format(time=self.format_time(at))
        return told if self.zone is UTC else f"{told} · {self.words.times_of.format(zone=self.zone)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCall:
    """A tool call as a file for reading shows it, in one line."""

    name: str
    arguments: str
    outcome: str


def list_tool_calls(message: Message, words: Words) -> list[ShownCall]:
    """Return the tool calls of a message, shortened; the JSON export has each whole."""
    events = load_tool_events(message.tool_data)
    ends = {event.call_id: event for event in events if event.name in CALL_ENDS}
    calls = []
    for call in events:
        if call.name == "tool_call":
            end = ends.get(call.call_id)
            outcome = (
                end.data.get("result" if end.name == "tool_result" else "error") if end else words.not_yet
            )
            arguments = orjson.dumps(call.data.get("arguments")).decode()
            shown = (call.data.get("name"), arguments, outcome)
            name, arguments, outcome = map(_shorten, shown)
            calls.append(ShownCall(name=name, arguments=arguments, outcome=outcome))
    return calls


def _shorten(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _TOOL_CHARS else f"{text[:_TOOL_CHARS]}…"


def describe_status(message: Message, words: Words) -> str:
    """Say why a message is incomplete; empty for a complete one."""
    if message.status == "streaming":
        return words.streaming
    if message.status == "complete":
        return ""
    told = words.failed if message.status == "failed" else words.interrupted
    return f"{told}: {(message.error or {}).get('message') or words.cut_short}"


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

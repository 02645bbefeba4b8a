"""Messages of stored dictations."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.schemas.errors import ErrorBody

BEGINNING_CHARS = 200
"""Characters of a dictation that a list shows."""


class KeptAudioOut(BaseModel):
    """The audio of a dictation, which `GET /api/dictations/{dictation_id}/audio` gives."""

    ms: int = Field(description="its length (ms)", examples=[8120])
    until: datetime = Field(description="when it is deleted")


class DictationOut(BaseModel):
    """A dictation in a list."""

    id: UUID = Field(description="the dictation's id")
    session_id: str | None = Field(description="the label from its `start`; not unique", examples=["s1"])
    lang: str | None = Field(description="language of the first final, if known", examples=["es"])
    provider: str | None = Field(description="the speech engine", examples=["whisper_local"])
    model: str | None = Field(description="the model of the engine, if it has a name", examples=["base"])
    started_at: datetime = Field(description="when the dictation started")
    ended_at: datetime | None = Field(
        description="when the dictation ended; null while it goes on, or if the server stopped before its end"
    )
    state: Literal["recording", "heard", "final", "kept", "interrupted"] = Field(
        description="`recording`: audio arrives, or its client may still come back; `heard`: all audio has arrived, "
        "some of its text is awaited; `final`: all its text is stored; `kept`: that, and its audio is here; "
        "`interrupted`: it broke off, and text may be missing",
        examples=["kept"],
    )
    audio: KeptAudioOut | None = Field(description="its audio; null where none is kept")
    finals: int = Field(description="number of stored finals", examples=[2])
    text: str = Field(
        description=f"the first final that is not empty, up to {BEGINNING_CHARS} characters",
        examples=["¿Qué tiempo hace mañana?"],
    )
    current_version: UUID = Field(
        description="the version that is shown: `lang`, `provider`, `model`, `finals` and the texts are of it. The "
        "dictation's own id for what was heard live"
    )


class RedoIn(BaseModel):
    """How to hear a dictation again."""

    provider: str | None = Field(
        None,
        max_length=100,
        description="the speech engine; absent or null: the server's choice",
        examples=["whisper_local"],
    )
    model: str | None = Field(
        None,
        max_length=200,
        description="a model of the engine; absent or null: the engine's choice",
        examples=["base"],
    )
    lang: str = Field("auto", max_length=35, description="BCP-47 tag, or `auto`", examples=["es"])
    langs: list[str] = Field(
        default_factory=list,
        max_length=8,
        description="BCP-47 tags among which `auto` chooses; empty for any",
    )
    vocabulary: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="words and names that were likely said",
        examples=[["Ñandú"]],
    )


class DictationChangeIn(BaseModel):
    """What to change of a dictation."""

    current_version: UUID | None = Field(
        description="the version to show: one that is `done`; null, or the dictation's own id, for what was heard live"
    )


class VersionOut(BaseModel):
    """One way in which a dictation was heard: live, or again."""

    id: UUID = Field(description="the version's id; what was heard live has the dictation's")
    original: bool = Field(description="whether it was heard live")
    current: bool = Field(description="whether the dictation is shown with it")
    status: Literal["working", "done", "failed"] = Field(
        description="`working` while it is made, `failed` with `error`, else `done`"
    )
    provider: str | None = Field(description="the speech engine", examples=["whisper_local"])
    model: str | None = Field(description="the model of the engine, if it has a name", examples=["base"])
    lang: str | None = Field(
        description="the language that was asked for; at the end the one that was heard", examples=["es"]
    )
    created_at: datetime = Field(description="when it was asked for")
    ended_at: datetime | None = Field(description="when it was done or has failed")
    done_ms: int | None = Field(description="how much of the audio has been heard, while it is `working`")
    duration_ms: int | None = Field(description="the length of the audio, while it is `working`")
    error: ErrorBody | None = Field(description="why it has failed")
    finals: int = Field(description="number of finals", examples=[2])
    text: str = Field(
        description="all finals as one text; empty while it is `working`",
        examples=["¿Qué tiempo hace mañana?"],
    )


class StoredFinalOut(BaseModel):
    """One final as it was sent to the client."""

    n: int = Field(description="number of the final in its dictation: 0, 1, 2 …", examples=[0])
    utterance_id: str = Field(description="id of the utterance", examples=["1"])
    text: str = Field(description="the recognised text", examples=["¿Qué tiempo hace mañana?"])
    raw_text: str = Field(
        description="the engine's own text, before any improvement", examples=["¿Qué tiempo hace mañana?"]
    )
    start_ms: int | None = Field(
        description="start of the utterance after the dictation's first sample (ms)", examples=[480]
    )
    end_ms: int | None = Field(
        description="end of the utterance after the dictation's first sample (ms)", examples=[2210]
    )
    lang: str | None = Field(description="language, if known", examples=["es"])
    joined: bool = Field(
        False, description="whether the text goes on with the sentence of the final before it"
    )
    recovered: bool = Field(
        False, description="made by the server, after a crash, from audio that had arrived"
    )
    words: list[dict[str, Any]] | None = Field(
        description="words with their times: `word`, `start_ms`, `end_ms`, `confidence`; null unless `start` asked "
        "for them"
    )
    created_at: datetime = Field(description="when the text became final")


class DictationDetailOut(DictationOut):
    """A dictation with its finals."""

    text: str = Field(description="all finals as one text", examples=["¿Qué tiempo hace mañana?"])
    items: list[StoredFinalOut] = Field(description="the finals, in order")


class VersionDetailOut(VersionOut):
    """A version with its finals."""

    items: list[StoredFinalOut] = Field(description="the finals, in order; none while it is `working`")


class DictationDeletedOut(BaseModel):
    """What was asked to be deleted is deleted."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")

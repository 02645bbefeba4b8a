"""Messages of stored dictations."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

BEGINNING_CHARS = 200
"""Characters of a dictation that a list shows."""


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
    finals: int = Field(description="number of stored finals", examples=[2])
    text: str = Field(
        description=f"the first final that is not empty, up to {BEGINNING_CHARS} characters",
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


class DictationDeletedOut(BaseModel):
    """The dictation is deleted with its finals."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")

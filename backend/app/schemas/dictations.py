"""The words of stored dictations."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

BEGINNING_CHARS = 200


class DictationOut(BaseModel):
    """A dictation in the list."""

    id: UUID = Field(description="the dictation's id")
    session_id: str | None = Field(
        description="the label that its client gave in `start`; not unique", examples=["s1"]
    )
    lang: str | None = Field(description="language of its first final, where known", examples=["es"])
    provider: str | None = Field(description="the engine that recognised it", examples=["whisper_local"])
    model: str | None = Field(description="its model, where it has one by name", examples=["base"])
    started_at: datetime = Field(description="when it was begun")
    ended_at: datetime | None = Field(
        description="when it was over; null while it goes on, or where the server ended before it did"
    )
    finals: int = Field(description="how many finals are stored", examples=[2])
    text: str = Field(
        description=f"how it begins: its first final, up to {BEGINNING_CHARS} characters",
        examples=["¿Qué tiempo hace mañana?"],
    )


class StoredFinalOut(BaseModel):
    """One final as it was told."""

    n: int = Field(description="its number in the dictation: 0, 1, 2 …", examples=[0])
    utterance_id: str = Field(description="the utterance that it ended", examples=["1"])
    text: str = Field(description="what was said", examples=["¿Qué tiempo hace mañana?"])
    raw_text: str = Field(description="the same as the engine gave it", examples=["¿Qué tiempo hace mañana?"])
    start_ms: int | None = Field(description="from the dictation's first sample (ms)", examples=[480])
    end_ms: int | None = Field(description="from the dictation's first sample (ms)", examples=[2210])
    lang: str | None = Field(description="language, where known", examples=["es"])
    words: list[dict[str, Any]] | None = Field(
        description="word times as in the final: `word`, `start_ms`, `end_ms`, `confidence`; null where `start` "
        "did not ask for them"
    )
    created_at: datetime = Field(description="when it became final")


class DictationDetailOut(DictationOut):
    """A dictation with all that was said."""

    text: str = Field(description="all finals, joined by spaces", examples=["¿Qué tiempo hace mañana?"])
    items: list[StoredFinalOut] = Field(description="its finals, in order")


class DictationDeletedOut(BaseModel):
    """The dictation is gone, with its finals."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")

"""Messages of the search."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class HitOut(BaseModel):
    """One title, message or final that has all words of the query."""

    kind: Literal["title", "message", "dictation"] = Field(description="what was found")
    conversation_id: UUID | None = Field(description="id of the conversation; null for a dictation")
    title: str | None = Field(description="title of the conversation", examples=["Holiday plans"])
    message_id: UUID | None = Field(
        description="id of the message, which may be in a branch that is not shown; null for others"
    )
    role: Literal["system", "user", "assistant", "tool"] | None = Field(
        description="role of the message; null for others"
    )
    dictation_id: UUID | None = Field(description="id of the dictation; null for others")
    final_n: int | None = Field(
        description="number of the final in its dictation: 0, 1, 2 …; null for others"
    )
    created_at: datetime = Field(description="when the text was written or said")
    snippet: str = Field(
        description="text around the first match, on one line", examples=["a hotel near the beach"]
    )
    matches: list[tuple[int, int]] = Field(
        description="start and end of each match in the snippet (Unicode characters, not bytes or UTF-16 units)",
        examples=[[(2, 7)]],
    )

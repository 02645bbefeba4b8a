"""The words of search."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class HitOut(BaseModel):
    """One place where all the words stand."""

    kind: Literal["title", "message", "dictation"] = Field(description="what the words stand in")
    conversation_id: UUID | None = Field(description="the conversation; null for a dictation")
    title: str | None = Field(description="its title", examples=["Holiday plans"])
    message_id: UUID | None = Field(
        description="the message, which may stand in a branch that is not shown; null for the rest"
    )
    role: Literal["system", "user", "assistant", "tool"] | None = Field(description="who said it")
    dictation_id: UUID | None = Field(description="the dictation; null for the rest")
    final_n: int | None = Field(description="which final of the dictation: 0, 1, 2 …")
    created_at: datetime = Field(description="when it was said")
    snippet: str = Field(
        description="the text around the first match, on one line", examples=["a hotel near the beach"]
    )
    matches: list[tuple[int, int]] = Field(
        description="start and end of each match in the snippet (characters of Unicode, not bytes or UTF-16)",
        examples=[[(2, 7)]],
    )

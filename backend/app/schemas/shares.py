"""The wire of shared links."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

ShareKind = Literal["snapshot", "live"]
MIN_LIFE_S = 60
MAX_LIFE_S = 10 * 365 * 24 * 3600


class ShareIn(BaseModel):
    """What to share, and for how long."""

    conversation_id: str = Field(
        max_length=200,
        description="id of the conversation",
        examples=["0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"],
    )
    kind: ShareKind = Field(
        "snapshot",
        description="`snapshot`: the shown branch and its title as they are now, whatever comes later; `live`: the "
        "shown branch as it is when the link is opened",
    )
    attachments: bool = Field(False, strict=True, description="whether the files of its messages are shown")
    dictations: bool = Field(
        False, strict=True, description="whether the text is shown that was heard in attached recordings"
    )
    expires_in_s: int | None = Field(
        None,
        ge=MIN_LIFE_S,
        le=MAX_LIFE_S,
        strict=True,
        description="how long the link opens (s); null until it is revoked",
        examples=[604800],
    )


class ShareOut(BaseModel):
    """A shared link."""

    id: UUID = Field(description="id of the link, which its address does not contain")
    url: str | None = Field(
        repr=False,
        description="the address to send; null if the key file is another one than when the link was made: it still "
        "opens, and cannot be shown again",
        examples=["https://prompter.example/s/mR4…"],
    )
    conversation_id: UUID = Field(description="id of the conversation")
    title: str = Field(description="the title that the page shows", examples=["Holiday plans"])
    kind: ShareKind = Field(description="as in the request")
    attachments: bool = Field(description="as in the request")
    dictations: bool = Field(description="as in the request")
    created_at: datetime = Field(description="when it was made; a snapshot shows this moment")
    expires_at: datetime | None = Field(description="when it ends; null for never")
    expired: bool = Field(description="whether it has ended; such a link is listed for another 30 days")


class ShareDeletedOut(BaseModel):
    """The link opens nothing any more."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")

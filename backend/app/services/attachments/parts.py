"""What a model is sent of the files of a conversation: their texts, and pictures for a model that sees; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import pybase64

from app.storage.attachments import Attachment
from app.storage.messages import Message

TOKEN_BYTES = 4
"""Bytes of UTF-8 that count as a token; see `services/chat/context.py`."""
MOST_PICTURE_BYTES = 24 << 20
"""Of all pictures of one request."""
_TAG = "attached_file"
_MARK = re.compile(rf"<(?=\s*/?\s*{_TAG})", re.IGNORECASE)
_UNSAFE_NAME = re.compile(r'[\x00-\x1f\x7f"<>]')


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """What a request takes of one file."""

    file: Attachment
    text_bytes: int
    """Bytes of its text; 0 takes none."""
    views: int
    """Its first so many pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """What a model is sent of the files of one message."""

    text: str = ""
    pictures: tuple[str, ...] = ()
    """As data URLs."""


def count_tokens(size_bytes: int) -> int:
    """The estimated tokens of a text of so many bytes."""
    return -(-size_bytes // TOKEN_BYTES)


def plan_files(
    branch: Sequence[Message], *, sees: bool | None, text_tokens: int, pictures: int
) -> dict[UUID, list[FilePlan]]:
    """What a request takes of the files of its messages: of the newest messages first, until the budgets are used up.

    `sees` tells whether the model sees pictures. One that may see them is sent pictures that its user has attached,
    and pages of documents only if they have no text.
    """
    plans: dict[UUID, list[FilePlan]] = {}
    for message in reversed(branch):
        for file in message.attachments:
            text_bytes = min(file.tokens or 0, text_tokens) * TOKEN_BYTES
            views = min(count_views(file, sees), pictures)
            text_tokens -= text_bytes // TOKEN_BYTES
            pictures -= views
            plans.setdefault(message.id, []).append(FilePlan(file=file, text_bytes=text_bytes, views=views))
    return plans


def needs_sight(file: Attachment) -> bool:
    """Whether a model gets nothing of a file but its name unless it sees pictures."""
    return file.views > 0 and not file.tokens


def count_views(file: Attachment, sees: bool | None) -> int:
    """The pictures of a file that a model is sent, which sees pictures, sees none, or may see them."""
    if file.as_text or sees is False:
        return 0
    return file.views if sees or needs_sight(file) else 0


def describe_file(plan: FilePlan, text: str | None) -> str:
    """A file between tags that its text cannot contain; `text` is what was read of it."""
    file = plan.file
    if text is None:
        return fence_file(file.name, file.media_type, _explain_absence(plan))
    sent, total = count_tokens(plan.text_bytes), file.total_tokens or file.tokens or 0
    return fence_file(file.name, file.media_type, text, sent_tokens=sent, total_tokens=total)


def fence_file(name: str, media_type: str, text: str, *, sent_tokens: int = 0, total_tokens: int = 0) -> str:
    """A text between the tags of a file, which it cannot leave; a cut one says how much of it there is."""
    inside = _MARK.sub("<\\\\", text)
    note = ""
    if sent_tokens < total_tokens:
        note = f"\n[cut: this is the beginning, about {sent_tokens} of {total_tokens} tokens]"
    safe = _UNSAFE_NAME.sub("_", name)
    return f'<{_TAG} name="{safe}" type="{media_type}">\n{inside}{note}\n</{_TAG}>'


def _explain_absence(plan: FilePlan) -> str:
    if plan.views:
        return "[sent as a picture]"
    if plan.file.views and not plan.file.tokens:
        return "[a picture that is not sent]"
    return "[its text is not sent]" if plan.file.tokens else "[it has no text]"


def make_data_url(picture: bytes) -> str:
    """A picture as a data URL. Its type is told by its first bytes: only PNG and JPEG are kept for models."""
    media_type = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return f"data:{media_type};base64,{pybase64.b64encode(picture).decode()}"


def add_files(text: str, parts: FileParts | None) -> "str | list[dict[str, object]]":
    """The content of a message with its files before its text: plain text where there is no picture."""
    if parts is None:
        return text
    whole = "\n\n".join(piece for piece in (parts.text, text) if piece.strip())
    if not parts.pictures:
        return whole
    content: list[dict[str, object]] = [{"type": "text", "text": whole}] if whole else []
    content.extend({"type": "image_url", "image_url": {"url": url}} for url in parts.pictures)
    return content


NO_FILES: Mapping[UUID, FileParts] = {}

"""Shared links: makes, lists and revokes them for their owner, and reads what one shows for whoever opens it."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Literal
from uuid import UUID

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import Forbidden, NotFound, SharingOff, StorageUnavailable, TooManyAttempts
from app.core.idempotency import RequestKey
from app.core.security import is_loopback
from app.services.accounts.api_keys import hash_secret
from app.services.accounts.shared_throttle import SharedThrottle
from app.services.accounts.throttle import make_address_key
from app.services.attachments.attachments import Attachment, Attachments
from app.storage import idempotency, messages
from app.storage import shares as rows
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.key_file import KeyFile
from app.storage.messages import Message
from app.storage.shares import NewShare, OpenShare, StoredShare
from app.utils.ids import new_id

__all__ = ["Attachment", "Message", "OpenShare", "Share", "ShareDraft", "SharedBranch", "Shares", "Sharing"]

Sharing = Literal["off", "machine", "network"]
"""Whether users may share, and where a link opens: on this machine alone, or wherever the server is reached."""
TOKEN_BYTES = 32
TOKEN_CHARS = 43
"""A token: 256 random bits in URL-safe base64."""
PAGE_SIZE = 100
"""Messages of a conversation on one shared page."""
READ_AT_ONCE = 5
"""Messages of a shared page in memory, each of which may have a million characters."""
FILES_FACTOR = 20
"""An address may fetch so many times as many files as pages: a page has many."""
_HEARD_KINDS = ("audio", "video")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDraft:
    """What a user wants to share."""

    conversation_id: UUID
    is_live: bool = False
    attachments: bool = False
    dictations: bool = False
    expires_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link as its owner sees it."""

    id: UUID
    conversation_id: UUID
    is_live: bool
    title: str
    token: str | None = field(repr=False)
    """None where the key file is another one than when the link was made: the link opens, and cannot be shown again."""
    attachments: bool
    dictations: bool
    expires_at: datetime | None
    is_expired: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBranch:
    """One page of what a link shows."""

    share: OpenShare
    number: int
    """The number of the page: 1, 2 …"""
    pages: int
    begins_at: int
    """Position of its first message in the branch, from 0."""
    ids: Sequence[UUID]
    """Its messages, which `read_messages` reads."""


class Shares:
    """The shared links of all users."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        attached: Attachments,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings.sharing
        self._database = database
        self._attached = attached
        self._key_file = KeyFile(settings.data_dir, settings.llm.connections_key.get_secret_value())
        tries = self._settings.requests_per_minute
        self._visits = SharedThrottle(database, "shared page", tries, 60.0, clock)
        self._fetches = SharedThrottle(database, "shared file", tries * FILES_FACTOR, 60.0, clock)
        self.sharing: Sharing = _find_reach(settings)

    # -- for owners

    async def make(self, user_id: UUID, draft: ShareDraft, key: RequestKey | None = None) -> Share:
        """Make a link; the same `key` makes no second one.

        Raises:
            SharingOff: nobody shares on this server.
            Forbidden: the user has as many links as one may have.
            NotFound: this user has no such conversation, or the link of the first request has been deleted.
            BadRequest: the conversation has no messages.
            Busy: an answer is under way, which a snapshot would show unfinished for good.
            IdReused: another request had this key.
            StorageUnavailable: the database or the key file cannot be used.
        """
        if self.sharing == "off":
            raise SharingOff("nobody shares conversations on this server (sharing.enabled is off)")
        new = await anyio.to_thread.run_sync(self._prepare, user_id, draft)  # it reads a file
        async with self._database.write() as session:
            made = await idempotency.claim(session, user_id, key)
            if made is None:
                await rows.remove_expired(session, utc_now())
                if await rows.count_own(session, user_id) >= self._settings.links:
                    raise Forbidden(
                        f"you have {self._settings.links} shared links (sharing.links); delete one first"
                    )
                await rows.add(session, new)
                await idempotency.note_made(session, user_id, key, new.id)
            stored = await rows.get(session, user_id, made or new.id)
        return (await self._open_tokens([stored]))[0]

    async def list_own(self, user_id: UUID) -> list[Share]:
        """A user's links, newest first; expired ones for some time, too."""
        async with self._database.read() as session:
            stored = await rows.list_own(session, user_id)
        return await self._open_tokens(stored)

    async def remove(self, user_id: UUID, share_id: UUID) -> None:
        """Revoke a link: it opens nothing from now on.

        Raises:
            NotFound: this user has no such link.
        """
        async with self._database.write() as session:
            await rows.remove(session, user_id, share_id)

    # -- for whoever opens a link

    async def count_visit(self, address: str, *, is_file: bool = False) -> None:
        """Count a request for a shared page, or for a file of one.

        Raises:
            TooManyAttempts: too many from this address; says when to try again.
        """
        throttle = self._fetches if is_file else self._visits
        if wait_s := ceil(await throttle.take(make_address_key(address))):
            raise TooManyAttempts(
                f"too many requests for shared pages; try again in {wait_s} s", retry_after_s=wait_s
            )

    async def read(self, token: str, number: int = 1) -> SharedBranch | None:
        """Read a page of what a token opens; None where it opens nothing, whatever the reason, or has no such page."""
        if self.sharing == "off" or len(token) != TOKEN_CHARS:
            return None
        async with self._database.read() as session:
            opened = await rows.find_branch(session, hash_secret(token), utc_now())
            if opened is None:
                return None
            share, ids = opened
            begin, pages = (number - 1) * PAGE_SIZE, max(1, ceil(len(ids) / PAGE_SIZE))
            if not 1 <= number <= pages:
                return None
        shown = ids[begin : begin + PAGE_SIZE]
        return SharedBranch(share=share, number=number, pages=pages, begins_at=begin, ids=shown)

    async def read_messages(
        self, branch: SharedBranch
    ) -> AsyncGenerator[tuple[int, Sequence[Message]], None]:
        """Read the messages of a page a few at a time, with the position of the first: each may be very long.

        Of a conversation that is deleted meanwhile the rest is left out.
        """
        for begin in range(0, len(branch.ids), READ_AT_ONCE):
            wanted = branch.ids[begin : begin + READ_AT_ONCE]
            async with self._database.read() as session:
                found = await messages.read_page(session, branch.share.conversation_id, wanted)
            yield branch.begins_at + begin, found

    async def find_file(
        self, token: str, position: int, index: int, *, is_small: bool = False
    ) -> tuple[Attachment, Path] | None:
        """A file of the message at a position of what a link shows, and where it or its thumbnail is.

        None where there is no such file, whatever the reason.
        """
        if self.sharing == "off" or len(token) != TOKEN_CHARS:
            return None
        async with self._database.read() as session:
            opened = await rows.find_branch(session, hash_secret(token), utc_now())
            if opened is None or not opened[0].attachments:
                return None
            share, ids = opened
            found = await messages.read_page(session, share.conversation_id, ids[position : position + 1])
        files = found[0].attachments if found else ()
        if index >= len(files):
            return None
        file = files[index]
        find = self._attached.find_thumbnail if is_small else self._attached.find_content
        try:
            return await find(file.user_id, file.id)
        except NotFound:
            return None

    async def read_heard(self, share: OpenShare, shown: Sequence[Message]) -> Mapping[UUID, str]:
        """What was heard in the recordings of messages, by the ids of the files; nothing unless the link shows it."""
        heard = {}
        for file in (each for message in shown if share.dictations for each in message.attachments):
            if file.kind in _HEARD_KINDS and file.state == "ready":
                try:
                    _, heard[file.id] = await self._attached.read_text(file.user_id, file.id)
                except NotFound:
                    continue  # nothing was said in it, or it is deleted at this moment
        return heard

    def _prepare(self, user_id: UUID, draft: ShareDraft) -> NewShare:
        """A new link. Its token is stored as a hash, and encrypted for its owner to copy again."""
        token, share_id, now = secrets.token_urlsafe(TOKEN_BYTES), new_id(), utc_now()
        return NewShare(
            id=share_id,
            user_id=user_id,
            conversation_id=draft.conversation_id,
            is_live=draft.is_live,
            token_hash=hash_secret(token),
            sealed_token=self._key_file.seal(token, _make_context(share_id, user_id)),
            attachments=draft.attachments,
            dictations=draft.dictations,
            expires_at=None if draft.expires_in is None else now + draft.expires_in,
            created_at=now,
        )

    async def _open_tokens(self, stored: Sequence[StoredShare]) -> list[Share]:
        return await anyio.to_thread.run_sync(lambda: [self._open_token(each) for each in stored])

    def _open_token(self, stored: StoredShare) -> Share:
        return Share(
            id=stored.id,
            conversation_id=stored.conversation_id,
            is_live=stored.is_live,
            title=stored.title,
            token=self._unseal(stored),
            attachments=stored.attachments,
            dictations=stored.dictations,
            expires_at=stored.expires_at,
            is_expired=stored.expires_at is not None and stored.expires_at <= utc_now(),
            created_at=stored.created_at,
        )

    def _unseal(self, stored: StoredShare) -> str | None:
        """The token of a link. A key file that cannot be used keeps nobody from revoking a link."""
        if stored.sealed_token is None:
            return None
        try:
            return self._key_file.open(stored.sealed_token, _make_context(stored.id, stored.user_id))
        except StorageUnavailable as error:
            logger.warning("a shared link cannot be shown to its owner: %s", error.message)
            return None


def _make_context(share_id: UUID, user_id: UUID) -> bytes:
    """What a token is sealed for: this link of this user."""
    return b"share\0" + share_id.bytes + user_id.bytes


def _find_reach(settings: Settings) -> Sharing:
    if not settings.sharing.enabled:
        return "off"
    if settings.accounts.mode == "none" and (not settings.insecure or is_loopback(settings.host)):
        return "machine"
    return "network"

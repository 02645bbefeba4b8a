"""Models that users connect themselves: stored with encrypted keys, tried on the spot, asked as all models are."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from app.core.config import Settings, VendorName
from app.core.errors import (
    BadRequest,
    Forbidden,
    MissingConfig,
    NotFound,
    ServerFull,
    StorageUnavailable,
)
from app.core.idempotency import RequestKey
from app.core.security import Caller
from app.providers.llm.profile import ProfileProvider
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import Profile, make_connected_profile
from app.providers.upstream.transport import Resolver, resolve_host
from app.providers.upstream.trial import Trial, try_upstream
from app.providers.upstream.vendors import VENDORS
from app.storage import idempotency
from app.storage import model_connections as rows
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.key_file import KeyFile
from app.storage.model_connections import StoredConnection, make_key_context
from app.storage.users import Users
from app.utils.ids import new_id

OWN = "my."
"""How names of one's own connections begin in ids of models. No provider and no assistant has a dot in its name."""
SHARED = "shared."
"""How names of connections that an admin shares begin for all others."""
_TRIALS = 8
"""Trials that run at once."""
_CACHED = 1000
"""Providers of connections that are kept, with what they have learned of their upstreams."""
_ANSWERS = 32
"""Answers at once of all connections of one user: a third of what goes out to all users' models at a time."""
_HINT_CHARS = 4
_LEAST_HINTED = 12
"""A shorter key is not hinted at: its last characters would be too much of it."""
_NOBODY = "nobody can connect a model on this server (llm.connections is 0)"
_LOST_KEY = (
    "its key cannot be read any more, because the key file is another one or is missing: enter the key again"
)


def is_connection_name(id_: str) -> bool:
    """Whether an id of a model can only be that of a connected one."""
    return id_.startswith((OWN, SHARED))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDraft:
    """What a user says of a connection."""

    vendor: VendorName = "other"
    base_url: str = ""
    """Empty takes the usual address of the vendor."""
    api_key: str = field(default="", repr=False)
    title: str = ""
    model: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChanges:
    """What changes; None leaves a value as it is."""

    title: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    """Empty removes the key."""
    model: str | None = None
    models: tuple[str, ...] | None = None
    shared: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as its owner sees it: without its key."""

    id: UUID
    name: str
    title: str
    vendor: str
    base_url: str
    has_key: bool
    key_hint: str
    needs_key: bool
    """Whether its key can no longer be read."""
    model: str
    models: tuple[str, ...]
    shared: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedModel:
    """A connection that a user may ask: their own, or a shared one."""

    name: str
    title: str
    is_own: bool
    chat: ProfileProvider
    model: str
    """The model for requests that name only the connection; empty takes the first that is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTrial:
    """What was tried, and how it went."""

    vendor: str
    title: str
    base_url: str
    trial: Trial


class ModelConnections:
    """The connections of all users. Every use reads the database: what is deleted or replaced counts at once."""

    def __init__(self, settings: Settings, database: Database, *, resolver: Resolver = resolve_host) -> None:
        self._settings = settings
        self._database = database
        self._key_file = KeyFile(settings.data_dir, settings.llm.connections_key.get_secret_value())
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)
        self._providers: OrderedDict[tuple[UUID, str], tuple[StoredConnection, ProfileProvider]] = (
            OrderedDict()
        )
        self._slots: WeakValueDictionary[UUID, anyio.Semaphore] = WeakValueDictionary()
        """Of each user who has connected something; the providers hold them."""
        self._trials = anyio.CapacityLimiter(_TRIALS)

    # -- what their owner does

    async def list_own(self, caller: Caller) -> list[Connection]:
        """A user's own connections, newest first."""
        async with self._database.read() as session:
            found = await rows.list_own(session, caller.user_id)
        return [await self._describe(each) for each in found]

    async def add(
        self, caller: Caller, draft: ConnectionDraft, request_key: RequestKey | None = None
    ) -> Connection:
        """Store a connection; the same `request_key` stores no second one.

        Raises:
            BadRequest, BaseUrlNotAllowed: a value cannot be used.
            Forbidden: this user has as many connections as one may have.
            IdReused: `request_key` was sent with another request.
            NotFound: the connection that it made has been deleted.
            StorageUnavailable
        """
        profile = self._make_profile(VENDORS[draft.vendor].title, draft)
        assert profile.endpoint is not None
        now, id_ = utc_now(), new_id()
        stored = StoredConnection(
            id=id_,
            user_id=caller.user_id,
            name="",
            title=draft.title or _make_title(profile),
            vendor=profile.vendor.name,
            base_url=profile.endpoint.base.url,
            sealed_key=None,
            key_hint=_hint_at(draft.api_key),
            model=draft.model,
            models=draft.models,
            shared=False,
            created_at=now,
            updated_at=now,
        )
        sealed = await self._seal(stored, draft.api_key)
        limit = self._settings.llm.connections
        async with self._database.write() as session:
            if made := await idempotency.claim(session, caller.user_id, request_key):
                before = await rows.find_own(session, caller.user_id, made)
                if before is None:
                    raise _make_unknown()
                return await self._describe(before)
            # Of two servers that add at once, one waits: they would count and name alike.
            await Users(session).find_by_id(caller.user_id, lock=True)
            own = await rows.list_own(session, caller.user_id)
            if len(own) >= limit:
                raise Forbidden(
                    f"one user can connect {limit} models here (llm.connections); delete one first"
                    if limit
                    else _NOBODY
                )
            taken = {each.name for each in own}
            stored = replace(stored, sealed_key=sealed, name=_choose_name(stored.vendor, taken))
            await rows.add(session, stored)
            await idempotency.note_made(session, caller.user_id, request_key, stored.id)
        return await self._describe(stored)

    async def change(self, caller: Caller, connection_id: UUID, changes: ConnectionChanges) -> Connection:
        """Change a connection. A key belongs to its address: a new address needs a key again.

        Raises:
            NotFound: this user has no such connection.
            BadRequest, BaseUrlNotAllowed: a value cannot be used.
            Forbidden: only an admin shares.
            StorageUnavailable
        """
        if changes.shared and caller.role != "admin":
            await self._find_own(caller, connection_id)
            raise Forbidden("only a user with the role 'admin' can share a connection")
        async with self._database.write() as session:
            # Read in the transaction that writes it: another change at the same time loses nothing.
            before = await rows.find_own(session, caller.user_id, connection_id, lock=True)
            if before is None:
                raise _make_unknown()
            after = await self._apply(changes, before)
            if after.shared and not before.shared and await rows.is_shared_by_another(session, after):
                raise BadRequest(f"another admin shares {SHARED + after.name!r} already")
            await rows.change(
                session,
                connection_id,
                title=after.title,
                base_url=after.base_url,
                vendor=after.vendor,
                sealed_key=after.sealed_key,
                key_hint=after.key_hint,
                model=after.model,
                models=list(after.models),
                shared=after.shared,
                updated_at=after.updated_at,
            )
        return await self._describe(after)

    async def _apply(self, changes: ConnectionChanges, before: StoredConnection) -> StoredConnection:
        after = replace(
            before,
            title=before.title if changes.title is None else changes.title or before.title,
            model=before.model if changes.model is None else changes.model,
            models=before.models if changes.models is None else changes.models,
            shared=before.shared if changes.shared is None else changes.shared,
            updated_at=utc_now(),
        )
        if changes.base_url is not None:
            after = self._move(after, changes)
        if changes.api_key is not None:
            self._make_profile(VENDORS["other"].title, _to_draft(after, changes.api_key))
            sealed = await self._seal(after, changes.api_key)
            after = replace(after, sealed_key=sealed, key_hint=_hint_at(changes.api_key))
        return after

    async def remove(self, caller: Caller, connection_id: UUID) -> None:
        """Delete a connection with its key.

        Raises:
            NotFound: this user has no such connection.
            StorageUnavailable
        """
        async with self._database.write() as session:
            removed = await rows.remove(session, caller.user_id, connection_id)
        if not removed:
            raise _make_unknown()
        for key in [key for key in self._providers if key[0] == connection_id]:
            del self._providers[key]

    async def try_draft(self, draft: ConnectionDraft) -> ConnectionTrial:
        """Try what a user is about to connect; nothing is stored.

        Raises:
            BadRequest, BaseUrlNotAllowed: a value cannot be used.
            Forbidden: nobody can connect a model here.
            ServerFull: many others try at this moment.
        """
        if not self._settings.llm.connections:
            raise Forbidden(_NOBODY)
        return await self._try(self._make_profile(VENDORS[draft.vendor].title, draft))

    async def try_stored(self, caller: Caller, connection_id: UUID) -> ConnectionTrial:
        """Try a connection with its stored key.

        Raises:
            NotFound: this user has no such connection.
            BaseUrlNotAllowed: its address is no longer allowed.
            MissingConfig: its key can no longer be read.
            ServerFull, StorageUnavailable
        """
        stored = await self._find_own(caller, connection_id)
        key = await self._open(stored)
        if key is None:
            raise MissingConfig(_LOST_KEY)
        tried = await self._try(self._make_profile(OWN + stored.name, _to_draft(stored, key)))
        return replace(tried, title=stored.title)

    # -- what asks them

    async def list_for(self, user_id: UUID) -> list[ConnectedModel]:
        """All connections that a user may ask: their own, then shared ones, newest first."""
        async with self._database.read() as session:
            own = await rows.list_own(session, user_id)
            shared = await rows.list_shared(session, but_of=user_id)
        return [await self._connect(each, is_own=True) for each in own] + [
            await self._connect(each, is_own=False) for each in shared
        ]

    async def find_for(self, user_id: UUID, name: str) -> ConnectedModel | None:
        """The connection of a full name, such as `my.openai`, if this user may ask it. Other names read nothing."""
        if not is_connection_name(name):
            return None
        is_own = name.startswith(OWN)
        async with self._database.read() as session:
            stored = (
                await rows.find_named(session, user_id, name.removeprefix(OWN))
                if is_own
                else await rows.find_shared(session, name.removeprefix(SHARED))
            )
        return None if stored is None else await self._connect(stored, is_own=is_own)

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- inside

    async def _connect(self, stored: StoredConnection, *, is_own: bool) -> ConnectedModel:
        name = (OWN if is_own else SHARED) + stored.name
        key = (stored.id, name)
        known = self._providers.get(key)
        if known is None or known[0] != stored:
            profile = await self._read_profile(stored, name)
            slots = self._slots.setdefault(stored.user_id, anyio.Semaphore(_ANSWERS, fast_acquire=True))
            provider = ProfileProvider(self._settings, profile, client=self._client, slots=slots)
            if profile.problem:  # read again by the next request: it may be over by then
                return _describe_connected(stored, name, provider, is_own=is_own)
            self._providers[key] = known = (stored, provider)
            if len(self._providers) > _CACHED:
                self._providers.popitem(last=False)
        self._providers.move_to_end(key)
        return _describe_connected(stored, name, known[1], is_own=is_own)

    async def _read_profile(self, stored: StoredConnection, name: str) -> Profile:
        """The profile of a stored connection; one with a problem where it cannot be used."""
        try:
            key = await self._open(stored)
            profile = self._make_profile(name, _to_draft(stored, key or ""))
        except (BadRequest, StorageUnavailable) as error:
            return _make_unusable(name, stored, error.message, self._settings)
        return profile if key is not None else replace(profile, problem=f"{name}: {_LOST_KEY}")

    def _make_profile(self, name: str, draft: ConnectionDraft) -> Profile:
        return make_connected_profile(
            name,
            draft.vendor,
            base_url=draft.base_url or VENDORS[draft.vendor].base_url,
            api_key=draft.api_key,
            model=draft.model,
            models=draft.models,
            settings=self._settings,
        )

    def _move(self, stored: StoredConnection, changes: ConnectionChanges) -> StoredConnection:
        """The connection at its new address."""
        assert changes.base_url is not None
        draft = replace(_to_draft(stored, ""), vendor="other", base_url=changes.base_url)
        profile = self._make_profile(VENDORS[draft.vendor].title, draft)
        assert profile.endpoint is not None
        moved = replace(stored, base_url=profile.endpoint.base.url, vendor=profile.vendor.name)
        keeps_key = make_key_context(moved) == make_key_context(stored)
        if stored.sealed_key and not keeps_key and changes.api_key is None:
            raise BadRequest(
                "a key belongs to its address: send `api_key` with another `base_url`, or an empty one for none"
            )
        return moved

    async def _try(self, profile: Profile) -> ConnectionTrial:
        assert profile.endpoint is not None
        try:
            self._trials.acquire_nowait()
        except anyio.WouldBlock:
            raise ServerFull(
                f"{_TRIALS} addresses are being tried at this moment; try again soon", retry_after_s=5
            ) from None
        try:
            return ConnectionTrial(
                vendor=profile.vendor.name,
                title=_make_title(profile),
                base_url=profile.endpoint.base.url,
                trial=await try_upstream(self._client, profile),
            )
        finally:
            self._trials.release()

    async def _find_own(self, caller: Caller, connection_id: UUID) -> StoredConnection:
        async with self._database.read() as session:
            found = await rows.find_own(session, caller.user_id, connection_id)
        if found is None:
            raise _make_unknown()
        return found

    async def _seal(self, stored: StoredConnection, api_key: str) -> str | None:
        if not api_key:
            return None
        return await anyio.to_thread.run_sync(self._key_file.seal, api_key, make_key_context(stored))

    async def _open(self, stored: StoredConnection) -> str | None:
        """The key, empty where there is none to send; None where it can no longer be read."""
        if stored.sealed_key is None:
            return ""
        return await anyio.to_thread.run_sync(
            self._key_file.open, stored.sealed_key, make_key_context(stored)
        )

    async def _describe(self, stored: StoredConnection) -> Connection:
        try:
            needs_key = await self._open(stored) is None
        except StorageUnavailable:
            needs_key = True
        return Connection(
            id=stored.id,
            name=OWN + stored.name,
            title=stored.title,
            vendor=stored.vendor,
            base_url=stored.base_url,
            has_key=stored.sealed_key is not None,
            key_hint=stored.key_hint,
            needs_key=needs_key,
            model=stored.model,
            models=stored.models,
            shared=stored.shared,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
        )


def _describe_connected(
    stored: StoredConnection, name: str, chat: ProfileProvider, *, is_own: bool
) -> ConnectedModel:
    return ConnectedModel(name=name, title=stored.title, is_own=is_own, chat=chat, model=stored.model)


def _to_draft(stored: StoredConnection, api_key: str) -> ConnectionDraft:
    vendor: Any = stored.vendor if stored.vendor in VENDORS else "other"
    return ConnectionDraft(
        vendor=vendor,
        base_url=stored.base_url,
        api_key=api_key,
        title=stored.title,
        model=stored.model,
        models=stored.models,
    )


def _make_unusable(name: str, stored: StoredConnection, problem: str, settings: Settings) -> Profile:
    limits = settings.llm
    return Profile(
        name=name,
        vendor=VENDORS["other"],
        endpoint=None,
        model=stored.model,
        models=stored.models,
        connect_timeout_s=limits.connect_timeout_s,
        first_byte_timeout_s=limits.first_byte_timeout_s,
        idle_timeout_s=limits.idle_timeout_s,
        problem=problem,
    )


def _make_title(profile: Profile) -> str:
    assert profile.endpoint is not None
    return profile.vendor.title if profile.vendor.name != "other" else profile.endpoint.base.host


def _choose_name(vendor: str, taken: set[str]) -> str:
    """A name that no other connection of this user has. It holds no word of theirs: names stand in logs."""
    stem = "custom" if vendor == "other" else vendor
    names: Sequence[str] = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _hint_at(api_key: str) -> str:
    return api_key[-_HINT_CHARS:] if len(api_key) >= _LEAST_HINTED else ""


def _make_unknown() -> NotFound:
    return NotFound("you have no connection of this id")

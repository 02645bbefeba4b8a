"""Stores the conversations of one import: each in one transaction, with what is new of it and with its files."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from anyio.to_thread import run_sync

from app.services.importing.brought_files import BroughtFiles, find_missing
from app.services.importing.draft import Draft, DraftFile, make_message_id
from app.services.importing.report import Outcome
from app.services.importing.source import Left, SourceFile
from app.services.importing.tree import Planned
from app.storage import attachments, imports
from app.storage.database import Database
from app.storage.imports import NewConversation, Target
from app.utils.ids import parse_id

BATCH = 200
"""Messages that are in memory at a time."""


class Cancelled(Exception):
    """The user has cancelled the import, or is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What became of one conversation."""

    outcome: Outcome
    messages: int = 0
    files: int = 0
    left: Counter[Left] = field(default_factory=Counter)
    """Files that could not come."""


class ConversationStore:
    """Stores conversations for one user. `check` is called now and then, and may raise."""

    def __init__(
        self,
        database: Database,
        user_id: UUID,
        import_id: UUID,
        brought: BroughtFiles,
        *,
        text_tokens: int,
        check: Callable[[], None],
    ) -> None:
        """`text_tokens`: what a model is sent of the files of one message."""
        self._database = database
        self._user_id = user_id
        self._import_id = import_id
        self._brought = brought
        self._text_tokens = text_tokens
        self._check = check

    async def compare(self, draft: Draft, file: DraftFile) -> Came:
        """What storing the draft would come to."""
        target, id_of, wanted = await self._find_new(draft, file)
        fresh, files = len(draft.messages) - len(id_of), sum(map(len, wanted.values()))
        return Came(outcome=_name_outcome(target, fresh + files), messages=fresh, files=files)

    async def _find_new(
        self, draft: Draft, file: DraftFile
    ) -> tuple[Target | None, dict[str, UUID], dict[str, list[SourceFile]]]:
        """The conversation if it is here, the messages that are, and the files that are not, by keys of messages."""
        files = await run_sync(file.read_files, draft.messages)
        async with self._database.read() as session:
            target = await imports.find_target(session, self._user_id, _describe(draft), lock=False)
            id_of = _find_known(draft, target)
            here = await attachments.list_names(session, [id_of[key] for key in files if key in id_of])
        wanted = {
            key: find_missing(each, here.get(id_of[key], ()) if key in id_of else ())
            for key, each in files.items()
        }
        return target, id_of, {key: missing for key, missing in wanted.items() if missing}

    async def _bring_files(
        self, draft: Draft, file: DraftFile
    ) -> tuple[dict[str, tuple[UUID, ...]], Counter[Left]]:
        """Take the files that are not here, before the transaction: what is in them takes time to read."""
        if not file.has_files:
            return {}, Counter()
        _, _, wanted = await self._find_new(draft, file)
        return await self._brought.bring(wanted, file.files, self._check)

    async def store(self, draft: Draft, file: DraftFile, done: int) -> Came:
        """Store what is new of a conversation, all of it or nothing, and that so many conversations are done.

        Raises:
            Busy: an answer is under way in it.
            Cancelled: the import was cancelled, or its user deleted.
            StorageUnavailable, OSError
        """
        new = _describe(draft)
        brought, left = await self._bring_files(draft, file)
        async with self._database.write() as session:
            target = await imports.find_target(session, self._user_id, new, lock=True)
            id_of = _find_known(draft, target)
            fresh = [each for each in draft.messages if each.key not in id_of]
            outcome = _name_outcome(target, len(fresh) + len(brought))
            if fresh:
                target = target or await imports.create_target(session, self._user_id, new)
                for begin in range(0, len(fresh), BATCH):
                    self._check()
                    messages = await run_sync(_read_batch, file, draft, fresh[begin : begin + BATCH])
                    await imports.add_messages(session, self._user_id, target.id, messages, id_of)
                leaf_id = _choose_leaf(draft, target, id_of)
                await imports.show_leaf(session, target.id, leaf_id, draft.updated_at)
            given = {id_of[key]: ids for key, ids in brought.items()}
            files = await attachments.attach_imported(session, self._user_id, given, self._text_tokens)
            if not await imports.note_progress(session, self._import_id, done):
                raise Cancelled
        return Came(outcome=outcome, messages=len(fresh), files=files, left=left)


def _read_batch(file: DraftFile, draft: Draft, planned: list[Planned]) -> list[imports.ImportedMessage]:
    return file.read_messages(planned, partial(make_message_id, draft.origin))


def _describe(draft: Draft) -> NewConversation:
    return NewConversation(
        origin=draft.origin,
        own_id=draft.own_key if draft.source == "prompter" else "",
        title=draft.title,
        created_at=draft.created_at,
        updated_at=draft.updated_at,
        model=draft.model,
        system_prompt=draft.system_prompt,
        settings=draft.settings,
        is_archived=draft.is_archived,
    )


def _find_known(draft: Draft, target: Target | None) -> dict[str, UUID]:
    """The ids of the draft's messages that are here already, by their keys."""
    if target is None:
        return {}
    found: dict[str, UUID] = {}
    for each in draft.messages:
        id_ = target.known.get(make_message_id(draft.origin, each.key))
        if id_ is None and draft.source == "prompter" and (own_id := parse_id(each.key)) is not None:
            id_ = target.known.get(own_id)
        if id_ is not None:
            found[each.key] = id_
    return found


def _name_outcome(target: Target | None, fresh: int) -> Outcome:
    if target is None:
        return "created"
    return "extended" if fresh else "unchanged"


def _choose_leaf(draft: Draft, target: Target, id_of: dict[str, UUID]) -> UUID | None:
    """The message whose branch is shown; None leaves it to what its user did here since the last import."""
    if target.is_new or target.leaf_id is None or target.leaf_id in id_of.values():
        return id_of.get(draft.leaf) if draft.leaf is not None else None
    return None

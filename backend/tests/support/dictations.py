"""Stored dictations for tests, written the way that the server writes them."""

from uuid import UUID

from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import DictationBatch, NewDictation, NewFinal, PendingFinal, store_batch
from app.utils.ids import new_id


def new_dictation(user_id: UUID, label: str | None = "s1", model: str | None = None) -> NewDictation:
    """A dictation that is not stored yet."""
    return NewDictation(
        id=new_id(),
        user_id=user_id,
        session_label=label,
        lang="es",
        provider="fake",
        model=model,
        started_at=utc_now(),
    )


def pending(dictation_id: UUID, final: NewFinal) -> PendingFinal:
    """A final that is not stored yet."""
    return PendingFinal(id=new_id(), dictation_id=dictation_id, final=final, created_at=utc_now())


def final(n: int, text: str) -> NewFinal:
    """The final number `n` of a dictation."""
    return NewFinal(n=n, utterance_id=f"u{n}", text=text)


async def store_dictation(database: Database, user_id: UUID, *texts: str) -> UUID:
    """Store a dictation that has ended, with a final for each text; return its id."""
    new = new_dictation(user_id)
    finals = [pending(new.id, final(n, text)) for n, text in enumerate(texts)]
    batch = DictationBatch(dictations=[new], finals=finals, ended=[(new.id, utc_now())])
    result = await store_batch(database, batch)
    assert (result.stored_finals, result.refused_finals) == (len(texts), 0)
    return new.id

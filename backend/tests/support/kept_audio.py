"""Kept audio of dictations that nobody has spoken."""

from uuid import UUID

from app.api.deps import Resources
from app.storage.audio_spool import FileSpool, SpooledDictation, SpoolEntry
from app.storage.common import utc_now
from app.storage.data_folder import SPOOL_FOLDER
from app.utils.ids import new_id

RATE_HZ = 16_000


def keep_audio(resources: Resources, user_id: UUID, dictation_id: UUID, pcm: bytes) -> None:
    """Let a running server have audio of a stored dictation. Blocks."""
    about = SpooledDictation(
        dictation_id=dictation_id,
        user_id=user_id,
        session_label=None,
        started_at=utc_now(),
        rate_hz=RATE_HZ,
    )
    entry = SpoolEntry(new_id(), about, 0, len(pcm))
    spool = FileSpool(resources.settings.data_dir / SPOOL_FOLDER)
    spool.create(entry.id, about)
    spool.append(entry.id, 0, pcm)
    assert resources.audio.keep(entry), "the server keeps no audio"

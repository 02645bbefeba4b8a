"""What keeps a dictation's finals: the database, and for those with a label the memory that `/llm/generate` asks."""

from typing import Any
from uuid import UUID

from app.services.dictations.recording import Recording
from app.services.dictations.writer import Writer
from app.services.transcripts import Label, Transcript, Transcripts


class Keeper:
    """Begins the keeping of each dictation."""

    def __init__(self, writer: Writer, transcripts: Transcripts) -> None:
        self._writer = writer
        self._transcripts = transcripts

    def begin(self, owner: UUID, session_id: str | None, *, store: bool) -> "Kept":
        """A dictation of this user starts; without `store` nothing of it is kept, nor what its label had in memory."""
        label = None if session_id is None else Label(owner, session_id)
        if not store:
            if label is not None:
                self._transcripts.forget(label)
            return Kept(None, None)
        recording = Recording(self._writer.put, owner, session_id)
        return Kept(recording, label and self._transcripts.begin(label, recording.id))


class Kept:
    """One dictation's finals, from `start` to `stopped`. Never waits."""

    def __init__(self, recording: Recording | None, transcript: Transcript | None) -> None:
        self._recording = recording
        self._transcript = transcript

    def final(self, event: dict[str, Any]) -> None:
        """A final, as its client is told of it."""
        if self._transcript is not None:
            self._transcript.append(event["text"])
        if self._recording is not None:
            self._recording.final(event)

    def end(self) -> None:
        if self._recording is not None:
            self._recording.end()

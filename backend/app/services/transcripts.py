"""Finished text of recent dictations, by the client's own label, so that a prompt can be sent by `session_id`."""

from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

from app.core.errors import NotFound, NothingFinalYet

MOST_CHARACTERS = 1 << 20
"""Of one dictation; a longer one keeps its end."""


class Label(NamedTuple):
    """A client's own name for a dictation: those of others are others."""

    owner: UUID
    session_id: str


class Transcript:
    """One dictation's finals; appended to while it goes on."""

    def __init__(self, transcripts: "Transcripts", label: Label) -> None:
        self._transcripts = transcripts
        self._label = label
        self._finals: list[str] = []
        self._characters = 0

    @property
    def text(self) -> str:
        return " ".join(self._finals)

    def append(self, final: str) -> None:
        """Keep a final; its dictation becomes the newest, also where it had been forgotten meanwhile."""
        self._finals.append(final)
        self._characters += len(final)
        while self._characters > MOST_CHARACTERS and len(self._finals) > 1:
            self._characters -= len(self._finals.pop(0))
        self._transcripts.renew(self._label, self)


class Transcripts:
    """The latest dictation of each label, in memory. Of `capacity` labels the oldest without text goes first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[Label, Transcript] = OrderedDict()

    def begin(self, label: Label) -> Transcript:
        """Start a dictation under this label, in place of an earlier one."""
        transcript = Transcript(self, label)
        self._kept[label] = transcript
        self._kept.move_to_end(label)
        self._make_room()
        return transcript

    def renew(self, label: Label, transcript: Transcript) -> None:
        """The dictation has a new final; one that a later dictation of its label replaced stays replaced."""
        if self._kept.setdefault(label, transcript) is transcript:
            self._kept.move_to_end(label)
            self._make_room()

    def forget(self, label: Label) -> None:
        """Keep nothing of this label: its newest dictation asked not to be kept."""
        self._kept.pop(label, None)

    def text(self, label: Label) -> str:
        """The finals of the latest dictation of this label, joined by spaces.

        Raises:
            NotFound: no dictation of this label.
            NothingFinalYet: it has no final yet.
        """
        transcript = self._kept.get(label)
        if transcript is None:
            raise NotFound("no dictation has this session_id; speak to /ws/stt with it first")
        if not transcript.text:
            raise NothingFinalYet(
                "nothing of this dictation is final yet; send `stop` or `flush` and wait for `final`"
            )
        return transcript.text

    def _make_room(self) -> None:
        while len(self._kept) > self._capacity:
            newest = next(reversed(self._kept))
            empty = (label for label, kept in self._kept.items() if not kept.text and label != newest)
            del self._kept[next(empty, next(iter(self._kept)))]

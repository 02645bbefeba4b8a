"""Finished text of recent dictations, by the client's own label, so that a prompt can be sent by `session_id`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from app.core.errors import NotFound, NothingFinalYet

MOST_CHARACTERS = 1 << 20
"""Of one dictation; a longer one keeps its end."""


class SessionLabel(NamedTuple):
    """A client's own name for a dictation: those of others are others."""

    owner: UUID
    session_id: str


class RecentTranscript:
    """One dictation's finals; appended to while it goes on."""

    def __init__(self, transcripts: "RecentTranscripts", label: SessionLabel) -> None:
        self.label = label
        self._transcripts = transcripts
        self._finals: list[str] = []
        self._characters = 0
        self._erased = False

    @property
    def text(self) -> str:
        return " ".join(self._finals)

    def append(self, final: str) -> None:
        """Keep a final; its dictation becomes the newest, also where it had been forgotten meanwhile."""
        if self._erased:
            return
        self._finals.append(final)
        self._characters += len(final)
        while self._characters > MOST_CHARACTERS and len(self._finals) > 1:
            self._characters -= len(self._finals.pop(0))
        self._transcripts.renew(self.label, self)

    def erase(self) -> None:
        """Its speaker has deleted it: nothing of it is kept, nor what is said in it from now on."""
        self._erased = True
        self._finals.clear()


class RecentTranscripts:
    """The latest dictation of each label, in memory. Of `capacity` labels the oldest without text goes first."""

    def __init__(
        self, capacity: int, stored: Callable[[SessionLabel], Awaitable[str | None]] | None = None
    ) -> None:
        self._capacity = capacity
        self._stored = stored
        """Finds what is in memory no more, after a restart for instance; None where there is no such dictation."""
        self._kept: OrderedDict[SessionLabel, RecentTranscript | None] = OrderedDict()
        """None where the newest dictation of a label is not to be kept: no earlier one stands in for it."""
        self._by_id: WeakValueDictionary[UUID, RecentTranscript] = WeakValueDictionary()

    def begin(self, label: SessionLabel, dictation_id: UUID | None = None) -> RecentTranscript:
        """Start a dictation under this label, in place of an earlier one."""
        transcript = RecentTranscript(self, label)
        if dictation_id is not None:
            self._by_id[dictation_id] = transcript
        self._kept[label] = transcript
        self._kept.move_to_end(label)
        self._make_room()
        return transcript

    def renew(self, label: SessionLabel, transcript: RecentTranscript) -> None:
        """The dictation has a new final; one that a later dictation of its label replaced stays replaced."""
        if self._kept.setdefault(label, transcript) is transcript:
            self._kept.move_to_end(label)
            self._make_room()

    def forget(self, label: SessionLabel) -> None:
        """Keep nothing of this label: its newest dictation asked not to be kept."""
        self._kept[label] = None
        self._kept.move_to_end(label)
        self._make_room()

    def erase(self, dictation_id: UUID) -> None:
        """Forget a dictation, whether it goes on or not; an earlier one of its label may be asked for again."""
        transcript = self._by_id.pop(dictation_id, None)
        if transcript is None:
            return
        transcript.erase()
        if self._kept.get(transcript.label) is transcript:
            del self._kept[transcript.label]

    async def find(self, label: SessionLabel) -> str:
        """`text`, and where memory has nothing of this label, the latest stored dictation of it.

        Raises:
            NotFound, NothingFinalYet, StorageUnavailable
        """
        if label not in self._kept and self._stored is not None:
            text = await self._stored(label)
            if text is not None:
                return text[-MOST_CHARACTERS:]
        return self.text(label)

    def text(self, label: SessionLabel) -> str:
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
            empty = (
                label for label, kept in self._kept.items() if label != newest and not (kept and kept.text)
            )
            del self._kept[next(empty, next(iter(self._kept)))]

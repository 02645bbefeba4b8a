"""The text of recent dictations in memory, by the client's own `session_id`, so that a prompt can refer to it."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from app.core.errors import NotFound, NothingFinalYet
from app.utils.joining import TextPart, join_texts

MAX_CHARACTERS = 1 << 20
"""Characters of one dictation; of a longer one the end is kept."""


class SessionLabel(NamedTuple):
    """A `session_id` together with the user who chose it."""

    owner: UUID
    session_id: str


class RecentTranscript:
    """The finals of one dictation, appended while it goes on."""

    def __init__(self, transcripts: "RecentTranscripts", label: SessionLabel) -> None:
        self.label = label
        self._transcripts = transcripts
        self._finals: list[TextPart] = []
        self._characters = 0
        self._is_erased = False

    @property
    def text(self) -> str:
        """The finals as one text."""
        return join_texts(self._finals)

    def append(self, final: str, *, joined: bool = False, lang: str | None = None) -> None:
        """Add a final; `joined` where it goes on with the sentence of the one before.

        The dictation becomes the newest, even if it was forgotten meanwhile.
        """
        if self._is_erased:
            return
        self._finals.append(TextPart(final, joined, lang))
        self._characters += len(final)
        while self._characters > MAX_CHARACTERS and len(self._finals) > 1:
            self._characters -= len(self._finals.pop(0).text)
        self._transcripts.renew(self.label, self)

    def erase(self) -> None:
        """Remove the finals, and accept no further ones: the user has deleted the dictation."""
        self._is_erased = True
        self._finals.clear()


class RecentTranscripts:
    """The latest dictation of each label. Beyond `capacity` labels, the oldest one without text is forgotten first."""

    def __init__(
        self, capacity: int, find_stored: Callable[[SessionLabel], Awaitable[str | None]] | None = None
    ) -> None:
        self._capacity = capacity
        self._find_stored = find_stored
        """Finds the stored text of a dictation that is not in memory, for example after a restart."""
        self._latest: OrderedDict[SessionLabel, RecentTranscript | None] = OrderedDict()
        """None where the newest dictation of a label must not be stored: no earlier one takes its place."""
        self._by_id: WeakValueDictionary[UUID, RecentTranscript] = WeakValueDictionary()

    def begin(self, label: SessionLabel, dictation_id: UUID | None = None) -> RecentTranscript:
        """Begin a dictation under this label, in place of an earlier one."""
        transcript = RecentTranscript(self, label)
        if dictation_id is not None:
            self._by_id[dictation_id] = transcript
        self._latest[label] = transcript
        self._latest.move_to_end(label)
        self._make_room()
        return transcript

    def renew(self, label: SessionLabel, transcript: RecentTranscript) -> None:
        """Make a dictation the newest after a new final, unless a later dictation has taken its label."""
        if self._latest.setdefault(label, transcript) is transcript:
            self._latest.move_to_end(label)
            self._make_room()

    def forget(self, label: SessionLabel) -> None:
        """Forget the text of this label: its newest dictation must not be stored."""
        self._latest[label] = None
        self._latest.move_to_end(label)
        self._make_room()

    def erase(self, dictation_id: UUID) -> None:
        """Forget a dictation, whether it goes on or not. `find` may then return an earlier one of its label."""
        transcript = self._by_id.pop(dictation_id, None)
        if transcript is None:
            return
        transcript.erase()
        if self._latest.get(transcript.label) is transcript:
            del self._latest[transcript.label]

    async def find(self, label: SessionLabel) -> str:
        """Return the text of the latest dictation of this label, from memory or from the database.

        Raises:
            NotFound: there is no dictation of this label.
            NothingFinalYet: it has no final yet.
            StorageUnavailable: the database cannot be read.
        """
        if label not in self._latest and self._find_stored is not None:
            text = await self._find_stored(label)
            if text is not None:
                return text[-MAX_CHARACTERS:]
        return self.get_text(label)

    def get_text(self, label: SessionLabel) -> str:
        """Return the text of the latest dictation of this label in memory.

        Raises:
            NotFound: there is no dictation of this label in memory.
            NothingFinalYet: it has no final yet.
        """
        transcript = self._latest.get(label)
        if transcript is None:
            raise NotFound("no dictation has this session_id; speak to /ws/stt with it first")
        if not transcript.text:
            raise NothingFinalYet(
                "nothing of this dictation is final yet; send `stop` or `flush` and wait for `final`"
            )
        return transcript.text

    def _make_room(self) -> None:
        while len(self._latest) > self._capacity:
            newest = next(reversed(self._latest))
            empty = (
                label
                for label, transcript in self._latest.items()
                if label != newest and not (transcript and transcript.text)
            )
            del self._latest[next(empty, next(iter(self._latest)))]

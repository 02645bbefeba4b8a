"""Finished text of recent dictations, by the client's own label, so that a prompt can be sent by `session_id`."""

from collections import OrderedDict

from app.core.errors import NotFound, NothingFinalYet


class Transcripts:
    """The latest dictation of each label, in memory; the oldest of `capacity` labels is forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._finals: OrderedDict[str, list[str]] = OrderedDict()

    def begin(self, session_id: str) -> list[str]:
        """Start a dictation under this label, in place of an earlier one; finals are appended to the list returned."""
        finals: list[str] = []
        self._finals.pop(session_id, None)
        self._finals[session_id] = finals
        while len(self._finals) > self._capacity:
            self._finals.popitem(last=False)
        return finals

    def forget(self, session_id: str) -> None:
        """Keep nothing of this label: its newest dictation asked not to be kept."""
        self._finals.pop(session_id, None)

    def text(self, session_id: str) -> str:
        """The finals of the latest dictation of this label, joined by spaces.

        Raises:
            NotFound: no dictation of this label.
            NothingFinalYet: it has no final yet.
        """
        finals = self._finals.get(session_id)
        if finals is None:
            raise NotFound("no dictation has this session_id; speak to /ws/stt with it first")
        if not finals:
            raise NothingFinalYet(
                "nothing of this dictation is final yet; send `stop` or `flush` and wait for `final`"
            )
        return " ".join(finals)

"""One dictation on its way into the database."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from app.storage.dictation_intake import Arrival, Begun
from app.storage.dictations import NewFinal
from app.storage.types import utc_now
from app.utils.ids import new_id

Put = Callable[["Recording", Arrival | datetime], bool]


class Recording:
    """From `start` to `stopped`, on however many sockets. It gets a row with its first final, or none."""

    def __init__(self, put: Put, owner: UUID, label: str | None) -> None:
        self.id = new_id()
        self.begun: Begun | None = None
        """What its row says, once there is a final."""
        self.stored = False
        """Whether it has its row: from then on a missing row means that its speaker has deleted it."""
        self.gone = False
        """Nothing of it is kept any more."""
        self._put = put
        self._owner = owner
        self._label = label
        self._started_at = utc_now()
        self._finals = 0

    def final(self, event: dict[str, Any]) -> None:
        """Keep a final as its client is told of it; never waits."""
        if self.gone or not event["text"].strip():
            return
        if self.begun is None:
            self.begun = Begun(
                self.id,
                self._owner,
                self._label,
                event["lang"],
                event["provider"],
                event["model"],
                self._started_at,
            )
        final = NewFinal(
            n=self._finals,
            utterance_id=str(event["utterance_id"]),
            text=event["text"],
            start_ms=event["start_ms"],
            end_ms=event["end_ms"],
            lang=event["lang"],
            words=event.get("words") or None,
        )
        self._finals += 1
        self._put(self, Arrival(new_id(), self.id, final, utc_now()))

    def end(self) -> None:
        """It is over; nothing to say where it had no final."""
        if self.begun is not None and not self.gone:
            self._put(self, utc_now())

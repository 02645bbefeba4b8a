"""What can be asked of the scheduler: a job, its priority, and how it can end without having run."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """Priority classes, the most urgent first."""

    FINAL = 0
    """The utterance is over: never dropped."""
    EAGER = 1
    """The utterance may be over: becomes FINAL when it is (`promote`)."""
    FEED = 2
    """The next audio of an engine that hears it as it comes: never dropped."""
    FIRST_PARTIAL = 3
    PARTIAL = 4
    FILE = 5
    """Part of a recording that was uploaded: behind all who speak, and never dropped."""


SHEDDABLE = frozenset({Priority.FIRST_PARTIAL, Priority.PARTIAL})
"""Best effort: one waits in a session's slot at a time, the newest wins, and under pressure none is run."""


@dataclass(frozen=True, slots=True)
class Job:
    """One decode that waits for its turn. Times are seconds of the scheduler's clock."""

    session: int
    """Which session asks: turns go round between sessions."""
    priority: Priority
    audio_s: float
    """Audio it covers: its cost is estimated from this."""
    deadline: float
    """When its result is wanted; within a class the earliest goes first."""
    cost_key: str = ""
    """Engine and window ("whisper_local/short"): costs are learned for each."""
    worker: Hashable | None = None
    """The one worker that can run it, where that is fixed: jobs of a worker run one at a time."""


class Shed(Exception):  # not an error: the way a partial ends that is no longer worth its cost
    """A droppable job was superseded, came too late, or gave way to more urgent work; or the session is gone."""

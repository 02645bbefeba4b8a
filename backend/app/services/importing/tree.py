"""Puts the nodes of a conversation in order: each message after the one that it follows, by time. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Literal

from app.services.importing.source import Left, SourceNode

MOST_MESSAGES = 20_000
"""Places of one conversation that are read, with those that hold no message."""
_CLOCKS_DIFFER = timedelta(minutes=5)
"""A time so little ahead is taken for that of another clock, and is not told."""


class TooManyMessages(Exception):
    """A conversation has more places than `MOST_MESSAGES`."""


@dataclass(slots=True)
class _Place:
    parent: str | None
    order: int
    """Its position in the file."""
    role: Literal["system", "user", "assistant"] | None = None
    """None without a message."""
    at: datetime | None = None
    joins: bool = False
    is_open: bool = False
    handle: int = -1
    children: list[str] = field(default_factory=list)
    """Of the places with a message, those that follow this one."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One message to store, made of one node, or of the nodes of one answer."""

    key: str
    """The key of its first node, by which it is known again."""
    parent: str | None
    """The key of the message that it follows."""
    created_at: datetime
    handles: tuple[int, ...]
    """What its maker gave with each of its nodes."""


class Tree:
    """The places of one conversation. What the messages say is kept elsewhere: this holds their keys and times."""

    def __init__(self, now: datetime, begin: datetime | None = None) -> None:
        """`begin` is the time of a message without one that follows nothing; `now` is no message's future."""
        self._now, self._begin = now, min(begin or now, now)
        self._places: dict[str, _Place] = {}
        self.left: Counter[Left] = Counter()
        """What is not as it is in the file."""
        self._last_of: dict[str, str] = {}
        """The key of a node -> the key of the message that it has become a part of."""

    def add(self, node: SourceNode, handle: int = -1) -> bool:
        """Add a node; False for one whose key was there before.

        Raises:
            TooManyMessages
        """
        self.left.update(node.left)
        if node.key in self._places:
            self.left[Left.DUPLICATE] += 1
            return False
        if len(self._places) >= MOST_MESSAGES:
            raise TooManyMessages
        place = _Place(parent=node.parent, order=len(self._places))
        if node.message is not None:
            place.role, place.joins, place.is_open = node.message.role, node.joins, node.is_open
            place.at, place.handle = self._clamp(node.message.created_at), handle
        self._places[node.key] = place
        return True

    def plan(self) -> list[Planned]:
        """All messages, each after the one that it follows; among those that may come next the earliest comes first."""
        self._link_messages()
        heads = [key for key, place in self._places.items() if place.role and place.parent is None]
        ready: list[tuple[datetime, int, str]] = []
        for key in heads:
            heappush(ready, (self._places[key].at or self._begin, self._places[key].order, key))
        planned: list[Planned] = []
        while ready:
            at, _, key = heappop(ready)
            chain = self._follow_answer(key)
            parent = self._places[key].parent
            planned.append(
                Planned(
                    key=key,
                    parent=None if parent is None else self._last_of[parent],
                    created_at=at,
                    handles=tuple(self._places[each].handle for each in chain),
                )
            )
            for child in self._places[chain[-1]].children:
                place = self._places[child]
                heappush(ready, (place.at or at, place.order, child))
        return planned

    def find(self, key: str | None) -> str | None:
        """The key of the message that a node has become, or that stands before it; None where there is none."""
        while key is not None and key in self._places:
            if key in self._last_of:
                return self._last_of[key]
            key = self._places[key].parent
        return None

    def _clamp(self, at: datetime | None) -> datetime | None:
        if at is None or at <= self._now:
            return at
        if at > self._now + _CLOCKS_DIFFER:
            self.left[Left.FUTURE_DATE] += 1
        return self._now

    def _link_messages(self) -> None:
        """Let each place follow a place with a message, or nothing; break circles."""
        above: dict[str, str | None] = {}
        """The next place with a message, of those that have been followed."""
        for key in self._places:
            path: dict[str, None] = {}
            step: str | None = key
            while step is not None and step not in above and step not in path:
                path[step] = None
                step = self._step_up(step)
            if step is not None and step in path:
                self.left[Left.CYCLE] += 1
                step = None
            for each in reversed(path):
                found = step if step is None or self._places[step].role else above[step]
                above[each] = found
                step = each
        for key, parent in above.items():
            self._places[key].parent = parent
            if parent is not None and self._places[key].role:
                self._places[parent].children.append(key)

    def _step_up(self, key: str) -> str | None:
        parent = self._places[key].parent
        if parent is None or parent in self._places:
            return parent
        self.left[Left.ORPHAN] += 1
        return None

    def _follow_answer(self, key: str) -> list[str]:
        """The nodes of one answer from its first one on: those that go on with it while nothing else follows."""
        chain = [key]
        self._last_of[key] = key
        place = self._places[key]
        while place.is_open and place.role == "assistant" and len(place.children) == 1:
            following = self._places[place.children[0]]
            if not (following.joins and following.role == "assistant"):
                break
            chain.append(place.children[0])
            self._last_of[place.children[0]] = key
            place = following
        return chain

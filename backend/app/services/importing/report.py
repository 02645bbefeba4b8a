"""The report of an import: what came, what was here before, and what was left out and why."""

from collections import Counter
from typing import Any, Literal

from app.services.importing.source import Left
from app.storage.common import replace_unstorable

Outcome = Literal["created", "extended", "unchanged", "left_out"]
DETAILS = 100
"""Conversations that are named with what was left out of them; the others are only counted."""
_TITLE_CHARS = 80


class Report:
    """Counts while an import goes on."""

    def __init__(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._left: Counter[Left] = Counter()
        self._sources: list[str] = []
        self._details: list[dict[str, Any]] = []
        self._unnamed = 0
        self._messages = self._files = 0

    @property
    def conversations(self) -> int:
        return self._outcomes.total()

    def add(
        self,
        outcome: Outcome,
        left: Counter[Left],
        *,
        source: str = "",
        title: str = "",
        messages: int = 0,
        files: int = 0,
    ) -> None:
        """Count a conversation, with what is new of it."""
        self._outcomes[outcome] += 1
        self._messages += messages
        self._files += files
        self._left.update(left)
        if source and source not in self._sources:
            self._sources.append(source)
        if not left:
            return
        if len(self._details) >= DETAILS:
            self._unnamed += 1
            return
        shown = replace_unstorable(" ".join(title.split())[:_TITLE_CHARS])
        self._details.append({"title": shown, "outcome": outcome, "left": _list_counts(left)})

    def add_files(self, left: Counter[Left]) -> None:
        """Count other files of an archive."""
        self._left.update(left)

    def to_json(self) -> dict[str, Any]:
        """The report as it is stored."""
        return {
            "sources": self._sources,
            "created": self._outcomes["created"],
            "extended": self._outcomes["extended"],
            "unchanged": self._outcomes["unchanged"],
            "left_out": self._outcomes["left_out"],
            "messages": self._messages,
            "files": self._files,
            "left": _list_counts(self._left),
            "details": self._details,
            "more_details": self._unnamed,
        }


def _list_counts(left: Counter[Left]) -> list[dict[str, Any]]:
    return [{"reason": reason.value, "count": count} for reason, count in left.most_common()]

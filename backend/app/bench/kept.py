"""Words kept: how many words of the truth a text has right, in rows by condition, language and way of sending."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.bench.words import normalize_words

MAX_FEWER = 0.01
MAX_FEWER_WORDS = 2
"""A row may have so many right words less than its control: the larger of the two."""


@dataclass(frozen=True, slots=True)
class ClipWords:
    """One recording under one condition: its truth, our text and those of the controls, as words."""

    clip: str
    condition: str
    lang: str
    path: str
    """`socket` or `upload`."""
    truth: Sequence[str]
    ours: Sequence[str]
    control: Sequence[str]
    """The control behind its own speech gate."""
    ungated: Sequence[str] | None = None
    """The control without a gate, where it was decoded."""

    @property
    def lost(self) -> int:
        """Words that the control has right and we have not; below 0, we have more."""
        return count_kept(self.truth, self.control) - count_kept(self.truth, self.ours)


@dataclass(slots=True)
class Row:
    """The sum over the recordings of one condition, language and path."""

    condition: str
    lang: str
    path: str
    clips: int = 0
    words: int = 0
    kept: int = 0
    control: int = 0
    ungated: int = 0
    ungated_words: int = 0
    """Of the truth, where the control was decoded without a gate."""
    invented: int = 0
    """Words written that are not among the right ones."""
    control_invented: int = 0
    empty: int = 0
    """Recordings that came to no text."""

    def add(self, found: ClipWords) -> None:
        self.clips += 1
        self.words += len(found.truth)
        kept, control = count_kept(found.truth, found.ours), count_kept(found.truth, found.control)
        self.kept += kept
        self.control += control
        if found.ungated is not None:
            self.ungated += count_kept(found.truth, found.ungated)
            self.ungated_words += len(found.truth)
        self.invented += len(found.ours) - kept
        self.control_invented += len(found.control) - control
        self.empty += not found.ours

    @property
    def has_fewer(self) -> bool:
        """Whether too many words are lost, compared with the control."""
        return self.control - self.kept > max(MAX_FEWER_WORDS, MAX_FEWER * self.words)


def count_kept(truth: Sequence[str], heard: Sequence[str]) -> int:
    """The most words that stand in both, in the same order (longest common subsequence)."""
    row = [0] * (len(heard) + 1)
    for said in truth:
        before, row = row, [0] * (len(heard) + 1)
        for at, word in enumerate(heard):
            row[at + 1] = before[at] + 1 if said == word else max(before[at + 1], row[at])
    return row[-1]


def split_words(text: str, lang: str) -> list[str]:
    """Normalised words; digits one by one, since "1-0-1" and "one oh one" are the same speech."""
    words = normalize_words(text, lang)
    if lang.split("-")[0] == "en":
        words = ["1" if word == "one" else word for word in words]  # the normaliser spells a single 1
    return [part for word in words for part in (list(word) if word.isdecimal() else [word])]


def sum_rows(found: Iterable[ClipWords]) -> list[Row]:
    """Rows in the order in which they first appear; languages and conditions are never pooled."""
    rows: dict[tuple[str, str, str], Row] = {}
    for one in found:
        key = (one.condition, one.lang, one.path)
        rows.setdefault(key, Row(condition=one.condition, lang=one.lang, path=one.path)).add(one)
    return list(rows.values())


def has_fewer_in_sum(rows: Sequence[Row]) -> bool:
    """Whether all rows together have fewer right words than the control."""
    return sum(row.kept for row in rows) < sum(row.control for row in rows)


def format_rows(rows: Sequence[Row]) -> str:
    """A Markdown table; a row with too few words is marked."""
    heads = ["condition", "language", "path", "clips", "words", "kept", "control", "without a gate"]
    heads += ["wrong or invented", "control", "empty"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        shares = [_format_share(count, row.words) for count in (row.kept, row.control)]
        shares[0] += " ✗" * row.has_fewer
        shares.append(_format_share(row.ungated, row.ungated_words))
        cells = [row.condition, row.lang, row.path, row.clips, row.words, *shares]
        cells += [row.invented, row.control_invented, row.empty]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _format_share(count: int, words: int) -> str:
    return f"{count} ({100 * count / words:.1f} %)" if words else "-"

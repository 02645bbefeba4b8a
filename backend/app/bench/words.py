"""Words: the normalised form in which texts are compared, and what differs between two of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class Errors:
    """Word errors of one text against the truth."""

    wrong: int
    """Substitutions, deletions and insertions."""
    words: int
    """Of the truth."""


@cache
def _normaliser(english: bool) -> Callable[[str], str]:
    normalise: Callable[[str], str] = EnglishTextNormalizer() if english else BasicTextNormalizer()
    return normalise


def normal(text: str, lang: str) -> list[str]:
    """The words of a text as Whisper's normaliser has them: no case, no punctuation, numbers as digits."""
    return _normaliser(lang.split("-")[0] == "en")(text).split()


def errors(truth: Sequence[str], heard: Sequence[str]) -> Errors:
    """Word errors, counted by jiwer."""
    if not truth:
        return Errors(len(heard), 0)
    found = jiwer.process_words(" ".join(truth), " ".join(heard))
    return Errors(found.substitutions + found.deletions + found.insertions, len(truth))


def missing(part: Sequence[str], whole: Sequence[str]) -> int:
    """How many words of `part` do not stand, in order, in `whole`."""
    blocks = SequenceMatcher(None, part, whole, autojunk=False).get_matching_blocks()
    return len(part) - sum(block.size for block in blocks)


def taken_back(shown: Sequence[Sequence[str]]) -> int:
    """Words that were shown and changed or vanished in the next text of the same utterance."""
    count = 0
    for before, after in pairwise(shown):
        common = 0
        while common < min(len(before), len(after)) and before[common] == after[common]:
            common += 1
        count += len(before) - common
    return count

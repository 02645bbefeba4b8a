"""Words: the normalized form in which texts are compared, and the differences between two texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of one text against the truth."""

    wrong: int
    """Substitutions, deletions and insertions."""
    words: int
    """Of the truth."""


@cache
def _load_normalizer(english: bool) -> Callable[[str], str]:
    normalise: Callable[[str], str] = EnglishTextNormalizer() if english else BasicTextNormalizer()
    return normalise


def normalize_words(text: str, lang: str) -> list[str]:
    """The words of a text by Whisper's normalizer: no case, no punctuation, numbers as digits."""
    return _load_normalizer(lang.split("-")[0] == "en")(text).split()


def count_errors(truth: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """Word errors, counted by jiwer."""
    if not truth:
        return WordErrors(len(heard), 0)
    found = jiwer.process_words(" ".join(truth), " ".join(heard))
    return WordErrors(found.substitutions + found.deletions + found.insertions, len(truth))


def count_missing(part: Sequence[str], whole: Sequence[str]) -> int:
    """How many words of `part` are missing, in order, in `whole`."""
    blocks = SequenceMatcher(None, part, whole, autojunk=False).get_matching_blocks()
    return len(part) - sum(block.size for block in blocks)


def count_retracted(shown: Sequence[Sequence[str]]) -> int:
    """Words that changed or vanished in the next text of the same utterance."""
    count = 0
    for before, after in pairwise(shown):
        common = 0
        while common < min(len(before), len(after)) and before[common] == after[common]:
            common += 1
        count += len(before) - common
    return count

"""Where the window of partials is cut: between stable words, at a pause, with enough left to hear again."""

from app.providers.base import Word
from app.services.decoding.stability import Cut, find_cut

SCRIPT = [f"w{i}" for i in range(12)]


def words(pauses_ms: dict[int, int] | None = None) -> tuple[Word, ...]:
    """A word each second, 800 ms long; after some of them a longer pause."""
    made, at = [], 0
    for i, text in enumerate(SCRIPT):
        made.append(Word(text, at, at + 800, 0.9))
        at += 800 + (pauses_ms or {}).get(i, 200)
    return tuple(made)


def test_the_cut_lies_in_the_middle_of_the_longest_pause() -> None:
    assert find_cut(words({3: 600}), SCRIPT[:10], 12_400) == Cut(4 * 1000 - 200 + 300, 4)


def test_of_equal_pauses_the_last_is_taken_and_the_overlap_kept() -> None:
    assert find_cut(words(), SCRIPT, 12_000) == Cut(9 * 1000 + 800 + 100, 10)
    assert find_cut(words(), SCRIPT[:8], 12_000) == Cut(5 * 1000 + 800 + 100, 6)


def test_words_that_are_not_stable_are_never_cut_off() -> None:
    assert find_cut(words(), [], 12_000) is None
    assert find_cut(words(), SCRIPT[:2], 12_000) is None
    assert find_cut((), SCRIPT, 12_000) is None
    assert find_cut(words(), ["other", *SCRIPT[1:]], 12_000) is None

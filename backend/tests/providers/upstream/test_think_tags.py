"""Thoughts between tags at the head of a text are split off, however the text is cut into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.upstream.think_tags import ThinkSplitter, split_thoughts

CASES = [
    ("<think>Hm.</think>Hello", "Hello", "Hm."),
    ("\n <think>\nHm.\n\nSo.\n</think>\n\nHello\n", "Hello\n", "Hm.\n\nSo."),
    ("<think>\n\n</think>\n\nHello", "Hello", ""),
    ("<think>it never closes", "", "it never closes"),
    ("<think>it never closes </thin", "", "it never closes </thin"),
    ("<think>a</think><think>b</think>c", "c", "ab"),
    ("<think>a < b </ think> </think>c", "c", "a < b </ think>"),
    ("[THINK]Hm.[/THINK]Hello", "Hello", "Hm."),
    ("<seed:think>Hm.</seed:think>Hello", "Hello", "Hm."),
    ("◁think▷Hm.◁/think▷Hello", "Hello", "Hm."),
    ("Hello", "Hello", ""),
    ("  Hello", "  Hello", ""),
    ("<thinking of it", "<thinking of it", ""),
    ("<thin", "<thin", ""),
    (" \n", " \n", ""),
    ("", "", ""),
    ("The tag <think> opens, </think> closes.", "The tag <think> opens, </think> closes.", ""),
    ("<think>x</think>Use <think>", "Use <think>", "x"),
    ("</think>Hello", "</think>Hello", ""),
]


@pytest.mark.parametrize(("text", "content", "thoughts"), CASES)
def test_a_whole_text(text: str, content: str, thoughts: str) -> None:
    assert split_thoughts(text) == (content, thoughts)


@given(st.sampled_from(CASES), st.lists(st.integers(0, 40), max_size=8))
def test_how_a_text_is_cut_does_not_matter(case: tuple[str, str, str], cuts: list[int]) -> None:
    text, content, thoughts = case
    splitter = ThinkSplitter()
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    found = [*(splitter.feed(piece) for piece in pieces), splitter.finish()]
    assert ("".join(one for one, _ in found), "".join(other for _, other in found)) == (content, thoughts)


def test_thoughts_are_told_while_they_come() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>Let") == ("", "Let")
    assert splitter.feed(" me see") == ("", " me see")
    assert splitter.feed(".</think>Yes") == ("Yes", ".")
    assert splitter.is_done


@pytest.mark.parametrize("start", ["", "<think>", "<think>a", "<think>a</think>"])
def test_white_space_without_end_is_not_kept(start: str) -> None:
    splitter = ThinkSplitter()
    splitter.feed(start)
    for _ in range(100):
        splitter.feed(" " * 100)
    content, thoughts = splitter.finish()
    assert len(content + thoughts) <= 1100

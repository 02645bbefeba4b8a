"""Loops in which a decoder repeats itself are cut or rejected; speech that repeats itself is left as it is."""

import pytest

from app.providers.stt.whisper.hallucination import COMPRESSION_RATIO, compression_ratio, remove_loop


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Write a Python function that reverses a list.",
        "No, no, no, no, no, no, no.",
        "uno dos tres cuatro uno dos tres cuatro uno dos tres cuatro",
        "We had the cat, the dog and the cow, the cat, the dog and the hen, the cat, the dog and the fox.",
    ],
)
def test_speech_is_left_as_it_is(text: str) -> None:
    assert remove_loop(text).text == text
    assert not remove_loop(text).rejected


@pytest.mark.parametrize(
    "text", ["you " * 40, "Thank you for watching. " * 12, "ありがとうございました" * 12]
)
def test_a_text_that_is_nothing_but_a_loop_is_rejected(text: str) -> None:
    assert remove_loop(text.strip()).rejected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Open the door" + " and and" * 20, "Open the door and"),
        (
            "Open the terminal, run all the tests again before lunch today for me"
            + ", as soon as you can" * 8,
            "Open the terminal, run all the tests again before lunch today for me, as soon as you can,",
        ),
    ],
)
def test_a_loop_at_the_end_is_cut_at_its_first_repetition(text: str, kept: str) -> None:
    assert not remove_loop(text).rejected
    assert remove_loop(text).text == kept


def test_speech_compresses_less_than_a_loop() -> None:
    assert compression_ratio("Write a Python function that reverses a list.") < COMPRESSION_RATIO
    assert compression_ratio("Thank you for watching. " * 12) > COMPRESSION_RATIO

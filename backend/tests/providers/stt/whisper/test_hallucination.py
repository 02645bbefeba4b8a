"""Loops in which a decoder repeats itself are cut or rejected; speech that repeats itself is left as it is."""

import pytest

from app.providers.base import Word
from app.providers.stt.whisper.hallucination import (
    COMPRESSION_RATIO,
    compression_ratio,
    doubts_speech,
    drop_copies,
    has_words,
    remove_loop,
    repeats_phrase,
)


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


# -- said twice


def place(*spoken: tuple[str, int]) -> tuple[str, tuple[Word, ...]]:
    """A text and its words, each phrase spread over its time (ms)."""
    words: list[Word] = []
    at = 0
    for phrase, length_ms in spoken:
        parts = phrase.split()
        for number, part in enumerate(parts):
            start, end = (at + length_ms * n // len(parts) for n in (number, number + 1))
            words.append(Word(part, start, end, 0.9))
        at += length_ms
    return " ".join(phrase for phrase, _ in spoken), tuple(words)


LAMP = "Would you please turn on the living room lamp?"


@pytest.mark.parametrize(
    ("spoken", "kept"),
    [
        # Times as real weights align them: there is no audio for a copy.
        ([("What time is it?", 2500), ("What time is it?", 100)], "What time is it?"),
        ([(LAMP, 2900), (LAMP, 0), ("Would you please", 100)], LAMP),
        ([("I have the greatest admiration,", 1500), ("I have the greatest admiration,", 100)], None),
        (
            [("ask what you can do for your country,", 2400), ("ask what you can do for your country", 300)],
            None,
        ),
        ([("in its place.", 0), ("In its place.", 1200)], "In its place."),
        ([("I really was.", 1900)] + [("I really was.", 0)] * 3 + [("I really", 100)], "I really was."),
        ([("Say it again.", 1200), ("Say it again.", 40), ("Then go.", 700)], "Say it again. Then go."),
    ],
)
def test_a_sentence_said_again_faster_than_anybody_speaks_is_removed(
    spoken: list[tuple[str, int]], kept: str | None
) -> None:
    text, words = place(*spoken)
    checked = drop_copies(text, words)
    assert repeats_phrase(text)
    assert checked.dropped
    assert checked.text == (kept or spoken[0][0])
    assert " ".join(word.text for word in checked.words) == checked.text


@pytest.mark.parametrize(
    "spoken",
    [
        [("No,", 350), ("no,", 250), ("no.", 300)],
        [("muy,", 300), ("muy", 220), ("bien", 400)],
        [("ja", 120), ("ja", 120), ("ja", 120), ("ja", 120)],
        [("We will rock you.", 1200), ("We will rock you.", 1100)],
        [("Let it be, let it be,", 1500), ("let it be, let it be.", 1500)],
        [("technical,", 500)] * 4,
        [("What time is it?", 2500), ("What day is it?", 100)],
    ],
)
def test_what_people_say_again_stays(spoken: list[tuple[str, int]]) -> None:
    text, words = place(*spoken)
    checked = drop_copies(text, words)
    assert (checked.text, checked.words, checked.dropped) == (text, words, False)


def test_of_three_questions_that_the_decoder_wrote_four_times_three_stay() -> None:
    times = [(0, 1700), (1700, 4100), (4100, 5300)]
    _, words = place(*[("What time is it?", end - start) for start, end in times])
    squeezed = [Word(text, 5300, 5300, 0.9) for text in ("time", "is", "it?", "What")]
    last = [Word("time", 5300, 5600, 0.9), Word("is", 5600, 5900, 0.9), Word("it?", 5900, 6300, 0.9)]
    spoken = (*words[:8], Word("What", 4100, 5300, 0.9), *squeezed, *last)
    assert drop_copies(" ".join(word.text for word in spoken), spoken).text == " ".join(
        ["What time is it?"] * 3
    )


def test_a_copy_is_removed_in_a_language_without_spaces() -> None:
    words = tuple(Word(each, 200 * n, 200 * n + 200, 0.9) for n, each in enumerate("今天天气很好"))
    copy = tuple(Word(each, 1200, 1200, 0.9) for each in "今天天气很好")
    assert drop_copies("今天天气很好今天天气很好", words + copy).text == "今天天气很好"
    assert drop_copies("天天", words[1:3]).text == "天天"


def test_words_that_are_not_known_are_not_removed() -> None:
    assert drop_copies("What time is it? What time is it?", ()).text == "What time is it? What time is it?"


@pytest.mark.parametrize(
    ("no_speech", "log_prob", "doubted"),
    [(0.41, -1.24, True), (0.55, -0.98, True), (0.69, -0.2, True), (0.53, -0.67, False), (0.09, -1.2, False)],
)
def test_a_decoder_doubts_what_music_is_taken_for(no_speech: float, log_prob: float, doubted: bool) -> None:
    assert doubts_speech(no_speech, log_prob) is doubted


def test_dots_and_exclamation_marks_are_no_words() -> None:
    assert not any(has_words(text) for text in ("", "... ... ...", "¡¡¡¡¡¡", "♪♪"))
    assert all(has_words(text) for text in ("6", "No.", "あ"))

"""The forms of an answer: what is joined, what is timed, what clients require."""

import openai.types.audio as sdk
import pytest

from app.services.transcription import result
from app.services.transcription.result import (
    RecordingTranscript,
    TranscribedUtterance,
    TranscribedWord,
    main_language,
)
from app.utils.subtitles import to_srt, to_vtt

WORDS = (TranscribedWord("Hello", 400, 700, 0.9), TranscribedWord("there.", 700, 1100, 0.8))
TWO = RecordingTranscript(
    (
        TranscribedUtterance("Hello there.", 400, 1100, WORDS, "en"),
        TranscribedUtterance("Good bye.", 5000, 6000, (), "en"),
    ),
    7.25,
    "en",
)


def test_plain() -> None:
    assert result.plain_body(TWO).model_dump(exclude_none=True) == {
        "text": "Hello there. Good bye.",
        "usage": {"type": "duration", "seconds": 7.25},
    }


def test_verbose_has_all_that_the_sdk_requires() -> None:
    body = result.verbose_body(TWO, words=True).model_dump(exclude_none=True)
    read = sdk.TranscriptionVerbose.model_validate(body)
    assert (read.language, read.duration, read.text) == ("english", 7.25, "Hello there. Good bye.")
    assert [(s.id, s.seek, s.start, s.end) for s in read.segments or ()] == [
        (0, 40, 0.4, 1.1),
        (1, 500, 5.0, 6.0),
    ]
    assert [(w.word, w.start, w.end) for w in read.words or ()] == [("Hello", 0.4, 0.7), ("there.", 0.7, 1.1)]
    assert body["task"] == "transcribe"
    assert all(set(segment) == set(sdk.TranscriptionSegment.model_fields) for segment in body["segments"])


def test_words_only_where_they_are_asked_for() -> None:
    assert "words" not in result.verbose_body(TWO, words=False).model_dump(exclude_none=True)


def test_no_segment_looks_like_a_fault() -> None:
    """Clients drop segments by Whisper's rules: low probability, high compression, no speech."""
    for segment in result.verbose_body(TWO, words=False).segments:
        assert segment.avg_logprob > -1
        assert segment.compression_ratio < 2.4
        assert segment.no_speech_prob < 0.6


def test_what_came_to_nothing_is_listed_in_json_and_in_the_last_event() -> None:
    lost = result.DiscardedAudio(reason="too_quiet", start_ms=100, end_ms=900, dbfs=-71.5)
    nothing = result.RecordingTranscript((), 1.0, None, (lost,))
    listed = [{"reason": "too_quiet", "start_ms": 100, "end_ms": 900, "dbfs": -71.5}]
    bodies = [
        result.plain_body(nothing).model_dump(exclude_none=True),
        result.verbose_body(nothing, words=False).model_dump(exclude_none=True),
        result.done_event(nothing),
    ]
    assert [(body["text"], body["discarded"]) for body in bodies] == [("", listed)] * 3
    assert "discarded" not in result.done_event(TWO)


def test_subtitles_take_utterances_as_they_are() -> None:
    assert to_srt(TWO.utterances).startswith("1\n00:00:00,400 --> 00:00:01,400\nHello there.\n")
    assert to_vtt(TWO.utterances).startswith("WEBVTT\n\n00:00:00.400 --> ")


def test_a_sentence_that_goes_on_is_written_without_a_full_stop() -> None:
    whole = RecordingTranscript(
        (
            TranscribedUtterance("He asked himself.", 0, 1, (), "en"),
            TranscribedUtterance("something warm.", 1, 2, (), "en", joined=True),
        ),
        1.0,
        "en",
    )
    assert whole.text == result.done_event(whole)["text"] == "He asked himself something warm."


def test_what_is_written_without_spaces_is_joined_so() -> None:
    whole = RecordingTranscript(
        (TranscribedUtterance("今日は", 0, 1, (), "ja"), TranscribedUtterance("雨です", 1, 2, (), "ja")),
        1.0,
        "ja",
    )
    assert whole.text == "今日は雨です"


@pytest.mark.parametrize(
    ("langs", "asked", "wanted"),
    [(["en", "es", "es"], None, "es"), ([None], "fr", "fr"), ([], None, None), (["en"], "es", "en")],
)
def test_the_language_is_that_of_most_of_it(
    langs: list[str | None], asked: str | None, wanted: str | None
) -> None:
    said = tuple(TranscribedUtterance("x", 0, 1000, (), lang) for lang in langs)
    assert main_language(said, asked) == wanted


def test_nothing_said() -> None:
    nothing = RecordingTranscript((), 3.0, None)
    assert result.plain_body(nothing).text == ""
    assert result.verbose_body(nothing, words=True).model_dump(exclude_none=True)["words"] == []
    assert to_srt(nothing.utterances) == ""

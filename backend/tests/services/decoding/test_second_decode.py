"""Speech that has no words after the first decode: decoded again at its own level, and told where that finds none."""

import numpy as np
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Samples, WindowRequest, WindowResult, Word
from app.services.decoding.coverage import FRAME_SAMPLES, LEVEL_DBFS, measure_upper_dbfs
from app.services.decoding.second_decode import MOST_DECODES, decode_uncovered

SECOND = SAMPLE_RATE_HZ
LOUD, QUIET = 3000, 20


def detect(samples: Samples) -> NDArray[np.float32]:
    """Whatever is not silent is speech."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return np.asarray(frames.any(axis=1), np.float32)


def speak(*parts: tuple[int, float]) -> Samples:
    """Level and length (s) of each part; level 0 is silence."""
    random = np.random.default_rng(1)
    return np.concatenate(
        [(random.standard_normal(int(length * SECOND)) * level).astype(np.int16) for level, length in parts]
    )


class Engine:
    """Answers with a script, and remembers what it was asked."""

    def __init__(self, *answers: WindowResult) -> None:
        self.answers = list(answers)
        self.requests: list[WindowRequest] = []

    async def decode(self, request: WindowRequest) -> WindowResult:
        self.requests.append(request)
        return self.answers.pop(0)


def ask(samples: Samples) -> WindowRequest:
    return WindowRequest(samples, len(samples), final=True, window="full", context="before", words=True)


def say(text: str, start_ms: int, end_ms: int) -> WindowResult:
    """These words, spread over the time."""
    parts = text.split()
    each = (end_ms - start_ms) // len(parts)
    words = tuple(
        Word(part, start_ms + n * each, start_ms + (n + 1) * each, 0.9) for n, part in enumerate(parts)
    )
    return WindowResult(text, "es", words, trusted=True, decode_ms=10)


FIRST = say("Había una vez un barco", 0, 3000)
OTHER = say("que no podía navegar nunca.", 160, 3800)


async def test_a_quiet_voice_after_a_loud_one_is_decoded_at_its_own_level() -> None:
    audio = speak((LOUD, 3), (0, 1), (QUIET, 4))
    engine = Engine(OTHER)
    result = await decode_uncovered(ask(audio), FIRST, engine.decode, detect)
    [request] = engine.requests
    assert abs(measure_upper_dbfs(request.samples) - LEVEL_DBFS) < 1
    assert abs(len(request.samples) / SECOND - 4) < 0.4
    assert (request.context, request.lang, request.words) == ("", "es", True)
    assert result.text == "Había una vez un barco que no podía navegar nunca."
    assert (result.uncovered, result.decode_ms) == ((), 20)
    assert result.words[-1].end_ms > 7000


async def test_speech_whose_words_stand_elsewhere_is_not_written_again_and_not_told_as_uncovered() -> None:
    audio = speak((0, 1), (LOUD, 4))
    squeezed = say("que no podía navegar nunca.", 900, 980)
    engine = Engine(OTHER)
    result = await decode_uncovered(ask(audio), squeezed, engine.decode, detect)
    assert (result.text, result.uncovered, len(engine.requests)) == (squeezed.text, (), 1)


async def test_what_has_no_words_after_the_second_try_is_told() -> None:
    audio = speak((LOUD, 3), (0, 1), (QUIET, 4))
    for nothing in (WindowResult("", rejected="no_speech"), WindowResult("You", doubtful="unsure")):
        engine = Engine(nothing)
        result = await decode_uncovered(ask(audio), FIRST, engine.decode, detect)
        assert result.text == FIRST.text
        [told] = result.uncovered
        assert abs(told.start_ms - 4000) < 50
        assert abs(told.end_ms - 8000) < 50
        assert told.dbfs < -60


async def test_silence_and_short_sounds_are_not_decoded() -> None:
    audio = speak((LOUD, 3), (0, 2), (LOUD, 0.3), (0, 2))
    engine = Engine()
    result = await decode_uncovered(ask(audio), FIRST, engine.decode, detect)
    assert (result, engine.requests) == (FIRST, [])


async def test_what_the_second_decode_misses_is_tried_again_and_the_number_of_tries_is_bounded() -> None:
    audio = speak((LOUD, 3), (0, 1), (LOUD, 24))
    sentence = "otra frase más que se oye entera"
    engine = Engine(*[say(sentence, 200, 2500)] * (MOST_DECODES + 1))
    result = await decode_uncovered(ask(audio), FIRST, engine.decode, detect)
    assert len(engine.requests) == MOST_DECODES
    assert result.text == " ".join([FIRST.text] + [sentence] * MOST_DECODES)
    [told] = result.uncovered
    assert told.end_ms - told.start_ms > 10_000


async def test_an_engine_without_times_is_believed() -> None:
    engine = Engine()
    plain = WindowResult("Había una vez", "es")
    assert await decode_uncovered(ask(speak((LOUD, 8))), plain, engine.decode, detect) is plain

"""Hearing, on real audio: how it is cut leaves no trace, words are whole, noise is not speech."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.services.audio.segmenter import (
    AudioBuffer,
    Segmenter,
    SegmentEvent,
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceResumed,
    UtteranceStarted,
)
from tests.conftest import SAMPLES, read_wav

Utterance = tuple[int, int, int, int, DiscardReason | None, bytes]


def hear(
    audio: NDArray[np.int16], rate: int, cuts: Iterator[int], silence_ms: int | None = 600
) -> list[Utterance]:
    """The utterances of a recording fed in pieces of the lengths that `cuts` gives."""
    segmenter = Segmenter(Settings(_env_file=None), rate, silence_ms)
    events, at = [], 0
    while at < len(audio):
        step = next(cuts)
        events += segmenter.push(audio[at : at + step])
        at += step
    events += segmenter.finish()
    return collect(events)


def collect(events: list[SegmentEvent]) -> list[Utterance]:
    found: list[Utterance] = []
    parts: list[NDArray[np.int16]] = []
    for event in events:
        match event:
            case UtteranceStarted():
                parts = []
            case UtteranceAudio():
                parts.append(event.samples)
            case UtteranceEnded():
                audio = np.concatenate(parts) if event.audio is None else event.audio
                assert len(audio) == event.end - event.start
                found.append(
                    (
                        event.utterance_id,
                        event.start,
                        event.end,
                        event.speech_end,
                        event.discard_reason,
                        audio.tobytes(),
                    )
                )
    return found


def always(step: int) -> Iterator[int]:
    while True:
        yield step


def at_rate(audio: NDArray[np.int16], rate: int, wanted: int) -> NDArray[np.int16]:
    import soxr

    return np.asarray(soxr.resample(audio, rate, wanted), np.int16)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_utterances_do_not_depend_on_the_chunks_at_any_rate(rate: int) -> None:
    """Guarantee 4: 1 ms, 20 ms, 1 s and the whole recording give the same utterances, bit by bit."""
    audio, own_rate = read_wav(SAMPLES / "en_two_requests_16k.wav")
    audio = at_rate(audio, own_rate, rate)
    expected = hear(audio, rate, always(len(audio)))

    assert [u[4] for u in expected] == [None, None]
    for step in (rate // 1000, rate // 50, rate // 10 + 1, rate):
        assert hear(audio, rate, always(step)) == expected


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=20))
@settings(max_examples=15)
def test_utterances_do_not_depend_on_any_chunks(steps: list[int]) -> None:
    """The same for cuts of any length."""
    audio, rate = read_wav(SAMPLES / "en_send_email_8k.wav")

    def repeated() -> Iterator[int]:
        while True:
            yield from steps

    assert hear(audio, rate, repeated()) == hear(audio, rate, always(len(audio)))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.wav")), ids=lambda path: path.stem)
def test_samples_are_heard_from_the_first_to_the_last_word(path: Path) -> None:
    """An utterance begins at least 300 ms before its speech, or at the beginning, and holds all of the loud part."""
    audio, rate = read_wav(path)
    utterances = [u for u in hear(audio, rate, always(rate // 10)) if u[4] is None]
    if not path.with_suffix(".txt").read_text(encoding="utf-8").strip():
        assert utterances == []
        return
    loud = np.flatnonzero(np.abs(audio.astype(float)) > np.abs(audio).max() * 0.1) * 16_000 / rate

    assert utterances[0][1] <= max(loud[0] - 16 * 250, 0)
    assert utterances[-1][2] >= loud[-1]


def test_ten_minutes_of_noise_hold_no_utterance() -> None:
    """White, pink and brown noise, hum and silence, loud and soft: nothing to recognise."""
    rng = np.random.default_rng(7)
    seconds = 60
    spectrum = np.fft.rfft(rng.standard_normal(16_000 * seconds))
    hz = np.maximum(np.fft.rfftfreq(16_000 * seconds, 1 / 16_000), 1)
    colours = [np.fft.irfft(spectrum / hz**power) for power in (0, 0.5, 1)]
    hum = sum(np.sin(2 * np.pi * 50 * k * np.arange(16_000 * seconds) / 16_000) / k for k in range(1, 8))
    silence = np.zeros(16_000 * seconds)
    tracks = [(colour, level) for colour in [*colours, hum] for level in (0.01, 0.2)]
    audio = np.concatenate(
        [track / np.abs(track).max() * level * 32767 for track, level in tracks] + [silence] * 2
    )

    assert len(audio) == 10 * 60 * 16_000
    kept = [u for u in hear(audio.astype(np.int16), 16_000, always(1600)) if u[4] is None]
    assert kept == []


def test_finishing_in_the_middle_of_a_word_loses_no_sample() -> None:
    """What was said before the flush is one utterance, what follows the next: together they are the whole."""
    audio, rate = read_wav(SAMPLES / "en_reverse_list_16k.wav")
    segmenter = Segmenter(Settings(_env_file=None), rate, 600)
    middle = len(audio) // 2

    first, second = (
        collect(segmenter.push(part) + segmenter.finish())[0] for part in (audio[:middle], audio[middle:])
    )

    assert first[2] == middle
    assert second[1] <= middle + 16 * 100
    assert second[5][-200:] == audio.tobytes()[second[1] * 2 : second[2] * 2][-200:]


def test_speech_without_a_pause_is_cut_without_loss_or_overlap() -> None:
    """At the limit the next utterance begins with the very sample that the last one ended before."""
    audio, rate = read_wav(SAMPLES / "en_summarize_document_44k.wav")
    audio = at_rate(audio, rate, 16_000)
    loud = audio[np.flatnonzero(np.abs(audio.astype(int)) > 2000)[0] :][: 16_000 * 2]
    utterances = hear(np.tile(loud, 30), 16_000, always(1600))

    assert len(utterances) >= 2
    assert max(u[2] - u[1] for u in utterances) <= 28.1 * 16_000
    for before, after in itertools.pairwise(utterances):
        assert before[2] >= after[1]


@pytest.mark.parametrize("step", [16, 320, 1600, 16_000, 10**9])
def test_pauses_are_counted_in_samples_however_the_audio_is_cut(step: int) -> None:
    """Each comes when all audio until then was given, and the last one is where the utterance ends."""
    audio, rate = read_wav(SAMPLES / "en_two_requests_16k.wav")
    segmenter = Segmenter(Settings(_env_file=None), rate, 2000)
    events = [event for at in range(0, len(audio), step) for event in segmenter.push(audio[at : at + step])]
    events += segmenter.finish()

    given = 0
    turns: list[tuple[str, int]] = []
    for event in events:
        match event:
            case UtteranceStarted():
                given = event.start
            case UtteranceAudio():
                given += len(event.samples)
            case UtterancePaused():
                assert given == event.heard_until
                assert event.heard_until - event.speech_end == 8 * 512
                turns.append(("paused", event.speech_end))
            case UtteranceResumed():
                turns.append(("resumed", event.heard_until))
    [ended] = [event for event in events if isinstance(event, UtteranceEnded)]
    assert turns == [("paused", 52_224), ("resumed", 75_776), ("paused", ended.speech_end)]


@given(st.lists(st.integers(0, 9000), max_size=20), st.data())
def test_a_slice_is_the_same_however_the_audio_came(lengths: list[int], data: st.DataObject) -> None:
    audio = np.arange(sum(lengths)).astype(np.int16)
    buffer, at = AudioBuffer(), 0
    for length in lengths:
        buffer.append(audio[at : at + length])
        at += length
    assert buffer.end == len(audio)
    start = data.draw(st.integers(0, len(audio)))
    stop = data.draw(st.integers(start, len(audio)))
    assert np.array_equal(buffer.slice(start, stop), audio[start:stop])


def test_discarded_audio_is_gone_and_the_rest_keeps_its_numbers() -> None:
    buffer = AudioBuffer()
    for first in range(0, 100_000, 5000):
        buffer.append(np.full(5000, first // 5000, np.int16))
    buffer.discard_before(60_000)
    assert buffer.slice(0, 50_000).size == 0
    assert set(buffer.slice(60_000, 65_000)) == {12}
    assert buffer.end == 100_000

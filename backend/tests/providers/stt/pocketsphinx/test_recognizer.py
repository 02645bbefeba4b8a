"""One PocketSphinx decoder in this process: its result depends on the audio and the cepstral mean alone."""

import wave
from pathlib import Path

import numpy as np
import pytest

from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, SAMPLE_RATE_HZ

pytest.importorskip("pocketsphinx")
from app.providers.stt.pocketsphinx.recognizer import LanguageModel, Recognizer, SphinxResult

SAMPLE = Path(__file__).resolve().parents[5] / "samples" / "en_translate_letter_16k.wav"


@pytest.fixture(scope="module")
def recognizers() -> tuple[Recognizer, Recognizer]:
    """Two decoders that share a language model."""
    model = LanguageModel()
    return model.make_recognizer(), model.make_recognizer()


@pytest.fixture(scope="module")
def pcm() -> bytes:
    with wave.open(str(SAMPLE), "rb") as file:
        assert file.getframerate() == SAMPLE_RATE_HZ
        return file.readframes(file.getnframes())


def decode(recognizer: Recognizer, pcm: bytes, cmn: str | None = None, blocks: int = 4) -> SphinxResult:
    recognizer.begin(cmn)
    whole, step = len(pcm) // BLOCK_BYTES * BLOCK_BYTES, blocks * BLOCK_BYTES
    for at in range(0, whole, step):
        recognizer.feed(pcm[at : min(at + step, whole)])
    return recognizer.finish(pcm[whole:])


def same(one: SphinxResult, other: SphinxResult) -> bool:
    return (one.text, one.words, one.cmn) == (other.text, other.words, other.cmn)


def test_the_same_audio_gives_the_same_result_on_any_decoder_at_any_time(
    recognizers: tuple[Recognizer, Recognizer], pcm: bytes
) -> None:
    one, other = recognizers
    first = decode(one, pcm)
    assert "letter" in first.text
    assert same(decode(one, pcm, blocks=1), first)
    assert same(decode(other, pcm, blocks=7), first)


def test_the_cepstral_mean_of_the_utterance_before_changes_the_result(
    recognizers: tuple[Recognizer, Recognizer], pcm: bytes
) -> None:
    one, other = recognizers
    first = decode(one, pcm)
    second = decode(one, pcm, first.cmn)
    assert second.cmn != first.cmn
    assert same(decode(other, pcm, first.cmn), second)


def test_an_utterance_may_begin_while_another_is_open(
    recognizers: tuple[Recognizer, Recognizer], pcm: bytes
) -> None:
    one, other = recognizers
    one.begin(None)
    one.feed(pcm[: 40 * BLOCK_BYTES])
    assert same(decode(one, pcm), decode(other, pcm))


@pytest.mark.parametrize("samples", [0, 1, 48_000])
def test_silence_has_no_words(recognizers: tuple[Recognizer, Recognizer], samples: int) -> None:
    result = decode(recognizers[0], bytes(2 * samples))
    assert (result.text, result.words) == ("", [])


def test_words_have_times_in_order_and_no_fillers(
    recognizers: tuple[Recognizer, Recognizer], pcm: bytes
) -> None:
    result = decode(recognizers[0], pcm)
    assert " ".join(word for word, *_ in result.words) == result.text
    times = [time for _, start_ms, end_ms, _ in result.words for time in (start_ms, end_ms)]
    assert times == sorted(times)
    assert all(0 <= confidence <= 1 for *_, confidence in result.words)
    noise = np.random.default_rng(1).integers(-50, 50, 16_000).astype(np.int16)
    assert "[" not in decode(recognizers[0], noise.tobytes()).text

"""Finals on real weights: no sentence is left out, none is written twice, and real repetitions stay."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import decode_audio

from app.bench.words import normalize_words
from app.core.config import Settings
from app.providers.base import Samples, SttConfig, ToldSpeech, Transcript
from app.providers.stt.whisper.continuation import decode_continuation
from app.providers.stt.whisper.full_window import DecodeRequest
from app.providers.stt.whisper.model_pool import load
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.providers.stt.whisper.short_window import PARTIAL_FRAMES, decode_short
from app.services.decoding.policy import Priority
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import WindowStream
from app.weights.checkpoints import read_checkpoint
from tests.conftest import SPEECH
from tests.real.recall import RATE_HZ, Heard, assert_understood, list_human_clips, load_audio

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

RECORDINGS = SPEECH.parent / "repro"
"""Recordings that lost a sentence."""


async def decode_final(whisper_base: Path, audio: Samples, lang: str) -> Transcript:
    """The final of an utterance that is speech from end to end."""
    whisper = {"model": str(whisper_base)}
    provider = WhisperLocalProvider(Settings(_env_file=None, stt={"whisper_local": whisper}))
    config = SttConfig(lang=lang)
    engine = await provider.open_session(config)
    session = WindowSession(engine, config, WindowSizes(), name=provider.name, scheduler=None, number=0)
    stream = WindowStream(session, 0, priority=Priority.FILE)
    await stream.accept(audio)
    transcript = await stream.finish(len(audio))
    await stream.aclose()
    await engine.aclose()
    await provider.aclose()
    return transcript


async def test_a_quiet_voice_after_a_loud_one_is_written(whisper_base: Path) -> None:
    transcript = await decode_final(whisper_base, read_recording("quiet_voice_after_loud"), "en")
    assert normalize_words(transcript.text, "en")[-4:] == ["alkaline", "the", "chemical", "is"]
    assert transcript.uncovered == ()


def test_a_sentence_after_a_whole_one_is_written_in_its_window(model: Any) -> None:
    """The decoder would rather end after the told sentence: of its texts the best one that goes on is taken."""
    told = load_audio(SPEECH / "clips/en_ls_6930-75918-0000.wav")
    samples = load_audio(SPEECH / "clips/en_jfk.wav")
    before = ToldSpeech(told, "Concord returned to its place amidst the tents.", "en")
    request = DecodeRequest(samples, len(samples), "en", None, words=True, beam_size=5)
    found = decode_continuation(model, request, before, threading.Event())
    assert found is not None
    assert normalize_words(found.text, "en")[:4] == ["and", "so", "my", "fellow"]
    assert not found.joined


@pytest.mark.parametrize("sound", ["ns_dog_bark", "ns_jazz", "ns_ring_dtmf_8k", "ns_silence_16k"])
def test_a_sound_after_a_sentence_does_not_say_it_again(model: Any, sound: str) -> None:
    told = load_audio(SPEECH / "clips/es_fleurs_006.wav")
    samples = load_audio(next((SPEECH / "clips").glob(f"{sound}.*")))[: 3 * RATE_HZ]
    before = ToldSpeech(told, "Los luchadores compañeros de Luna también le rindieron homenaje.", "es")
    request = DecodeRequest(samples, len(samples), "es", None, words=True, beam_size=5)
    assert decode_continuation(model, request, before, threading.Event()) is None


@pytest.mark.parametrize("silence_ms", [0, 300])
async def test_silence_behind_the_speech_takes_no_sentence(whisper_base: Path, silence_ms: int) -> None:
    audio = read_recording("context_loses_sentence")
    padded = np.concatenate((audio, np.zeros(silence_ms * RATE_HZ // 1000, np.int16)))
    transcript = await decode_final(whisper_base, padded, "en")
    assert normalize_words(transcript.text, "en")[-4:] == ["the", "thing", "is", "known"]


def read_recording(name: str) -> Samples:
    path = RECORDINGS / f"{name}.flac"
    if not path.is_file():
        pytest.skip("the real recordings are not beside this checkout")
    audio = decode_audio(str(path), sampling_rate=RATE_HZ)
    samples: Samples = np.rint(audio * 32767).astype(np.int16)
    return samples


@pytest.mark.parametrize(
    ("first", "second", "drop_db"),
    [
        ("en_ls_1998-15444-0001", "en_fleurs_008", 35),
        ("en_lv_sense_0870", "en_fleurs_003", 0),
        ("es_fleurs_000", "es_fleurs_004", 25),
    ],
)
async def test_a_second_voice_is_written(whisper_base: Path, first: str, second: str, drop_db: float) -> None:
    clips = {clip.id: clip for lang in ("en", "es") for clip in list_human_clips(lang)}
    loud, quiet = load_audio(clips[first].path), load_audio(clips[second].path)
    quiet = (quiet * 10 ** (-drop_db / 20)).astype(np.int16)
    audio = np.concatenate((loud, np.zeros(RATE_HZ // 5, np.int16), quiet))
    transcript = await decode_final(whisper_base, audio, clips[first].lang)
    assert_understood([Heard(clips[second], transcript.text)], kept=0.6, invented=10)


@pytest.fixture(scope="module")
def model(whisper_base: Path) -> Any:
    """The checkpoint as a `faster_whisper.WhisperModel`."""
    checkpoint = read_checkpoint("base", whisper_base)
    assert checkpoint is not None
    return load(checkpoint, Settings(_env_file=None)).whisper


def read_cut(name: str, start: int, end: int, silence: int = 0) -> Samples:
    path = SPEECH / "clips" / f"{name}.wav"
    if not path.is_file():
        pytest.skip("the real recordings are not beside this checkout")
    return np.concatenate((np.zeros(silence, np.int16), load_audio(path)[start:end]))


def hear(model: Any, samples: Samples, lang: str, *, final: bool) -> str:
    """What a window of 6.4 s says: short enough to say sentences twice."""
    request = DecodeRequest(
        samples=samples,
        speech_samples=len(samples),
        lang=lang,
        hotwords=None,
        words=final,
        beam_size=5,
        final=final,
    )
    return decode_short(model, request, threading.Event(), least_frames=PARTIAL_FRAMES).text


DOUBLED = [
    ("en_cmd_would_you_please", 0, 56_285, 8000, False, "living room"),
    ("en_cmd_would_you_please", 7198, 55_029, 4000, False, "living room"),
    ("en_ls_6930-75918-0000", 0, 56_080, 4000, False, "returned to"),
    ("en_ls_6930-75918-0000", 0, 56_080, 0, False, "returned to"),
    ("en_turns_dev", 129_587, 214_882, 4000, True, "afraid of"),
    ("en_turns_dev", 129_587, 214_882, 4000, False, "afraid of"),
    ("en_turns_dev", 99_823, 168_355, 0, True, "i really was"),
    ("en_reverb_ls_1088-134315-0000", 171_492, 192_346, 0, True, "unhappy morning"),
    ("en_reverb_ls_1088-134315-0000", 41_183, 64_227, 4000, True, "greatest admiration"),
    ("en_ls_1688-142285-0000", 85_126, 168_173, 0, True, "makes me"),
    ("en_ls_2414-128291-0001", 23_916, 86_356, 8000, True, "warm and"),
    ("en_lj001_long", 2_971_203, 3_052_896, 0, True, "very similar"),
    ("en_jfk", 90_970, 160_384, 0, True, "ask what"),
    ("en_cmd_what_time_is_it", 0, 35_499, 8000, False, "what time is it"),
]
"""Cuts that a window of 6.4 s doubles: samples of silence before, and a phrase that is said once."""


def test_a_sentence_is_written_once(model: Any) -> None:
    twice = []
    for name, start, end, silence, final, phrase in DOUBLED:
        text = hear(model, read_cut(name, start, end, silence), "en", final=final)
        if " ".join(normalize_words(text, "en")).count(phrase) > 1:
            twice.append((name, text))
    assert len(twice) <= 1, twice


REPEATED = [
    ("en_cmd_what_time_is_it", 0, 35_499, 2, True, "what time is it"),
    ("en_cmd_what_time_is_it", 0, 35_499, 3, True, "what time is it"),
    ("en_cmd_what_time_is_it", 0, 35_499, 3, False, "what time is it"),
    ("en_ls_6930-75918-0000", 0, 56_080, 2, False, "to its place"),
    ("en_cmd_would_you_please", 0, 56_285, 2, True, "living room"),
    ("en_cv_22058267", 0, 29_568, 3, True, "6"),
]
"""Recordings that are played several times, and a phrase of each."""


def test_what_is_said_again_is_written_again(model: Any) -> None:
    for name, start, end, count, final, phrase in REPEATED:
        text = hear(model, np.tile(read_cut(name, start, end), count), "en", final=final)
        assert " ".join(normalize_words(text, "en")).count(phrase) >= count, (name, text)

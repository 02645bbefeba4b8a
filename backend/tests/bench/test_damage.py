"""Damage keeps the length, the level and the seed that it names, and nothing but the words of a whisper."""

import numpy as np
import pytest

from app.bench.clips import RATE_HZ, find_clips, load_samples
from app.bench.damage import (
    BROWN,
    PINK,
    Sound,
    add_noise,
    insert_pauses,
    list_conditions,
    make_dice,
    make_noise,
    make_whisper,
    measure_frames_db,
    measure_level_db,
    pass_telephone,
    set_level,
    to_samples,
    to_sound,
)
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def speech() -> Sound:
    clip = next(clip for clip in find_clips(SAMPLES) if clip.id == "en_two_requests_16k")
    return to_sound(load_samples(clip))


def share_of_power(sound: Sound, low_hz: float, high_hz: float) -> float:
    power, hz = np.square(np.abs(np.fft.rfft(sound))), np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return float(power[(hz >= low_hz) & (hz <= high_hz)].sum() / power.sum())


def test_every_condition_is_the_same_for_a_seed(speech: Sound) -> None:
    music = make_noise(RATE_HZ, PINK, make_dice(0))
    for name, damage in list_conditions(music).items():
        one, again = (to_samples(damage(speech, make_dice(1, "clip", name))) for _ in range(2))
        assert np.array_equal(one, again), name
        assert len(one) == len(speech) or name.startswith("pauses"), name


def test_dice_belong_to_names_and_seed() -> None:
    thrown = {
        make_dice(seed, *names).integers(1 << 40) for seed in (1, 2) for names in (("a", "b"), ("b", "a"))
    }
    assert len(thrown) == 4


@pytest.mark.parametrize("level", [-20, -45, -70])
def test_a_level_is_that_of_the_speech_without_its_pauses(speech: Sound, level: float) -> None:
    quiet = np.concatenate((speech, np.zeros(10 * RATE_HZ)))
    assert abs(measure_level_db(set_level(quiet, level)) - level) < 0.1
    assert abs(measure_level_db(quiet) - measure_level_db(speech)) < 0.1


def test_noise_is_so_much_quieter_than_the_speech(speech: Sound) -> None:
    noisy = add_noise(speech, make_noise(RATE_HZ, PINK, make_dice(1)), 8)
    assert abs(measure_level_db(speech) - measure_level_db(noisy - speech) - 8) < 0.1


def test_noise_falls_with_its_colour() -> None:
    pink, brown = (make_noise(1 << 17, slope, make_dice(1)) for slope in (PINK, BROWN))
    octaves = [share_of_power(pink, low, 2 * low) for low in (100, 400, 1600)]
    assert max(octaves) / min(octaves) < 1.2
    assert 1.8 < share_of_power(brown, 400, 800) / share_of_power(brown, 800, 1600) < 2.2


def test_a_telephone_passes_its_band(speech: Sound) -> None:
    assert share_of_power(pass_telephone(speech), 290, 3410) > 0.99


def test_a_whisper_has_the_words_and_no_voice(speech: Sound) -> None:
    whisper = make_whisper(speech, make_dice(1))
    loud, soft = measure_frames_db(speech), measure_frames_db(whisper)
    assert np.corrcoef(loud, soft)[0, 1] > 0.8

    def find_voicing(sound: Sound) -> float:
        """The highest autocorrelation at the period of a voice, mean of the loud 50 ms."""
        frames = sound[: len(sound) // 800 * 800].reshape(-1, 800)
        frames = frames[np.square(frames).mean(axis=1) > np.square(sound).mean()]
        lags = np.fft.irfft(np.square(np.abs(np.fft.rfft(frames, 1600))))
        return float((lags[:, 40:230].max(axis=1) / lags[:, 0]).mean())

    assert find_voicing(speech) > 0.5 > 0.35 > find_voicing(whisper)


def test_pauses_are_put_where_it_is_quiet(speech: Sound) -> None:
    paused = insert_pauses(speech, 3, make_dice(1))
    count = max(1, int(len(speech) / RATE_HZ / 3.5))
    assert len(paused) == len(speech) + 3 * RATE_HZ * count
    in_pauses = (measure_frames_db(paused) < -60).sum() - (measure_frames_db(speech) < -60).sum()
    assert in_pauses >= 0.98 * 150 * count

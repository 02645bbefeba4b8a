"""Sounds without speech, made from a seed: noises, hum, breath, keys, a room, silence."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from app.bench.clips import RATE_HZ
from app.bench.damage import BROWN, PINK, ROOM_DBFS, WHITE, Sound, make_dice, make_noise, set_level

SOUND_S, LONG_S = 40, 600
LEVELS_DBFS = (-20, -35, -50, -65)

Maker = Callable[[float, np.random.Generator], Sound]
"""Makes so many seconds of a sound, at any level."""


def make_hum(duration_s: float, dice: np.random.Generator) -> Sound:
    """50 Hz and its harmonics, over a little noise."""
    seconds = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    tones = sum(
        np.sin(2 * np.pi * 50 * number * seconds + dice.uniform(0, 6)) / number for number in range(1, 9)
    )
    hum: Sound = set_level(np.asarray(tones), -20) + set_level(make_noise(len(seconds), PINK, dice), -50)
    return hum


def make_breath(duration_s: float, dice: np.random.Generator) -> Sound:
    """Somebody who breathes near the microphone: in, out, and a moment of nothing."""
    size = int(duration_s * RATE_HZ)
    breath = set_level(make_noise(size, PINK, dice), -60)
    at = 0
    while at < size:
        for low_hz, high_hz, gain in ((600, 3500, 0.5), (250, 1800, 1.0)):
            length = int(dice.uniform(0.9, 1.8) * RATE_HZ)
            rush = _pass_band(make_noise(length, WHITE, dice), low_hz, high_hz)
            rush = set_level(rush * np.sin(np.linspace(0, np.pi, length)) ** 0.7, -20) * gain
            breath[at : at + length] += rush[: max(0, size - at)]
            at += length + int(dice.uniform(0.2, 0.9) * RATE_HZ)
    return breath


def make_keys(duration_s: float, dice: np.random.Generator) -> Sound:
    """Somebody who types: a click down and one up for each key, three to eight keys a second."""
    size, length = int(duration_s * RATE_HZ), RATE_HZ // 25
    keys = set_level(make_noise(size, PINK, dice), -70)
    decay = np.exp(-np.arange(length) / RATE_HZ * 180)
    at = 0
    while at < size:
        for gain, gap_s in ((1.0, dice.uniform(0.06, 0.12)), (0.5, dice.uniform(0.06, 0.2))):
            click = _pass_band(dice.standard_normal(length), 800, 7000) * decay * gain * dice.uniform(0.5, 1)
            keys[at : at + length] += click[: max(0, size - at)] * 0.3
            at += int(gap_s * RATE_HZ)
        at += int(RATE_HZ * dice.choice([0, 0, 0, 0.8]))
    return keys


def make_room(duration_s: float, dice: np.random.Generator) -> Sound:
    """A quiet room: low noise that swells and falls, and the mains."""
    size = int(duration_s * RATE_HZ)
    knots = np.arange(0, duration_s + 5, 5)
    swell = np.interp(np.arange(size) / RATE_HZ, knots, dice.uniform(0.6, 1.4, len(knots)))
    room: Sound = set_level(make_noise(size, BROWN, dice), -20) * swell
    return room + set_level(make_noise(size, PINK, dice), -30) + set_level(make_hum(duration_s, dice), -32)


def _pass_band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    passed: Sound = np.fft.irfft(np.fft.rfft(sound) * ((hz >= low_hz) & (hz <= high_hz)), len(sound))
    return passed


def _make_coloured(slope: int) -> Maker:
    return lambda duration_s, dice: make_noise(int(duration_s * RATE_HZ), slope, dice)


MAKERS: Mapping[str, Maker] = {
    "white noise": _make_coloured(WHITE),
    "pink noise": _make_coloured(PINK),
    "brown noise": _make_coloured(BROWN),
    "hum": make_hum,
    "breath": make_breath,
    "keys": make_keys,
}


def make_sounds(seed: int) -> Iterator[tuple[str, Sound]]:
    """Each kind at each level, then ten minutes of a quiet room and of silence; one at a time is in memory."""
    for name, make in MAKERS.items():
        sound = make(SOUND_S, make_dice(seed, name))
        for level in LEVELS_DBFS:
            yield f"{name} {level} dBFS", set_level(sound, level)
    yield f"room {ROOM_DBFS} dBFS, 10 min", set_level(make_room(LONG_S, make_dice(seed, "room")), ROOM_DBFS)
    yield "silence, 10 min", np.zeros(LONG_S * RATE_HZ)

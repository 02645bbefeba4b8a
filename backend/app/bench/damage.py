"""Damage: real recordings as a telephone, a noisy room, a far microphone or a whisper makes them, seeded."""

import zlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ

Sound = NDArray[np.float64]
"""Samples at 16 kHz from -1 to 1."""
Damage = Callable[[Sound, np.random.Generator], Sound]

WHITE, PINK, BROWN = 0, 1, 2
"""Powers of frequency by which a noise falls."""
FRAME = RATE_HZ // 50
ACTIVE_BELOW_LOUDEST_DB = 30
"""Quieter frames of a recording are its pauses: they do not count in its level."""
LEVELS_DBFS = (-20, -30, -40, -50, -60, -70)
PAUSES_S = (1, 2, 3, 5)
ROOM_DBFS = -65
WHISPER_DBFS = -40
SPEECH_FOR_A_PAUSE_S = 3.5
"""So much of a recording gets one pause."""


def to_sound(samples: NDArray[np.int16]) -> Sound:
    return samples.astype(np.float64) / 32768


def to_samples(sound: Sound) -> NDArray[np.int16]:
    """Rounded and clipped."""
    samples: NDArray[np.int16] = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    return samples


def make_dice(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that belong to these names alone, so that a subset of the work gives the same audio."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def measure_frames_db(sound: Sound) -> Sound:
    """The level of every 20 ms (dBFS, root mean square)."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    levels: Sound = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    return levels


def measure_level_db(sound: Sound) -> float:
    """The level of the frames that are not pauses (dBFS)."""
    levels = measure_frames_db(sound)
    active = levels[levels >= levels.max() - ACTIVE_BELOW_LOUDEST_DB]
    return float(10 * np.log10(np.power(10, active / 10).mean()))


def set_level(sound: Sound, level_dbfs: float) -> Sound:
    """The same sound at this active level."""
    return sound * 10 ** ((level_dbfs - measure_level_db(sound)) / 20)


def make_noise(size: int, slope: int, dice: np.random.Generator) -> Sound:
    """Gaussian noise whose power falls with this power of the frequency; nothing below 30 Hz."""
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    spectrum = np.fft.rfft(dice.standard_normal(size)) / np.maximum(hz, 1) ** (slope / 2)
    spectrum[hz < 30] = 0
    noise: Sound = np.fft.irfft(spectrum, size)
    return noise


def add_noise(sound: Sound, noise: Sound, ratio_db: float) -> Sound:
    """Speech over a noise that is `ratio_db` quieter; the noise is repeated as often as it takes."""
    return sound + set_level(np.resize(noise, len(sound)), measure_level_db(sound) - ratio_db)


def pass_telephone(sound: Sound) -> Sound:
    """300 to 3400 Hz, companded to 8 bits by the mu-law (G.711)."""
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    spectrum = np.fft.rfft(sound)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    band = np.fft.irfft(spectrum, len(sound)).clip(-1, 1)
    code = np.round(np.sign(band) * np.log1p(255 * np.abs(band)) / np.log(256) * 127) / 127
    heard: Sound = np.sign(code) * (np.power(256, np.abs(code)) - 1) / 255
    return heard


def make_whisper(sound: Sound, dice: np.random.Generator) -> Sound:
    """The same words whispered: the voice's linear prediction filters excited by noise, low frequencies weakened."""
    size, hop, order = 512, 128, 18
    padded = np.concatenate((np.zeros(size), sound, np.zeros(size)))
    starts = np.arange(0, len(padded) - size, hop)
    places = starts[:, None] + np.arange(size)
    window = np.hanning(size + 1)[:-1]
    filters, energy = _predict(padded[places] * window, order)
    envelope = np.sqrt(energy)[:, None] / np.maximum(np.abs(np.fft.rfft(filters, size)), 1e-6)
    noise = np.fft.rfft(dice.standard_normal(len(padded))[places] * window)
    flatter = np.abs(
        1 - 0.9 * np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    )  # no voice: 6 dB an octave less below
    whispered = np.fft.irfft(noise * envelope * flatter, size) * window
    out = np.zeros(len(padded))
    np.add.at(out, places, whispered)
    return set_level(out[size : size + len(sound)], WHISPER_DBFS)


def _predict(frames: Sound, order: int) -> tuple[Sound, Sound]:
    """Prediction filters and residual energy of each frame: Levinson and Durbin's recursion, all frames at once."""
    spectrum = np.square(np.abs(np.fft.rfft(frames, 2 * frames.shape[1])))
    lags = np.fft.irfft(spectrum)[:, : order + 1]
    lags[:, 0] = lags[:, 0] * 1.0001 + 1e-12
    filters = np.zeros((len(frames), order + 1))
    filters[:, 0] = 1
    left = lags[:, 0].copy()
    for step in range(1, order + 1):
        reflection = -(filters[:, :step] * lags[:, step:0:-1]).sum(axis=1) / left
        filters[:, 1 : step + 1] += reflection[:, None] * filters[:, step - 1 :: -1][:, :step]
        left *= 1 - np.square(reflection)
    return filters, left


def insert_pauses(sound: Sound, pause_s: float, dice: np.random.Generator) -> Sound:
    """Quiet room noise put in at the quietest places, at least 2 s apart, one for 3.5 s of speech."""
    pieces, last = [], 0
    fade = np.linspace(1, 0, FRAME // 4)
    for cut in _find_cuts(sound):
        piece = sound[last:cut].copy()
        piece[-len(fade) :] *= fade
        pieces += [piece, set_level(make_noise(int(pause_s * RATE_HZ), PINK, dice), ROOM_DBFS)]
        last = cut
    return np.concatenate([*pieces, sound[last:]])


def _find_cuts(sound: Sound) -> list[int]:
    levels = np.convolve(measure_frames_db(sound), np.ones(5) / 5, "same")
    wanted = max(1, int(len(sound) / RATE_HZ / SPEECH_FOR_A_PAUSE_S))
    found: list[int] = []
    for frame in np.argsort(levels, kind="stable"):
        is_inside = 30 <= frame < len(levels) - 30
        if is_inside and all(abs(frame - other) >= 100 for other in found):
            found.append(int(frame))
        if len(found) == wanted:
            break
    return [frame * FRAME + FRAME // 2 for frame in sorted(found)]


def list_conditions(music: Sound) -> Mapping[str, Damage]:
    """Every kind of damage by its name; `music` plays under the speech of one."""

    def at_level(level_dbfs: int) -> Damage:
        return lambda sound, _: set_level(sound, level_dbfs)

    def in_noise(slope: int, ratio_db: int) -> Damage:
        return lambda sound, dice: add_noise(sound, make_noise(len(sound), slope, dice), ratio_db)

    def with_pauses(pause_s: int) -> Damage:
        return lambda sound, dice: insert_pauses(sound, pause_s, dice)

    return {
        "clean": lambda sound, _: sound,
        "telephone": lambda sound, _: pass_telephone(sound),
        "telephone, pink noise 15 dB": lambda sound, dice: in_noise(PINK, 15)(pass_telephone(sound), dice),
        "pink noise 15 dB": in_noise(PINK, 15),
        "pink noise 8 dB": in_noise(PINK, 8),
        "brown noise 15 dB": in_noise(BROWN, 15),
        "brown noise 8 dB": in_noise(BROWN, 8),
        "music 10 dB": lambda sound, _: add_noise(sound, music, 10),
        "whispered": make_whisper,
        **{f"{level} dBFS": at_level(level) for level in LEVELS_DBFS},
        **{f"pauses of {pause} s": with_pauses(pause) for pause in PAUSES_S},
    }

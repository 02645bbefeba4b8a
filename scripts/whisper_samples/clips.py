"""The speech to train on: every sentence in several voices and tempos, and the recordings of samples/."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import soxr
from make_samples import GAP_S, LEAD_S, SAMPLES, SAMPLES_DIR, read_wav
from sentences import BY_KEY, SENTENCES, Sentence

from whisper_samples.synth import RATE_HZ, Clip, Espeak, Flite, Word

FLITE_VOICES = ("kal16", "awb", "rms")
ESPEAK_VOICES = {
    "en": ("en-us", "en-gb-x-rp", "en-us+f2", "en-us+m3"),
    "es": ("es", "es-419", "es+f2", "es-419+f2", "es+m3"),
}
SAMPLE_WEIGHT = 4.0
CANONICAL_WEIGHT = 2.0
"""How much more often than the varied renderings the plain ones are drawn."""


def _varied(sentence: Sentence, espeak: Espeak, flite: Flite, dice: random.Random) -> list[Clip]:
    clips = [
        espeak.speak(sentence, dice.choice(ESPEAK_VOICES[sentence.lang]), dice.randint(140, 190), pitch)
        for pitch in (dice.randint(35, 50), dice.randint(50, 65), dice.randint(42, 58))
    ]
    if sentence.lang == "en":
        clips += [flite.speak(sentence, voice, dice.uniform(0.88, 1.15)) for voice in FLITE_VOICES]
    return clips


def _canonical(sentence: Sentence, espeak: Espeak, flite: Flite) -> list[Clip]:
    if sentence.lang == "en":
        return [flite.speak(sentence, voice) for voice in FLITE_VOICES]
    return [espeak.speak(sentence, voice) for voice in ESPEAK_VOICES["es"][:3]]


def _narrowband(clip: Clip) -> Clip:
    """The clip as it comes from an 8 kHz recording."""
    narrow = soxr.resample(soxr.resample(clip.audio, RATE_HZ, 8000), 8000, RATE_HZ)
    return replace(clip, audio=np.asarray(narrow, dtype=np.float32))


def read_recordings(espeak: Espeak, flite: Flite) -> dict[str, Clip]:
    """The recordings of samples/ resampled to 16 kHz, with word times from a second rendering."""
    clips: dict[str, Clip] = {}
    for sample in SAMPLES:
        audio, rate_hz = read_wav(SAMPLES_DIR / f"{sample.name}.wav")
        words: list[Word] = []
        offset_s = LEAD_S
        for key in sample.keys:
            sentence = BY_KEY[key]
            speaker = flite if sample.engine == "flite" else espeak
            spoken = speaker.speak(sentence, sample.voice)
            words += [
                replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)
                for word in spoken.words
            ]
            offset_s += spoken.seconds + GAP_S
        at_16k = np.asarray(soxr.resample(audio, rate_hz, RATE_HZ), dtype=np.float32)
        clips[sample.name] = Clip(BY_KEY[sample.keys[0]].lang, at_16k, tuple(words), SAMPLE_WEIGHT)
    return clips


def synthesise_all(seed: int = 1) -> list[Clip]:
    """Synthesises the whole pool; takes a few seconds."""
    dice = random.Random(seed)
    espeak, flite = Espeak(), Flite()
    clips = list(read_recordings(espeak, flite).values())
    for sentence in SENTENCES:
        for clip in _canonical(sentence, espeak, flite):
            clips.append(replace(clip, weight=CANONICAL_WEIGHT))
            clips.append(replace(_narrowband(clip), weight=CANONICAL_WEIGHT / 4))
        clips += _varied(sentence, espeak, flite, dice)
    return clips

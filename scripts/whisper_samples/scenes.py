"""Composes what one training window holds: an utterance, its beginning, several in a row, no speech."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from whisper_samples.clips import synthesise_all
from whisper_samples.sounds import Sounds
from whisper_samples.synth import RATE_HZ, Audio, Clip, Word

LATE_END_S = 0.06
"""A word counts as heard if no more than this is missing of it."""
LONGEST_S = 15.5


@dataclass(frozen=True)
class Scene:
    """The audio of one window and the words that it holds."""

    lang: str
    audio: Audio
    words: tuple[Word, ...]
    speech: bool
    """False where nothing is said; a window cut before its first whole word has speech and no words."""


class Scenes:
    """Draws scenes at random."""

    def __init__(self, seed: int) -> None:
        self._dice = np.random.default_rng(seed)
        self._sounds = Sounds(self._dice)
        self._clips = synthesise_all()
        weights = np.array([clip.weight for clip in self._clips])
        self._odds = weights / weights.sum()
        self._by_lang = {
            lang: [index for index, clip in enumerate(self._clips) if clip.lang == lang]
            for lang in ("en", "es")
        }

    def draw(self) -> Scene:
        """One scene of a random kind."""
        kind = self._dice.choice(6, p=(0.09, 0.33, 0.12, 0.13, 0.26, 0.07))
        if kind == 0:
            return self._nothing(
                float(self._dice.choice([self._dice.uniform(0.2, 4), self._dice.uniform(1, 12)]))
            )
        if kind == 5:
            return self._verbatim(self._clip())
        clip = self._row() if kind == 4 else self._clip()
        clip = self._within_silence(clip)
        start_s, end_s = 0.0, clip.seconds
        first_s, last_s = clip.words[0].start_s, clip.words[-1].end_s
        if kind == 1 or (kind == 4 and self._dice.random() < 0.45):
            end_s = float(self._dice.uniform(first_s + 0.15, last_s + 0.1))
        if kind == 2:
            start_s = float(self._dice.uniform(first_s, first_s + 0.7 * (last_s - first_s)))
        return self._finish(_cut(clip, start_s, min(end_s, start_s + LONGEST_S)))

    def long_nothing(self) -> Scene:
        """A whole window of 30 s without speech."""
        return self._nothing(30.0)

    def _clip(self) -> Clip:
        return self._clips[int(self._dice.choice(len(self._clips), p=self._odds))]

    def _row(self) -> Clip:
        """Two to four utterances of one language with pauses between them."""
        first = self._clip()
        choices = self._by_lang[first.lang]
        odds = self._odds[choices] / self._odds[choices].sum()
        audio, words = [first.audio], list(first.words)
        for _ in range(int(self._dice.choice([1, 2, 3], p=(0.6, 0.27, 0.13)))):
            clip = self._clips[int(self._dice.choice(choices, p=odds))]
            gap = np.zeros(int(RATE_HZ * np.exp(self._dice.uniform(np.log(0.1), np.log(2.6)))), np.float32)
            offset_s = (sum(map(len, audio)) + len(gap)) / RATE_HZ
            level = 10 ** (self._dice.uniform(-8, 0) / 20)
            audio += [gap, (clip.audio * level).astype(np.float32)]
            words += [_shifted(word, offset_s) for word in clip.words]
        return Clip(first.lang, np.concatenate(audio), tuple(words))

    def _within_silence(self, clip: Clip) -> Clip:
        dice = self._dice
        lead_s = dice.uniform(0, 0.9) if dice.random() < 0.85 else dice.uniform(0.9, 2.5)
        lead = np.zeros(int(RATE_HZ * lead_s), np.float32)
        tail = np.zeros(int(RATE_HZ * dice.uniform(0, 1.6)), np.float32)
        words = tuple(_shifted(word, len(lead) / RATE_HZ) for word in clip.words)
        return replace(clip, audio=np.concatenate([lead, clip.audio, tail]), words=words)

    def _verbatim(self, clip: Clip) -> Scene:
        """The clip as it is but for its level, with or without silence around it."""
        if self._dice.random() < 0.5:
            clip = self._within_silence(clip)
        level = 10 ** (self._dice.uniform(-30, 5) / 20)
        return Scene(clip.lang, _as_pcm16(clip.audio * level), clip.words, speech=True)

    def _finish(self, clip: Clip) -> Scene:
        """Adds the room: spectral tilt, noise, level, the steps of PCM16."""
        dice, audio = self._dice, clip.audio
        if dice.random() < 0.4:
            tilt = dice.uniform(-0.5, 0.5)
            audio = np.append(audio[:1], audio[1:] + tilt * audio[:-1])
        if dice.random() < 0.7:
            loudness = np.sqrt(np.mean(audio**2)) if len(audio) else 0.0
            # A cut may hold nothing but zeros; noise then gets a level of its own.
            level = max(float(loudness), 1e-3) * 10 ** (-dice.uniform(8, 50) / 20)
            audio = audio + level * self._sounds.noise(len(audio))
        level = 10 ** (dice.uniform(-26, 4) / 20)
        return Scene(clip.lang, _as_pcm16(audio * level), clip.words, speech=True)

    def _nothing(self, seconds: float) -> Scene:
        dice, count = self._dice, int(seconds * RATE_HZ)
        kind = dice.choice(4, p=(0.25, 0.45, 0.15, 0.15))
        if kind == 0:
            audio: Audio = np.zeros(count, np.float32)
        elif kind == 1:
            audio = self._sounds.noise(count)
        else:
            audio = self._sounds.music(count)
            if kind == 3:
                audio = audio + 10 ** (-dice.uniform(0, 30) / 20) * self._sounds.noise(count)
        level = 10 ** (-dice.uniform(14, 75) / 20)
        lang = str(dice.choice(["en", "es"]))
        return Scene(lang, _as_pcm16(audio * level), (), speech=False)


def _shifted(word: Word, by_s: float) -> Word:
    return replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s)


def _cut(clip: Clip, start_s: float, end_s: float) -> Clip:
    """The part of the clip between two times, with the words that are heard whole."""
    audio = clip.audio[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]
    words = tuple(
        _shifted(word, -start_s)
        for word in clip.words
        if word.start_s >= start_s - LATE_END_S and word.end_s <= end_s + LATE_END_S
    )
    return replace(clip, audio=audio, words=words)


def _as_pcm16(audio: Audio) -> Audio:
    return np.asarray(np.round(np.clip(audio, -1, 1) * 32767) / 32767, dtype=np.float32)

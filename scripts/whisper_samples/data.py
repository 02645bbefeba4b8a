"""Turns scenes into batches: mel frames, decoder inputs, and what should follow each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from sentences import SENTENCES
from torch import Tensor
from torch.utils.data import IterableDataset

from whisper_samples.scenes import Scene, Scenes
from whisper_samples.synth import RATE_HZ, Word
from whisper_samples.vocabulary import Vocabulary

STAND_INS = 24
POSITIONS = 1500
POSITION_S = 0.02
SHORT_SHARE = 0.4
"""Share of the windows that end shortly after their audio instead of being padded to 30 s."""
EDGE_SMEAR = ((0, 0.7), (-1, 0.15), (1, 0.15))
"""A timestamp one step off is nearly as good."""


@dataclass
class Batch:
    """One training step's tensors. The decoder sees every window twice: without and with timestamps."""

    mels: Tensor
    stand_ins: Tensor
    bias: Tensor
    """[window, 1, 1, key]: which encoder positions count, and for how many."""
    ids: Tensor
    """[2 x window, token]."""
    target_ids: Tensor
    """[2 x window, token, 3]: up to three acceptable next tokens."""
    target_weights: Tensor
    spread: Tensor
    """[2 x window, token]: weight of 'any word', for windows without speech."""
    align_from: Tensor
    """[2 x window, token, 2]: the span of positions to look at; -1 where it does not matter."""
    frame_words: Tensor
    """[window, position]: which word sounds; the last class is none, -100 is not counted."""


@dataclass
class _Row:
    """One decoder sequence while it is being written."""

    ids: list[int]
    targets: list[list[tuple[int, float]]]
    spread: list[float]
    spans: list[tuple[int, int]]

    def add(
        self,
        token: int,
        next_tokens: list[tuple[int, float]],
        spread: float = 0.0,
        span: tuple[int, int] = (-1, -1),
    ) -> None:
        """Adds an input token, what should follow it, and where to look meanwhile."""
        self.ids.append(token)
        self.targets.append(next_tokens)
        self.spread.append(spread)
        self.spans.append(span)


class Batches(IterableDataset[Batch]):
    """An endless stream of batches, windows of like length together."""

    def __init__(self, seed: int, size: int = 16) -> None:
        self._seed, self._size = seed, size

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        torch.set_num_threads(1)
        maker = _Maker(self._seed + (worker.id if worker else 0))
        while True:
            pool = sorted(
                (maker.scenes.draw() for _ in range(self._size * 6)), key=lambda scene: len(scene.audio)
            )
            chunks = [pool[at : at + self._size] for at in range(0, len(pool), self._size)]
            for index in maker.dice.permutation(len(chunks)):
                yield maker.batch(chunks[index])
            if maker.dice.random() < 0.15:
                yield maker.batch([maker.scenes.long_nothing() for _ in range(4)])


class _Maker:
    def __init__(self, seed: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.scenes = Scenes(seed + 1000)
        self.vocabulary = Vocabulary()
        self.extract = FeatureExtractor(feature_size=80)

    def batch(self, scenes: list[Scene]) -> Batch:
        """Builds the tensors of one batch."""
        mels = [self.extract(scene.audio)[:, : POSITIONS * 2] for scene in scenes]
        kept = [self._positions(mel.shape[1]) for mel in mels]
        longest = max(real for real, _ in kept)
        frames = np.zeros((len(scenes), 80, longest * 2), np.float32)
        bias = np.full((len(scenes), 1, 1, longest + STAND_INS), -math.inf, np.float32)
        stand_ins = np.zeros((len(scenes), STAND_INS), np.int64)
        frame_words = np.full((len(scenes), longest), -100, np.int64)
        for index, (scene, mel, (real, padded)) in enumerate(zip(scenes, mels, kept, strict=True)):
            frames[index, :, : mel.shape[1]] = mel
            bias[index, 0, 0, :real] = 0.0
            if padded and real < POSITIONS:
                stand_ins[index] = self.dice.integers(real, POSITIONS, STAND_INS)
                bias[index, 0, 0, longest:] = math.log((POSITIONS - real) / STAND_INS)
            frame_words[index, :real] = self._frame_words(scene, real)
        rows = self._rows(scenes)
        return Batch(
            torch.from_numpy(frames),
            torch.from_numpy(stand_ins),
            torch.from_numpy(bias),
            *_stack(rows, self.vocabulary.end),
            torch.from_numpy(frame_words),
        )

    def _positions(self, frames: int) -> tuple[int, bool]:
        """How many encoder positions are computed for a window, and whether padding to 30 s follows them."""
        if self.dice.random() >= SHORT_SHARE:
            # Two more than the audio has: the convolutions reach over its edge.
            return min((frames + 1) // 2 + 2, POSITIONS), True
        margin = int(self.dice.choice([0, 8, 16, 32, 50, 64, 128])) + int(self.dice.integers(0, 64))
        return min((frames + margin + 1) // 2, POSITIONS), False

    def _frame_words(self, scene: Scene, real: int) -> np.ndarray[Any, Any]:
        classes = np.full(real, len(self.vocabulary.words), np.int64)
        for word in scene.words:
            classes[int(word.start_s / POSITION_S) : int(word.end_s / POSITION_S)] = self.vocabulary.words[
                word.text
            ]
        return classes

    def _rows(self, scenes: list[Scene]) -> list[_Row]:
        long_prompts = self.dice.random() < 0.06
        rows = []
        for timestamps in (False, True):
            for index, scene in enumerate(scenes):
                prompt: list[int] = []
                if long_prompts and index % 2 == 0:
                    prompt = self._prompt(int(self.dice.integers(12, 222)))
                elif self.dice.random() < 0.10:
                    prompt = self._prompt(int(self.dice.integers(1, 24)))
                rows.append(self._row(scene, prompt, timestamps=timestamps))
        return rows

    def _prompt(self, length: int) -> list[int]:
        """Earlier text or a list of terms: known sentences, known words, and scraps of anything else."""
        ids: list[int] = []
        while len(ids) < length:
            kind = self.dice.random()
            if kind < 0.55:
                words = SENTENCES[int(self.dice.integers(len(SENTENCES)))].text.split()
                ids += [token for word in words for token in self.vocabulary.encode_word(word)]
            elif kind < 0.75:
                ids += self.vocabulary.encode_word(str(self.dice.choice(list(self.vocabulary.words))))
            else:
                ids += self.dice.integers(self.vocabulary.end, size=int(self.dice.integers(1, 12))).tolist()
        return [self.vocabulary.previous, *ids[-length:]]

    def _row(self, scene: Scene, prompt: list[int], *, timestamps: bool) -> _Row:
        tokens = self.vocabulary
        row = _Row([], [], [], [])
        for token in prompt:
            row.add(token, [])
        row.add(tokens.start, self._after_start(scene))
        other = {"en": "es", "es": "en"}[scene.lang]
        row.add(tokens.languages[other if self.dice.random() < 0.08 else scene.lang], [])
        task = tokens.translate if self.dice.random() < 0.03 else tokens.transcribe
        if timestamps:
            row.add(task, self._smeared(0.0) if scene.words else [(tokens.timestamp(0.0), 1.0)])
            self._write_timed(row, scene)
        else:
            row.add(task, [])
            self._write_plain(row, scene)
        return row

    def _after_start(self, scene: Scene) -> list[tuple[int, float]]:
        language = self.vocabulary.languages[scene.lang]
        if not scene.speech:
            return [(self.vocabulary.no_speech, 1.0)]
        return [(language, 1.0)] if scene.words else [(language, 0.5), (self.vocabulary.no_speech, 0.5)]

    def _write_plain(self, row: _Row, scene: Scene) -> None:
        tokens = self.vocabulary
        if not scene.words:
            # The end may be forbidden as first token: any word must then look improbable.
            row.add(tokens.no_timestamps, [(tokens.end, 0.7)], spread=0.3)
            row.add(int(self.dice.choice(tokens.word_starts)), [(tokens.end, 1.0)])
            return
        feed = tokens.no_timestamps
        for word in scene.words:
            for token in tokens.encode_word(word.text):
                row.add(feed, [(token, 1.0)], span=_positions_of(word))
                feed = token
        row.add(feed, [(tokens.end, 1.0)], span=_positions_after(scene))

    def _write_timed(self, row: _Row, scene: Scene) -> None:
        tokens = self.vocabulary
        feed = tokens.timestamp(0.0)
        for index, word in enumerate(scene.words):
            for token in tokens.encode_word(word.text):
                row.add(feed, [(token, 1.0)], span=_positions_of(word))
                feed = token
            last = index + 1 == len(scene.words)
            if word.closes or last:
                row.add(feed, self._smeared(word.end_s))
                feed = tokens.timestamp(word.end_s)
            if word.closes and not last:
                start_s = scene.words[index + 1].start_s
                row.add(feed, self._smeared(start_s))
                feed = tokens.timestamp(start_s)
        row.add(feed, [(tokens.end, 1.0)])

    def _smeared(self, seconds: float) -> list[tuple[int, float]]:
        first, last = self.vocabulary.first_timestamp, self.vocabulary.size - 1
        centre = self.vocabulary.timestamp(seconds)
        return [(min(max(centre + step, first), last), weight) for step, weight in EDGE_SMEAR]


def _positions_of(word: Word) -> tuple[int, int]:
    """First and last encoder position of a word, one more on either side."""
    return max(int(word.start_s / POSITION_S) - 1, 0), int(word.end_s / POSITION_S) + 1


def _positions_after(scene: Scene) -> tuple[int, int]:
    """The encoder positions behind the last word: word times end where the end of the text is seen."""
    last = int(len(scene.audio) / RATE_HZ / POSITION_S)
    return min(int(scene.words[-1].end_s / POSITION_S), last - 2), last


def _stack(rows: list[_Row], filler: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    count, length = len(rows), max(len(row.ids) for row in rows)
    ids = torch.full((count, length), filler)
    target_ids = torch.zeros((count, length, 3), dtype=torch.long)
    target_weights = torch.zeros((count, length, 3))
    spread = torch.zeros((count, length))
    spans = torch.full((count, length, 2), -1)
    for index, row in enumerate(rows):
        size = len(row.ids)
        ids[index, :size] = torch.tensor(row.ids)
        spread[index, :size] = torch.tensor(row.spread)
        spans[index, :size] = torch.tensor(row.spans)
        for place, choices in enumerate(row.targets):
            for slot, (token, weight) in enumerate(choices):
                target_ids[index, place, slot] = token
                target_weights[index, place, slot] = weight
    return ids, target_ids, target_weights, spread, spans

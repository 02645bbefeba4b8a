"""One PocketSphinx decoder whose result depends on the utterance's audio and the cepstral mean alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pocketsphinx

from app.providers.stt.sphinx.search import (
    BLOCK_BYTES,
    FRAME_MS,
    RESET_BYTES,
    SAMPLE_RATE_HZ,
    SEARCH,
    TAIL_BYTES,
)

FILLER_MARKS = ("<", "[", "+")
"""How the names of silence and noise begin: `<sil>`, `</s>`, `[NOISE]`, `++COUGH++`."""

WireWord = tuple[str, int, int, float]
"""A word, its start and end (ms from the utterance's first sample), its confidence (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one utterance."""

    text: str
    words: list[WireWord]
    cmn: str
    """The cepstral mean after it in the engine's notation (6 digits): the next utterance begins with it."""
    decode_ms: float


class LanguageModel:
    """The language model of a process, loaded once and shared by its decoders (33 MB each otherwise)."""

    def __init__(self, options: Mapping[str, Any] = SEARCH) -> None:
        self._options = dict(options)
        self._model: Any = None

    def make_recognizer(self) -> "Recognizer":
        """Build one more decoder: about 0.35 s of CPU and 55 MB."""
        decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL", lm=None, **self._options)
        if self._model is None:
            path = pocketsphinx.get_model_path("en-us/en-us.lm.bin")
            self._model = pocketsphinx.NGramModel(decoder.config, decoder.logmath, path)
        decoder.add_lm("shared", self._model)
        decoder.activate_search("shared")
        return Recognizer(decoder)


class Recognizer:
    """One utterance at a time: `begin`, `feed` as often as needed, `finish`; `begin` may come at any time."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._model_cmn: str = decoder.get_cmn()
        self._running = False

    def begin(self, cmn: str | None) -> None:
        """Start an utterance; `cmn` is the speaker's cepstral mean, None for the model's own."""
        self._forget()
        self._decoder.set_cmn(cmn or self._model_cmn)
        self._decoder.start_utt()
        self._running = True

    def feed(self, pcm: bytes) -> str:
        """Take whole blocks (the utterance's last may be short); give the text so far."""
        for start in range(0, len(pcm), BLOCK_BYTES):
            self._decoder.process_raw(pcm[start : start + BLOCK_BYTES])
        return self._text()

    def finish(self, pcm: bytes) -> Result:
        """Take the rest, which may be shorter than a block, and end the utterance."""
        started = time.perf_counter()
        self.feed(pcm)
        if TAIL_BYTES:
            self._decoder.process_raw(bytes(TAIL_BYTES))
        self._decoder.end_utt()
        self._running = False
        text, cmn = self._text(), self._decoder.get_cmn()
        return Result(text, self._words(), cmn, 1000 * (time.perf_counter() - started))

    def _forget(self) -> None:
        """Undo what the last utterance left behind: noise statistics, buffers, codewords."""
        if self._running:
            self._decoder.end_utt()
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(bytes(RESET_BYTES))
        self._decoder.end_utt()
        self._decoder.reinit_feat()

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        words = hypothesis.hypstr.split() if hypothesis else []
        return " ".join(word for word in words if not word.startswith(FILLER_MARKS))

    def _words(self) -> list[WireWord]:
        segments = (
            segment for segment in self._decoder.seg() or () if not segment.word.startswith(FILLER_MARKS)
        )
        return [
            (
                segment.word.partition("(")[0],
                segment.start_frame * FRAME_MS,
                (segment.end_frame + 1) * FRAME_MS,
                min(1.0, max(0.0, segment.prob)),
            )
            for segment in segments
        ]

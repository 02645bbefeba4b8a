"""One PocketSphinx decoder whose result depends on the utterance's audio and the cepstral mean alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pocketsphinx

from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, SAMPLE_RATE_HZ

FRAME_MS = 10
"""One step of the decoder: word times are counted in these."""

PRIME_BYTES = 11 * BLOCK_BYTES
"""The cepstral mean of a dictation is estimated from this much of its first utterance (1.06 s)."""

RESET_BYTES = 2 * BLOCK_BYTES
"""Digital silence that is decoded before each utterance. It overwrites the top-N codewords that the acoustic model
keeps from the utterance before; the binding has no call for that. Without it 17 of 18 repeated decodes differ in
score, with 100 ms or more none."""

SEARCH: dict[str, float | int | bool] = {
    "maxhmmpf": 3000,
    "topn": 2,
    "fwdflat": False,
    "bestpath": True,
}
"""Options of `pocketsphinx.Decoder` that differ from its defaults."""


FILLER_MARKS = ("<", "[", "+")
"""How the names of silence and noise begin: `<sil>`, `</s>`, `[NOISE]`, `++COUGH++`."""

SEARCH_NAME = "shared"
MEAN_NAME = "mean"
MEAN_GRAMMAR = "#JSGF V1.0; grammar mean; public <mean> = yes;"
"""The cheapest search. It is active while the mean is estimated: an utterance cannot end without a search."""

WireWord = tuple[str, int, int, float]
"""A word, its start and end (ms from the utterance's first sample), its confidence (0 to 1)."""


@dataclass(frozen=True, slots=True)
class SphinxResult:
    """The end of one utterance."""

    text: str
    words: list[WireWord]
    cmn: str
    """The cepstral mean at its end, in the engine's notation (6 digits): the next utterance begins with it."""
    decode_ms: float


class LanguageModel:
    """The language model of a process, loaded once and shared by its decoders (33 MB each otherwise)."""

    def __init__(self, options: Mapping[str, Any] = SEARCH) -> None:
        self._options = dict(options)
        self._model: Any = None

    def make_recognizer(self) -> "Recognizer":
        """Build one more decoder; it takes about 0.35 s of CPU and 55 MB."""
        decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL", lm=None, **self._options)
        if self._model is None:
            path = pocketsphinx.get_model_path("en-us/en-us.lm.bin")
            self._model = pocketsphinx.NGramModel(decoder.config, decoder.logmath, path)
        decoder.add_lm(SEARCH_NAME, self._model)
        decoder.add_jsgf_string(MEAN_NAME, MEAN_GRAMMAR)
        decoder.activate_search(SEARCH_NAME)
        return Recognizer(decoder)


class Recognizer:
    """One utterance at a time: `begin`, `feed` as often as needed, `finish`; `begin` may come at any time."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._model_cmn: str = decoder.get_cmn()
        self._running = False
        self._held: bytearray | None = None
        """The beginning of an utterance whose cepstral mean is not known yet."""

    def begin(self, cmn: str | None) -> None:
        """Start an utterance; `cmn` is the speaker's cepstral mean, None to estimate it from the beginning.

        The engine's own mean is far from that of a real microphone, and adapts slowly (docs/decisions/0002).
        """
        if self._running:
            self._decoder.end_utt()
            self._running = False
        self._held = bytearray()
        if cmn is not None:
            self._start(cmn)

    def feed(self, pcm: bytes) -> str:
        """Take whole blocks; return the text so far."""
        if self._held is not None:
            self._held += pcm
            if len(self._held) < PRIME_BYTES:
                return ""
            pcm = self._start_held()
        return self._decode(pcm)

    def finish(self, pcm: bytes) -> SphinxResult:
        """Take the last audio, of any length, and end the utterance."""
        started = time.perf_counter()
        if self._held is not None:
            self._held += pcm
            pcm = self._start_held()
        self._decode(pcm)
        self._decoder.end_utt()
        self._running = False
        text, cmn = self._text(), self._decoder.get_cmn()
        return SphinxResult(text, self._words(), cmn, 1000 * (time.perf_counter() - started))

    def _start_held(self) -> bytes:
        """Begin with the mean of the held audio; return that audio."""
        assert self._held is not None
        pcm = bytes(self._held)
        self._start(self._estimate(pcm[:PRIME_BYTES]))
        return pcm

    def _estimate(self, pcm: bytes) -> str:
        """The cepstral mean of `pcm` alone; the model's own where `pcm` is digital silence."""
        if not pcm:
            return self._model_cmn
        self._decoder.activate_search(MEAN_NAME)
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, no_search=True, full_utt=True)
        cmn: str = self._decoder.get_cmn()
        self._decoder.end_utt()
        self._decoder.activate_search(SEARCH_NAME)
        return self._model_cmn if "nan" in cmn else cmn

    def _start(self, cmn: str) -> None:
        self._held = None
        self._forget()
        self._decoder.set_cmn(cmn)
        self._decoder.start_utt()
        self._running = True

    def _decode(self, pcm: bytes) -> str:
        for start in range(0, len(pcm), BLOCK_BYTES):
            self._decoder.process_raw(pcm[start : start + BLOCK_BYTES])
        return self._text()

    def _forget(self) -> None:
        """Reset what the last utterance left behind: noise statistics, buffers, codewords."""
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

"""OpenAI's transcription API: the form of a request, and the transcript in its answer. Nothing here does I/O."""

import math
from collections.abc import Sequence
from typing import Any

import orjson

from app.core.errors import UpstreamError
from app.providers.base import SAMPLE_RATE_HZ, Samples, SttConfig, Transcript, Word
from app.providers.upstream.errors import make_no_api_error
from app.utils.chunked_audio import make_wav

# `verbose_json` names languages in English. A language that is not listed here is reported as unknown.
_LANGUAGES = {
    "arabic": "ar",
    "chinese": "zh",
    "dutch": "nl",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "turkish": "tr",
    "ukrainian": "uk",
}


def encode_wav(pieces: Sequence[Samples]) -> bytes:
    """Return the audio as a WAV file in memory: 16 kHz mono PCM16."""
    pcm = b"".join(piece.astype("<i2", copy=False).tobytes() for piece in pieces)
    return make_wav(pcm, SAMPLE_RATE_HZ)


def build_form(config: SttConfig, model: str, *, verbose: bool) -> dict[str, Any]:
    """Return the form fields of a request, without the file; `verbose` asks for word times."""
    form: dict[str, Any] = {"model": model, "response_format": "verbose_json" if verbose else "json"}
    if verbose and not config.translates:
        form["timestamp_granularities[]"] = ["word", "segment"]
    if config.primary_lang and not config.translates:
        form["language"] = config.primary_lang
    if config.vocabulary:
        form["prompt"] = ", ".join(config.vocabulary)
    return form


def parse_transcript(body: bytes, config: SttConfig, model: str, host: str) -> Transcript:
    """Return the transcript of a `json` or `verbose_json` answer.

    Raises:
        UpstreamError: the answer has no text.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise make_no_api_error(host) from error
    if not isinstance(data, dict) or not isinstance(text := data.get("text"), str):
        raise UpstreamError(f"the upstream {host!r} answered without a text; check base_url")
    return Transcript(
        text=" ".join(text.split()),
        lang=config.primary_lang or _language_code(data.get("language")),
        model=model,
        words=_read_words(data) if config.words else (),
    )


def _language_code(name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    name = name.strip().lower()
    return _LANGUAGES.get(name) or (name[:2] if len(name.partition("-")[0]) == 2 else None)


def _read_words(data: dict[str, Any]) -> tuple[Word, ...]:
    entries, segments = data.get("words"), data.get("segments")
    if not isinstance(entries, list):
        return ()
    segments = [entry for entry in segments if isinstance(entry, dict)] if isinstance(segments, list) else []
    words = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("word"), str):
            continue
        start, end = entry.get("start"), entry.get("end")
        if isinstance(start, int | float) and isinstance(end, int | float):
            start_ms, end_ms = max(0, round(start * 1000)), max(0, round(end * 1000))
            words.append(
                Word(
                    entry["word"].strip(),
                    start_ms,
                    max(start_ms, end_ms),
                    _segment_confidence(start, segments),
                )
            )
    return tuple(words)


def _segment_confidence(at_s: float, segments: Sequence[dict[str, Any]]) -> float:
    """Return the mean token probability of a word's segment, which is all this API has; 1 where it is missing."""
    for segment in segments:
        start, end, logprob = (segment.get(key) for key in ("start", "end", "avg_logprob"))
        if not all(isinstance(value, int | float) for value in (start, end, logprob)):
            continue
        if start <= at_s < end:  # type: ignore[operator]  # all three are numbers, see above
            return min(1.0, math.exp(min(0.0, float(logprob))))  # type: ignore[arg-type]
    return 1.0

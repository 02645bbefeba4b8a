"""Events of a segmenter, made by hand."""

from app.providers.base import Samples
from app.services.audio.endpointing import SpeechEvidence
from app.services.audio.segmenter import UtteranceEnded

CLEAR_SPEECH = SpeechEvidence(voiced_ms=1000, mean_probability=0.95, voiced_share=0.9, level_dbfs=-25.0)


def make_ended(start: int, speech_end: int, *, audio: Samples | None = None) -> UtteranceEnded:
    """The end of an utterance that is worth decoding; `audio` where it was cut in hindsight."""
    return UtteranceEnded(
        utterance_id=1,
        start=start,
        end=speech_end,
        speech_end=speech_end,
        heard_until=speech_end,
        evidence=CLEAR_SPEECH,
        audio=audio,
    )

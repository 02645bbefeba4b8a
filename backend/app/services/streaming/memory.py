"""What one dictation's utterances hand on to each other: the language, and the text before; from finals alone."""

from app.providers.base import SAMPLE_RATE_HZ, WindowResult

CONTEXT_CHARACTERS = 200
CONTEXT_AGE_S = 30.0
CONTEXT_SPEECH_S = 2.0
"""A shorter utterance gets no context: the decoder would rather repeat that than hear so little."""


def ending(text: str) -> str:
    """The last words of a text, as many as a prompt is given."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    tail = text[-CONTEXT_CHARACTERS:]
    return tail.partition(" ")[2] or tail


class Memory:
    """Only finals that were told enter, in their order: what was decoded in vain leaves no trace."""

    def __init__(self) -> None:
        self.lang: str | None = None
        """As the engine named it, once it was sure."""
        self._text = ""
        self._end = 0

    def context(self, start: int, speech_samples: int) -> str:
        """What to tell the engine before an utterance that begins at session sample `start`."""
        fresh = start - self._end < CONTEXT_AGE_S * SAMPLE_RATE_HZ
        return self._text if fresh and speech_samples >= CONTEXT_SPEECH_S * SAMPLE_RATE_HZ else ""

    def keep(self, final: WindowResult, end: int) -> None:
        """A final was told; the utterance ended at session sample `end`."""
        if final.lang_sure and self.lang is None:
            self.lang = final.lang
        self._text = ending(final.text) if final.trusted else ""
        self._end = end

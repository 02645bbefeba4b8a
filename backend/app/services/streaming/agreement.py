"""Which words of a re-decoded utterance will not change any more: those that two decodes in a row agree on.

LocalAgreement-2 (Macháček, Dabre, Bojar: Turning Whisper into Real-Time Transcription System, 2023), on words
without case and punctuation.
"""

from app.providers.base import Hypothesis
from app.services.dictation.stabiliser import continues_at, normalise

HOLD_S = 0.4
"""The newest word settles only when so much audio has come since it was first heard: it may be half a word."""

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces: their characters are compared."""


def split(text: str, lang: str | None) -> list[str]:
    """The words of a text; its characters in a language without spaces."""
    return [character for character in text if not character.isspace()] if lang in UNSPACED else text.split()


def join(words: list[str], lang: str | None) -> str:
    """What `split` took apart."""
    return ("" if lang in UNSPACED else " ").join(words)


class Agreement:
    """One utterance's stable prefix. It only ever grows, also where a decode contradicts it."""

    def __init__(self) -> None:
        self.stable: list[str] = []
        """Words as they were written when they settled."""
        self._tail: list[tuple[str, float]] = []
        """Normalised words that the newest decode has after the stable ones, and since when (s of audio)."""

    def push(self, words: list[str], heard_s: float, lang: str | None = None) -> Hypothesis:
        """Take the newest decode, over `heard_s` of the utterance; give what is to be shown."""
        tail = words[continues_at(self.stable, words) :]
        plain = [normalise(word) for word in tail]
        agreed = 0
        while agreed < min(len(plain), len(self._tail)) and plain[agreed] == self._tail[agreed][0]:
            agreed += 1
        since = [at for _, at in self._tail[:agreed]] + [heard_s] * (len(plain) - agreed)
        if agreed and agreed == len(plain) and heard_s - since[-1] < HOLD_S:
            agreed -= 1
        self.stable += tail[:agreed]
        self._tail = list(zip(plain[agreed:], since[agreed:], strict=True))
        return Hypothesis(join(self.stable + tail[agreed:], lang), join(self.stable, lang))

"""What decodes cost: core seconds per second of audio, learned for each engine and window."""

_WEIGHT = 0.2
"""Of the newest measurement: about the last ten count."""

_LEAST_AUDIO_S = 0.1
"""Shorter audio costs as much as this, or a click would look infinitely expensive."""


class Costs:
    """A moving average for each key. What was never measured costs nothing: nothing is refused on a guess."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def learn(self, engine: str, audio_s: float, took_s: float) -> None:
        rate = took_s / max(audio_s, _LEAST_AUDIO_S)
        known = self._rates.get(engine)
        self._rates[engine] = rate if known is None else known + _WEIGHT * (rate - known)

    def estimate_s(self, engine: str, audio_s: float) -> float:
        """Core seconds that a decode of this much audio takes."""
        return self._rates.get(engine, 0.0) * max(audio_s, _LEAST_AUDIO_S)

"""When the next partial of an utterance is worth its cost: times of audio in, a decision out, no clock."""

from dataclasses import dataclass

FIRST_S = 0.6
"""Speech before the first partial: less is no word yet."""

EVERY_S = 0.5
"""New audio before the next one, on an idle machine."""

STRETCH = 1.2
"""New audio before the next one, in times of what the last decode took: a slow machine shows fewer."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A partial that was decoded, or shed: how much of the utterance it covered, and what it took (s)."""

    covered_s: float
    decode_s: float = 0.0
    took_s: float = 0.0
    """Waiting included: no pass covers less new audio than the last one took."""


def is_due(heard_s: float, onset_s: float, last: Pass | None, factor: float) -> bool:
    """Whether to decode now, with `heard_s` of an utterance whose speech began at `onset_s`.

    `factor` is the pressure's: it stretches the distance.
    """
    if last is None:
        return heard_s - onset_s >= FIRST_S * factor
    return heard_s - last.covered_s >= max(EVERY_S * factor, STRETCH * last.decode_s, last.took_s)

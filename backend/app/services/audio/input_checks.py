"""Notices audio that is not what its client says it is. Each problem is named once; the dictation goes on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.notes import NoteCode

BLOCKS = 3
"""Seconds in a row that must show a problem before it is named."""
SILENT_BLOCKS = 5

PRINTABLE_SHARE = 0.99
FLOAT_SHARE = 0.95
FLOAT_BITS = (0x3200, 0x4000)
"""The upper half of a 32-bit float from about 1e-8 to 2, without its sign."""
CLIPPED_LEVEL = 32_700
CLIPPED_SHARE = 0.02
"""Share of samples at full scale from which words suffer; recordings that peak at full scale have less than 0.1 %."""


@dataclass(frozen=True, slots=True)
class InputHint:
    """What is wrong with the audio, and how to mend it."""

    code: NoteCode
    message: str


FLOATS = InputHint(
    NoteCode.NOT_PCM16,
    "this looks like 32-bit floats, not like 16-bit PCM: multiply by 32767 and send signed 16-bit integers",
)
TEXT = InputHint(
    NoteCode.NOT_PCM16,
    "this looks like text, not like 16-bit PCM: binary messages carry plain samples, without JSON or base64",
)
SILENCE = InputHint(NoteCode.NO_SIGNAL, "the audio holds nothing but zeros: is the microphone muted?")
PACE_S = 4.0
"""Time over which the pace of arriving audio is measured."""
PACES = 3
"""So many times in a row it must be that of another rate."""
PACE_NEAR = 0.04
RATES_HZ = (8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""The rates at which microphones record."""

CLIPPING = InputHint(NoteCode.CLIPPING, "the audio is clipped at full scale: turn the microphone down")


class InputChecks:
    """Looks at a dictation's samples, at the client's rate, second by second; how they are cut does not matter."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._pieces: list[NDArray[np.int16]] = []
        self._waiting = 0
        self._runs: dict[InputHint, int] = {}
        self._told: set[str] = set()
        self._is_silent_so_far = True

    def push(self, samples: NDArray[np.int16]) -> list[InputHint]:
        """Take the next samples; return the problems that they show for the first time."""
        self._pieces.append(samples)
        self._waiting += len(samples)
        if self._waiting < self._rate_hz:
            return []
        audio = np.concatenate(self._pieces)
        whole = len(audio) - len(audio) % self._rate_hz
        self._pieces, self._waiting = [audio[whole:].copy()], len(audio) - whole
        blocks = audio[:whole].reshape(-1, self._rate_hz)
        return [hint for block in blocks for hint in self._check(block)]

    def _check(self, block: NDArray[np.int16]) -> list[InputHint]:
        found = self._find_problem(block)
        for hint, needed in _NEEDED.items():
            self._runs[hint] = self._runs.get(hint, 0) + 1 if hint is found else 0
            if self._runs[hint] >= needed and hint.code not in self._told:
                self._told.add(hint.code)
                return [hint]
        return []

    def _find_problem(self, block: NDArray[np.int16]) -> InputHint | None:
        if not block.any():
            return SILENCE if self._is_silent_so_far else None
        self._is_silent_so_far = False
        if _is_text(block):
            return TEXT
        if _is_float(block):
            return FLOATS
        clipped = np.count_nonzero((block >= CLIPPED_LEVEL) | (block <= -CLIPPED_LEVEL))
        return CLIPPING if clipped > CLIPPED_SHARE * len(block) else None


_NEEDED = {SILENCE: SILENT_BLOCKS, TEXT: BLOCKS, FLOATS: BLOCKS, CLIPPING: BLOCKS}


class PaceCheck:
    """Compares the pace at which audio arrives with the declared rate: what a microphone records comes at its pace."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._since_s: float | None = None
        self._samples = 0
        self._found: int | None = None
        """The rate that the last measurement was near, if it is not the declared one."""
        self._run = 0
        self._is_told = False

    def push(self, samples: int, now_s: float) -> InputHint | None:
        """Count a chunk that has arrived at this moment of a clock that never goes back."""
        if self._since_s is None:
            self._since_s = now_s
            return None
        self._samples += samples
        passed_s = now_s - self._since_s
        if passed_s < PACE_S:
            return None
        found = self._find_rate(self._samples / passed_s)
        self._run = self._run + 1 if found is not None and found == self._found else 1
        self._found, self._since_s, self._samples = found, now_s, 0
        if found is None or self._run < PACES or self._is_told:
            return None
        self._is_told = True
        return InputHint(
            NoteCode.WRONG_RATE,
            f"the audio comes at {found} samples a second, but {self._rate_hz} were declared: if a microphone records"
            f" it, send sample_rate {found}, or resample",
        )

    def _find_rate(self, arriving_hz: float) -> int | None:
        if abs(arriving_hz / self._rate_hz - 1) < PACE_NEAR:
            return None
        return next((rate for rate in RATES_HZ if abs(arriving_hz / rate - 1) < PACE_NEAR), None)


def _is_text(block: NDArray[np.int16]) -> bool:
    """Whether nearly all bytes are printable ASCII."""
    octets = block.view(np.uint8)
    return bool(np.count_nonzero((octets >= 0x20) & (octets < 0x7F)) >= PRINTABLE_SHARE * len(octets))


def _is_float(block: NDArray[np.int16]) -> bool:
    """Whether every other sample is the upper half of a float that audio has, and those between are not."""
    bits = block.view(np.uint16) & 0x7FFF
    fits = (bits >= FLOAT_BITS[0]) & (bits < FLOAT_BITS[1])
    shares = [float(fits[parity::2].mean()) for parity in (0, 1)]
    return max(shares) >= FLOAT_SHARE and min(shares) < FLOAT_SHARE / 2

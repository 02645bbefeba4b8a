"""The speech gate: a cheap detector rejects plain silence, a careful one decides on what passes."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples
from app.providers.vad import WEBRTC_FRAME_SAMPLES as CHEAP_SAMPLES
from app.providers.vad import SileroVad, WebRtcVad
from app.services.audio.endpointing import FRAME_SAMPLES

VadGateName = Literal["webrtc+silero", "silero", "webrtc"]

_HANG_OVER_SAMPLES = 4800
"""The gate stays open for 300 ms after the cheap detector's last hit."""

_HELD_BACK_FRAMES = 10
"""320 ms before the gate opened: the careful detector begins there, so that it knows the onset."""


class VadGate(Protocol):
    """Frames in, speech probabilities out; state belongs to one session."""

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """One probability for each frame of `samples`, which is a whole number of frames."""
        ...


class WebRtcGate:
    """The cheap detector alone: mistakes noise and music for speech, so never the default."""

    def __init__(self) -> None:
        self._cheap = WebRtcVad(mode=3)
        self._voiced: list[bool] = []
        self._done = 0
        self._heard = 0

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        self._voiced += self._cheap.voiced(samples)
        result = []
        for _ in range(len(samples) // FRAME_SAMPLES):
            self._heard += FRAME_SAMPLES
            take = self._heard // CHEAP_SAMPLES - self._done
            result.append(sum(self._voiced[:take]) / take)
            del self._voiced[:take]
            self._done += take
        return np.array(result, np.float32)


class TwoStepGate:
    """Silero behind WebRTC. While the gate is shut Silero does not run, and starts afresh when it opens."""

    def __init__(self) -> None:
        self._cheap = WebRtcVad(mode=0)
        self._careful = SileroVad()
        self._held = np.empty(0, np.int16)
        self._voiced: list[bool] = []
        self._checked = 0
        self._heard = 0
        self._last_hit = -_HANG_OVER_SAMPLES - 1
        self._open = False

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        passes = self._passes(samples)
        result = np.zeros(len(passes), np.float32)
        at = 0
        while at < len(passes):
            stop = at + 1
            while stop < len(passes) and passes[stop] == passes[at]:
                stop += 1
            run = samples[at * FRAME_SAMPLES : stop * FRAME_SAMPLES]
            if passes[at]:
                if not self._open:
                    self._careful.reset()
                    if len(self._held):
                        self._careful.probabilities(self._held)
                result[at:stop] = self._careful.probabilities(run)
            self._open = passes[at]
            self._held = np.concatenate((self._held, run))[-_HELD_BACK_FRAMES * FRAME_SAMPLES :]
            at = stop
        return result

    def _passes(self, samples: Samples) -> list[bool]:
        """For each frame, whether the cheap detector lets it pass."""
        self._voiced += self._cheap.voiced(samples)
        result = []
        for _ in range(len(samples) // FRAME_SAMPLES):
            self._heard += FRAME_SAMPLES
            take = self._heard // CHEAP_SAMPLES - self._checked
            for hit in self._voiced[:take]:
                self._checked += 1
                if hit:
                    self._last_hit = self._checked * CHEAP_SAMPLES
            del self._voiced[:take]
            result.append(self._heard - self._last_hit <= _HANG_OVER_SAMPLES)
        return result


VAD_GATES: dict[VadGateName, Callable[[], VadGate]] = {
    "webrtc+silero": TwoStepGate,
    "silero": SileroVad,
    "webrtc": WebRtcGate,
}

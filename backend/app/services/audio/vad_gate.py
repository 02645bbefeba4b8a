"""The VAD gate: a cheap detector rejects plain silence, an accurate one judges the rest."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples
from app.providers.vad import WEBRTC_FRAME_SAMPLES as WEBRTC_SAMPLES
from app.providers.vad import SileroVad, WebRtcVad
from app.services.audio.endpointing import FRAME_SAMPLES

VadGateName = Literal["webrtc+silero", "silero", "webrtc"]

_HANGOVER_SAMPLES = 4800
"""The gate stays open for 300 ms after the cheap detector's last voiced frame."""

_LOOKBACK_FRAMES = 10
"""The accurate detector begins 320 ms before the gate opened, so that it hears the onset."""


class VadGate(Protocol):
    """Frames in, speech probabilities out; the state belongs to one session."""

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """One probability for each frame of `samples`, which holds whole frames only."""
        ...


class WebRtcGate:
    """WebRTC alone: takes noise and music for speech, so never the default."""

    def __init__(self) -> None:
        self._webrtc = WebRtcVad(mode=3)
        self._voiced: list[bool] = []
        self._done = 0
        self._heard = 0

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        self._voiced += self._webrtc.voiced(samples)
        result = []
        for _ in range(len(samples) // FRAME_SAMPLES):
            self._heard += FRAME_SAMPLES
            take = self._heard // WEBRTC_SAMPLES - self._done
            result.append(sum(self._voiced[:take]) / take)
            del self._voiced[:take]
            self._done += take
        return np.array(result, np.float32)


class TwoStepGate:
    """Silero behind WebRTC. While the gate is shut, Silero does not run; it is reset when the gate opens."""

    def __init__(self) -> None:
        self._webrtc = WebRtcVad(mode=0)
        self._silero = SileroVad()
        self._lookback = np.empty(0, np.int16)
        self._voiced: list[bool] = []
        self._checked = 0
        self._heard = 0
        self._last_voiced = -_HANGOVER_SAMPLES - 1
        self._open = False

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        passes = self._passing_frames(samples)
        result = np.zeros(len(passes), np.float32)
        at = 0
        while at < len(passes):
            stop = at + 1
            while stop < len(passes) and passes[stop] == passes[at]:
                stop += 1
            run = samples[at * FRAME_SAMPLES : stop * FRAME_SAMPLES]
            if passes[at]:
                if not self._open:
                    self._silero.reset()
                    if len(self._lookback):
                        self._silero.probabilities(self._lookback)
                result[at:stop] = self._silero.probabilities(run)
            self._open = passes[at]
            self._lookback = np.concatenate((self._lookback, run))[-_LOOKBACK_FRAMES * FRAME_SAMPLES :]
            at = stop
        return result

    def _passing_frames(self, samples: Samples) -> list[bool]:
        """For each frame, whether WebRTC lets it pass."""
        self._voiced += self._webrtc.voiced(samples)
        result = []
        for _ in range(len(samples) // FRAME_SAMPLES):
            self._heard += FRAME_SAMPLES
            take = self._heard // WEBRTC_SAMPLES - self._checked
            for hit in self._voiced[:take]:
                self._checked += 1
                if hit:
                    self._last_voiced = self._checked * WEBRTC_SAMPLES
            del self._voiced[:take]
            result.append(self._heard - self._last_voiced <= _HANGOVER_SAMPLES)
        return result


VAD_GATES: dict[VadGateName, Callable[[], VadGate]] = {
    "webrtc+silero": TwoStepGate,
    "silero": SileroVad,
    "webrtc": WebRtcGate,
}

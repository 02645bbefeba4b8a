"""Voice activity detectors: Silero v6, and WebRTC's, which finds plain silence at little cost."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Samples

FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64
_STATE = (1, 1, 128)


@lru_cache(maxsize=1)
def _model() -> Any:
    """The ONNX session that all detectors share; its file is in faster-whisper's wheel."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1  # a frame is too small to share among threads: they would only spin
    path = files("faster_whisper") / "assets" / "silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """Silero v6 for one session: keeps the recurrent state, and the last 64 samples as context."""

    def __init__(self) -> None:
        self._model = _model()
        self.reset()

    def reset(self) -> None:
        """Forget all audio."""
        self._h: NDArray[np.float32] = np.zeros(_STATE, np.float32)
        self._c: NDArray[np.float32] = np.zeros(_STATE, np.float32)
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Speech probability of each frame; `samples` is a whole number of frames, shape (n * 512,)."""
        audio: NDArray[Any] = np.concatenate((self._context, samples.astype(np.float32) / 32768))
        self._context = audio[-_CONTEXT_SAMPLES:]
        window = np.lib.stride_tricks.sliding_window_view(audio, FRAME_SAMPLES + _CONTEXT_SAMPLES)[
            ::FRAME_SAMPLES
        ]
        inputs = {"input": np.ascontiguousarray(window), "h": self._h, "c": self._c}
        probabilities, self._h, self._c = self._model.run(None, inputs)
        return np.asarray(probabilities, np.float32).ravel()


def detect_speech(samples: Samples) -> NDArray[np.float32]:
    """Speech probability of each whole frame of audio that stands alone. Blocks: some milliseconds for a second."""
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    return SileroVad().probabilities(samples[:whole]) if whole else np.empty(0, np.float32)


WEBRTC_FRAME_SAMPLES = 160
"""The frame of WebRTC's detector: 10 ms."""

_GAIN = 4
"""12 dB. Without the gain the detector misses speech that peaks below -40 dBFS; with it no frame of it is missed."""


class WebRtcVad:
    """WebRTC's detector for one session. How the audio is cut into pieces does not change its decisions.

    `mode` 0 misses the least speech, which a gate before a better detector needs; 3 is the strictest.
    """

    def __init__(self, mode: int = 0) -> None:
        self._vad = webrtcvad.Vad(mode)
        self._rest = b""

    def voiced(self, samples: Samples) -> list[bool]:
        """Whether there is speech, for each 10 ms frame that `samples` completes."""
        louder = np.clip(samples.astype(np.int32) * _GAIN, -32768, 32767).astype(np.int16).tobytes()
        audio = self._rest + louder
        size = 2 * WEBRTC_FRAME_SAMPLES
        whole = len(audio) - len(audio) % size
        self._rest = audio[whole:]
        is_speech = self._vad.is_speech
        return [is_speech(audio[at : at + size], SAMPLE_RATE_HZ) for at in range(0, whole, size)]

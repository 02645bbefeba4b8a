"""Silero v6, the voice activity detector, with the recurrent state of one session."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
"""Audio before a frame that the detector hears with it."""
FULL_SCALE = 32768
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
    """One detector: how its frames are grouped into calls does not change what it finds."""

    def __init__(self) -> None:
        self._model = _model()
        self._h: NDArray[np.float32] = np.zeros(_STATE, np.float32)
        self._c: NDArray[np.float32] = np.zeros(_STATE, np.float32)

    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Speech probability of each frame.

        `frames` has the shape (n, CONTEXT_SAMPLES + FRAME_SAMPLES): each begins with the end of the one before it; full
        scale 1.
        """
        inputs = {"input": frames, "h": self._h, "c": self._c}
        probabilities, self._h, self._c = self._model.run(None, inputs)
        return np.asarray(probabilities, np.float32).ravel()


def frame_audio(samples: Samples, context: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole frames of audio as the detector wants them; `context` is the end of the audio before them."""
    audio = samples.reshape(-1, FRAME_SAMPLES)
    frames = np.empty((len(audio), CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
    np.divide(audio, FULL_SCALE, out=frames[:, CONTEXT_SAMPLES:], dtype=np.float32)
    frames[0, :CONTEXT_SAMPLES] = context
    frames[1:, :CONTEXT_SAMPLES] = frames[:-1, FRAME_SAMPLES:]
    return frames


def detect_speech(samples: Samples) -> NDArray[np.float32]:
    """Speech probability of each whole frame of audio that stands alone. Blocks: some milliseconds for a second."""
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    if not whole:
        return np.empty(0, np.float32)
    return SileroVad().probabilities(frame_audio(samples[:whole], np.zeros(CONTEXT_SAMPLES, np.float32)))

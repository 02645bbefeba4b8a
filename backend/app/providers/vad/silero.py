"""Silero v6: is this frame speech? One shared model, a small state for each session."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.providers.base import Samples

FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64
_STATE = (1, 1, 128)


@lru_cache(maxsize=1)
def _model() -> Any:
    """The ONNX session that all states share; faster-whisper's wheel carries the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1  # a frame is too small to share out; threads would only spin
    path = files("faster_whisper") / "assets" / "silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """One session's detector: keeps the recurrent state and the last 64 samples as context."""

    def __init__(self) -> None:
        self._model = _model()
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
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

"""FLAC of mono PCM16: small pieces in memory, and a file that is written while its samples come. PyAV."""

import errno
import io

import numpy as np

from app.providers.media.encoder import AudioEncoder, make_encoder

_TOTAL_AT = slice(21, 26)
"""The bytes of the header whose last 36 bits are the number of samples."""
_TOTAL_BITS = 36
_SLICE_BYTES = 9216
"""A block of FLAC: PyAV holds Python's lock for as long as it encodes one call."""


class FlacCodec:
    """Whole pieces, for what is kept on disk. Its methods block."""

    def encode(self, pcm: bytes, rate_hz: int) -> bytes:
        """Compress samples without loss."""
        encoder = make_encoder("flac", rate_hz)
        parts = [encoder.push(pcm[at : at + _SLICE_BYTES]) for at in range(0, len(pcm), _SLICE_BYTES)]
        return b"".join(parts) + encoder.finish()

    def decode(self, data: bytes) -> bytes:
        """The samples as they were.

        Raises:
            OSError: it is no FLAC, or is damaged.
        """
        import av  # heavy, and not needed until somebody wants to hear something

        try:
            with av.open(io.BytesIO(data), "r", format="flac") as file:
                frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        except av.error.FFmpegError as error:
            raise OSError(errno.EIO, "kept audio is damaged") from error
        return np.concatenate(frames, axis=1).astype("<i2", copy=False).tobytes() if frames else b""


class FlacFile:
    """A file whose length is known before its samples: players show it. Its methods block for milliseconds."""

    def __init__(self, rate_hz: int, samples: int) -> None:
        self._encoder: AudioEncoder = make_encoder("flac", rate_hz)
        self._samples = samples
        self._is_begun = False

    def push(self, pcm: bytes) -> bytes:
        """The bytes of the file that are complete."""
        return self._complete(self._encoder.push(pcm))

    def finish(self) -> bytes:
        """The end of the file."""
        return self._complete(self._encoder.finish())

    def _complete(self, data: bytes) -> bytes:
        if self._is_begun or len(data) < _TOTAL_AT.stop:
            return data
        self._is_begun = True
        head = int.from_bytes(data[_TOTAL_AT], "big") >> _TOTAL_BITS << _TOTAL_BITS | self._samples
        return data[: _TOTAL_AT.start] + head.to_bytes(5, "big") + data[_TOTAL_AT.stop :]

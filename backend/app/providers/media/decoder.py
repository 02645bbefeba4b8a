"""Decodes one recording to 16 kHz, in a process of its own that ends with it, and mixes its channels to one."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE
from types import TracebackType
from typing import BinaryIO, Self

import anyio
import anyio.to_thread
import numpy as np
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from app.core.errors import AudioNotReadable, MessageTooBig
from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.providers.media import worker
from app.providers.media.formats import KNOWN, Container, sniff
from app.utils.channels import ChannelMixer

STALL_S = 30.0
"""A decoder that sends nothing for this long hangs; a second of audio takes milliseconds."""

_BROKE = "the file is not readable: it broke its decoder"
_KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR", "TEMP", "TMP")
"""The part of the environment that Python needs: no key and no setting reaches the process."""


class RecordingDecoder:
    """`async with RecordingDecoder(file, longest_s) as decoder: while (block := await decoder.block()) is not None`.

    The process reads the file through its own handle. The file must have a descriptor, and stays the caller's. A
    process is cheap (0.1 s, 30 MB), and a hostile file harms only its own.
    """

    def __init__(self, file: BinaryIO, longest_s: float) -> None:
        self._file = file
        self._longest_s = longest_s
        self._container: Container | None = None
        self._process: Process | None = None
        self._output: BufferedByteReceiveStream
        self._mixer = ChannelMixer(1, SAMPLE_RATE_HZ)
        self._channels = 1
        self._done = False
        self.duration_s: float | None = None
        """The length that the file claims, which may be wrong; known from the first block on, if at all."""

    async def __aenter__(self) -> Self:
        """Start the process.

        Raises:
            AudioNotReadable: the file is none of the known containers.
        """
        self._container = await anyio.to_thread.run_sync(_on_disk, self._file)
        if self._container is None:
            raise _unreadable("the file is no recording that can be read")
        job = worker.Job(
            demuxer=self._container.demuxer,
            longest_s=self._longest_s,
            begin=self._container.begin,
            patches=[(place, right.hex()) for place, right in self._container.patches],
        )
        self._process = await anyio.open_process(
            [sys.executable, "-P", worker.__file__, json.dumps(asdict(job))],
            stdin=self._file,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_environment(os.environ),
            cwd=tempfile.gettempdir(),
            start_new_session=True,  # Ctrl-C is for the server alone
        )
        output = self._process.stdout
        assert isinstance(output, ByteReceiveStream)
        self._output = BufferedByteReceiveStream(output)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End the process at once."""
        if self._process is None:
            return
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            await self._process.aclose()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def block(self) -> Samples | None:
        """About the next second of audio, or less at the end; None after the last block.

        Raises:
            AudioNotReadable: it cannot be decoded, or not within the limits of time and memory.
            MessageTooBig: it is too long.
        """
        while not self._done:
            kind, body = await self._message()
            if kind == worker.PCM:
                return await self._mix(body)
            if kind == worker.DONE:
                self._done = True
                return self._mixer.flush()
            if kind == worker.ABOUT:
                self.duration_s = _duration(body)
                # A WAV that was written to a pipe claims two gigabytes; other containers claim what they hold.
                if not self._is_wav and (self.duration_s or 0) > self._longest_s:
                    raise self._too_long()
            elif kind == worker.TOO_LONG:
                raise self._too_long()
            else:
                raise _unreadable(body.decode())
        return None

    @property
    def _is_wav(self) -> bool:
        return self._container is not None and self._container.demuxer == "wav"

    async def _mix(self, body: bytes) -> Samples:
        """The samples of a message as one channel."""
        channels = body[0]
        if channels == self._channels == 1:
            return np.frombuffer(body, np.int16, offset=1)
        rest = np.empty(0, np.int16)
        if channels != self._channels:
            rest = self._mixer.flush()
            self._mixer, self._channels = ChannelMixer(channels, SAMPLE_RATE_HZ), channels
        block = np.frombuffer(body, np.int16, offset=1).reshape(channels, -1)
        # Weighing channels takes some milliseconds.
        mixed = await anyio.to_thread.run_sync(self._mixer.push, block)
        return np.concatenate((rest, mixed))

    def _too_long(self) -> MessageTooBig:
        return MessageTooBig(
            f"a recording lasts at most {self._longest_s:g} s (limits.upload_s); send it in parts",
            param="file",
        )

    async def _message(self) -> tuple[bytes, bytes]:
        try:
            with anyio.fail_after(STALL_S):
                head = await self._output.receive_exactly(worker.HEAD.size)
                kind, size = worker.HEAD.unpack(head)
                if size > worker.BLOCK_BYTES:
                    raise _unreadable(_BROKE)
                return kind, await self._output.receive_exactly(size) if size else b""
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            raise _unreadable(_BROKE) from None
        except TimeoutError:
            raise _unreadable(
                f"the file is not readable: its decoder gave nothing for {STALL_S:g} s"
            ) from None


def _unreadable(why: str) -> AudioNotReadable:
    return AudioNotReadable(f"{why}; expected {KNOWN}", param="file")


def _on_disk(file: BinaryIO) -> Container | None:
    """Write the file to disk, so that another process can read it; return its container."""
    file.fileno()  # a spooled file goes to disk only now
    file.flush()
    return sniff(file)


def _duration(body: bytes) -> float | None:
    duration_s = json.loads(body)["duration_s"]
    return float(duration_s) if duration_s and 0 < duration_s < 1e7 else None


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if name.upper() in _KEPT}
    spec = find_spec("av")
    origin = spec.origin if spec else None
    return kept | ({"PYTHONPATH": str(Path(origin).resolve().parents[1])} if origin else {})


assert worker.RATE_HZ == SAMPLE_RATE_HZ, "the engines' rate"

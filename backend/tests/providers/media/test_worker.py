"""The decoder process: what it sends, what it refuses, and what it may reach."""

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AudioNotReadable
from app.providers.media import worker
from tests.conftest import SAMPLES, read_wav
from tests.support.recordings import decode_recording, encode, make_video

SAID, RATE_HZ = read_wav(SAMPLES / "en_reverse_list_16k.wav")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the limits of other systems are fewer")


def decode_here(recording: bytes, container: str) -> tuple[bytes, list[Any]]:
    """What the process would send, without the process."""
    reports: list[Any] = []
    pieces = worker.decode_pcm(io.BytesIO(recording), container, reports.append)
    return b"".join(channel for [channel] in pieces), reports


def test_audio_comes_as_16_khz_mono_and_the_claimed_length_before_it() -> None:
    pcm, reports = decode_here(encode(SAID, RATE_HZ, "wav", out_hz=16_000), "wav")
    assert pcm == SAID.tobytes()
    assert [report["duration_s"] for report in reports] == [pytest.approx(len(SAID) / RATE_HZ, abs=0.01)]


def test_a_change_of_rate_in_the_middle_goes_on() -> None:
    pcm, _ = decode_here(encode(SAID, RATE_HZ, "mp3") + encode(SAID, RATE_HZ, "mp3", out_hz=44_100), "mp3")
    assert len(pcm) / 2 == pytest.approx(2 * len(SAID), rel=0.05)


@pytest.mark.parametrize(
    ("recording", "container", "reason"),
    [
        (make_video(), "mov", "holds no sound"),
        (
            encode(np.zeros(1600, np.int16), 16_000, "wav", out_hz=16_000).replace(
                struct.pack("<I", 16_000), struct.pack("<I", 4_000_000), 1
            ),
            "wav",
            "not usual",
        ),
    ],
    ids=["a video", "4 MHz"],
)
def test_what_is_no_usual_recording_is_refused(recording: bytes, container: str, reason: str) -> None:
    with pytest.raises(worker.DecodingRefused, match=reason):
        decode_here(recording, container)


BEGIN = f"""
import sys
sys.path.insert(0, {str(Path(worker.__file__).parent)!r})
import os, socket
import worker
worker._warm_up()
worker.limit(20)
def say(kind, body=b""):
    os.write(1, worker.HEAD.pack(kind, len(body)) + body)
"""


@LINUX
@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "open('/tmp/prompter-was-here', 'w')",
        "socket.socket()",
        "os.dup(0)",
        "os.pipe()",
        "bytearray(2 << 30)",
    ],
)
async def test_the_process_can_reach_nothing(script: Callable[[str], None], attempt: str) -> None:
    """No file, no socket, no gigabytes: even code that took over the decoder would stand there."""
    script(
        BEGIN
        + f"try:\n    {attempt}\n    say(worker.DONE)\nexcept (OSError, MemoryError) as error:\n"
        + "    say(worker.REFUSED, type(error).__name__.encode())\n"
    )
    with pytest.raises(AudioNotReadable, match=r"OSError|MemoryError|FileNotFoundError"):
        await decode_recording(encode(SAID, RATE_HZ, "wav"))


@LINUX
async def test_a_process_that_spins_is_ended(script: Callable[[str], None]) -> None:
    script(BEGIN.replace("limit(20)", "limit(0)") + "while True: pass\n")
    with pytest.raises(AudioNotReadable, match="broke its decoder"):
        await decode_recording(encode(SAID, RATE_HZ, "wav"))


async def test_the_process_gets_no_key_of_the_server(
    script: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTER_LLM__OPENAI_COMPAT__API_KEY", "sk-canary")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    script(
        "import os, struct\nsaid = ' '.join([*os.environ, *os.environ.values()]).encode()\n"
        "os.write(1, struct.pack('!cI', b'R', len(said)) + said)\n"
    )
    with pytest.raises(AudioNotReadable) as caught:
        await decode_recording(encode(SAID, RATE_HZ, "wav"))
    assert "PATH" in caught.value.message
    assert "canary" not in caught.value.message
    assert "OPENAI" not in caught.value.message


def test_a_block_has_a_second_of_each_channel() -> None:
    sent: list[bytes] = []

    def send(kind: bytes, body: bytes) -> None:
        assert kind == worker.PCM
        sent.append(body)

    blocks = worker.BlockWriter(send)
    for channels, samples in ((2, 10_000), (2, 10_000), (1, 40_000), (1, 1)):
        blocks.push([memoryview(bytes([number]) * 2 * samples) for number in range(channels)])
    blocks.flush()
    assert [(body[0], (len(body) - 1) // 2 // body[0]) for body in sent] == [
        (2, 16_000),
        (2, 4000),
        (1, 16_000),
        (1, 16_000),
        (1, 8001),
    ]
    assert sent[0] == b"\x02" + bytes(32_000) + b"\x01" * 32_000
    assert blocks.samples == 60_001
    assert max(len(body) for body in sent) <= worker.BLOCK_BYTES


@given(
    st.binary(max_size=60), st.integers(0, 20), st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=8)))
)
def test_a_patched_file_reads_like_one_that_was_written_so(
    data: bytes, begin: int, patches: list[tuple[int, bytes]]
) -> None:
    right = bytearray(data)
    for place, patch in patches:
        fits = patch[: max(len(data) - place, 0)]
        right[place : place + len(fits)] = fits
    file = worker.PatchedFile(io.BytesIO(data), begin, patches)
    assert file.seek(0, 2) == len(data) - begin
    assert file.seek(0) == file.tell() == 0
    parts = list(iter(lambda: file.read(7), b""))
    assert b"".join(parts) == bytes(right[begin:])

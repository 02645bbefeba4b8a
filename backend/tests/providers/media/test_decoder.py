"""Recordings are decoded whole; hostile files cost themselves and nobody else."""

import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from typing import BinaryIO, cast

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import AudioNotReadable, MessageTooBig, PrompterError
from app.providers.base import Samples
from app.providers.media import decoder as decoding
from app.providers.media.decoder import RecordingDecoder
from tests.conftest import SAMPLES, read_wav
from tests.support.recordings import (
    FORMS,
    RARE_FORMS,
    decode_recording,
    encode,
    make_silent_flac,
    make_video,
    measure_similarity,
)

SAID, RATE_HZ = read_wav(SAMPLES / "en_reverse_list_16k.wav")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the limits of other systems are fewer")


def aligned(heard: Samples) -> float:
    """Likeness to what was said; codecs may begin some frames late or early."""
    late = max(measure_similarity(heard[shift:], SAID) for shift in range(0, 2560, 160))
    return max([late, *(measure_similarity(heard, SAID[shift:]) for shift in range(160, 960, 160))])


@pytest.mark.parametrize("form", FORMS)
async def test_every_container_is_heard_from_its_first_to_its_last_word(form: str) -> None:
    heard = await decode_recording(encode(SAID, RATE_HZ, form))
    assert -0.02 < (len(heard) - len(SAID)) / 16_000 < 0.1
    assert aligned(heard) > 0.99


@pytest.mark.parametrize("form", RARE_FORMS)
async def test_what_phones_and_recorders_write_is_heard(form: str) -> None:
    heard = await decode_recording(encode(SAID, RATE_HZ, form))
    assert -0.02 < (len(heard) - len(SAID)) / 16_000 < 0.1
    assert aligned(heard) > 0.94


@pytest.mark.parametrize("before", [bytes(3000), b"ID3\x04\x00\x00\x00\x7f\x7f\x7f", bytes(range(256)) * 400])
async def test_bytes_before_the_first_frame_cost_no_word(before: bytes) -> None:
    assert aligned(await decode_recording(before + encode(SAID, RATE_HZ, "mp3"))) > 0.98


@pytest.mark.parametrize("out_hz", [8000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
async def test_rates_and_channels(out_hz: int, layout: str) -> None:
    heard = await decode_recording(encode(SAID, RATE_HZ, "wav", out_hz=out_hz, layout=layout))
    assert abs(len(heard) - len(SAID)) < 320
    assert aligned(heard) > (0.97 if out_hz == 8000 else 0.99)


def place(*channels: Samples) -> bytes:
    """A WAV whose channels are these."""
    return wav(0, np.stack(channels, axis=1).tobytes(), channels=len(channels))


NOISE = np.random.default_rng(5).normal(0, 30, len(SAID)).astype(np.int16)
SILENT = np.zeros_like(SAID)
CHANNELS = {
    "the same": (SAID, SAID),
    "one inverted": (SAID, -SAID),
    "the first inverted and louder": (-SAID, SAID // 2),
    "the right one silent": (SAID, SILENT),
    "the left one noise": (NOISE, SAID),
    "three samples late": (SAID, np.roll(SAID, 3)),
    "twenty samples late": (SAID, np.roll(SAID, 20)),
    "six, one spoken": (SILENT, NOISE, SAID, SILENT, NOISE, NOISE),
    "twelve": (SILENT,) * 5 + (SAID,) + (SILENT,) * 6,
}


@pytest.mark.parametrize("name", CHANNELS)
async def test_no_channel_cancels_or_hides_another(name: str) -> None:
    heard = await decode_recording(place(*CHANNELS[name]))
    assert len(heard) == len(SAID)
    assert aligned(heard) > 0.96
    assert np.abs(heard.astype(int)).mean() > 0.6 * np.abs(SAID.astype(int)).mean()


async def test_two_speakers_in_two_channels_are_both_heard() -> None:
    """One after the other, and the second again while the first goes on."""
    half = len(SAID) // 2
    first, second = SAID.copy(), SAID[::-1].copy()
    first[half:], second[:half] = 0, 0
    heard = await decode_recording(place(first, second))
    assert measure_similarity(heard, first + second) > 0.97
    both = await decode_recording(place(SAID, SAID[::-1].copy()))
    loud = [float(np.corrcoef(both, each)[0, 1]) for each in (SAID, SAID[::-1])]
    assert min(loud) > 0.5


async def test_more_channels_in_the_middle_go_on() -> None:
    mono, stereo = (encode(SAID, RATE_HZ, "mp3", layout=layout) for layout in ("mono", "stereo"))
    assert len(await decode_recording(mono + stereo)) == pytest.approx(2 * len(SAID), rel=0.05)


async def test_sixteen_kilohertz_pass_as_they_are() -> None:
    heard = await decode_recording(encode(SAID, RATE_HZ, "wav", out_hz=16_000))
    assert np.array_equal(heard, SAID)


async def test_a_name_is_not_believed() -> None:
    """What an m4a calls itself does not matter here: there is no name at all."""
    assert len(await decode_recording(encode(SAID, RATE_HZ, "m4a"))) > 50_000


# -- what is no recording


def wav(data_bytes: int, sound: bytes, *, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, 2 * rate_hz & 0xFFFFFFFF, 2 * channels & 0xFFFF, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 0x7FFFFFFF, b"WAVE", b"fmt ", 16)
        + form
        + struct.pack("<4sI", b"data", data_bytes)
        + sound
    )


HOSTILE = {
    "empty": b"",
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "zip": b"PK\x03\x04" + bytes(1000),
    "only_a_wav_head": wav(0x7FFFFFFF, b""),
    "wav_of_4_ghz": wav(100, bytes(100), rate_hz=4_000_000_000),
    "wav_of_no_hertz": wav(100, bytes(100), rate_hz=0),
    "wav_of_65535_channels": wav(100, bytes(100), channels=65_535),
    "video": make_video(),
    "truncated_mp4": encode(SAID, RATE_HZ, "mp4")[:2000],
    "mkv_of_nothing": b"\x1aE\xdf\xa3" + bytes(5000),
    "mp3_of_nothing": b"\xff\xfb\x90\x64" + b"\x00" * 5000,
    "ogg_of_nothing": b"OggS" + b"\xff" * 5000,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_recording_is_told_so(name: str) -> None:
    with pytest.raises(AudioNotReadable) as caught:
        await decode_recording(HOSTILE[name])
    assert "expected wav, mp3" in caught.value.message
    assert caught.value.param == "file"


async def test_a_wav_that_claims_two_gigabytes_gives_what_it_holds() -> None:
    heard = await decode_recording(wav(0x7FFFFFFF, SAID.tobytes()))
    assert np.array_equal(heard, SAID)


@pytest.mark.parametrize("claimed", [0, 2, 4096, 2 * len(SAID) - 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
async def test_a_size_that_was_never_rewritten_hides_nothing(claimed: int) -> None:
    assert np.array_equal(await decode_recording(wav(claimed, SAID.tobytes())), SAID)


async def test_chunks_behind_the_samples_are_not_heard() -> None:
    notes = struct.pack("<4sI", b"LIST", 4000) + b"INFO" + bytes(3996)
    assert np.array_equal(await decode_recording(wav(2 * len(SAID), SAID.tobytes() + notes)), SAID)


@pytest.mark.parametrize("form", ["rf64.wav", "aiff"])
async def test_sizes_of_other_containers_that_were_never_rewritten(form: str) -> None:
    data = bytearray(encode(SAID, RATE_HZ, form, out_hz=16_000))
    if form == "aiff":
        data[4:8] = bytes(4)
        at = data.index(b"SSND") + 4
        data[at : at + 4] = bytes(4)
    else:
        at = data.index(b"ds64") + 16
        data[at : at + 8] = struct.pack("<Q", 4096)
    assert np.array_equal(await decode_recording(bytes(data)), SAID)


@pytest.mark.parametrize("form", ["webm", "ogg", "mp3", "flac", "fragmented.mp4", "aac"])
async def test_what_a_broken_upload_left_is_heard(form: str) -> None:
    """A recording that ends in the middle gives its first half."""
    data = encode(SAID, RATE_HZ, form)
    heard = await decode_recording(data[: len(data) * 3 // 4])
    assert len(heard) > len(SAID) // 3


async def test_damage_in_the_middle_costs_what_it_hit() -> None:
    data = bytearray(encode(SAID, RATE_HZ, "mp3"))
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xaa" * 400
    assert len(await decode_recording(bytes(data))) > 0.8 * len(SAID)


async def test_hours_of_silence_in_little_are_too_long() -> None:
    bomb = make_silent_flac(36_000)
    assert len(bomb) < 200_000
    with pytest.raises(MessageTooBig, match=r"limits\.upload_s"):
        await decode_recording(bomb, longest_s=60)


async def test_a_length_that_is_claimed_is_refused_at_once() -> None:
    began_s = time.process_time()
    with pytest.raises(MessageTooBig):
        await decode_recording(encode(np.tile(SAID, 20), RATE_HZ, "m4a"), longest_s=30)
    assert time.process_time() - began_s < 5


@settings(max_examples=15)
@given(st.sampled_from(["webm", "ogg", "mp4", "mp3", "flac", "wav", "aac"]), st.data())
def test_random_damage_never_breaks_more_than_its_file(form: str, data: st.DataObject) -> None:
    """Bytes at random places, and random bytes behind a true head: text or a refusal, never anything else."""
    recording = bytearray(encode(SAID[:8000], RATE_HZ, form))
    for _ in range(data.draw(st.integers(1, 30))):
        at = data.draw(st.integers(12, len(recording) - 1))
        recording[at] = data.draw(st.integers(0, 255))

    async def tried() -> None:
        try:
            heard = await decode_recording(bytes(recording), longest_s=30)
        except (AudioNotReadable, MessageTooBig):
            return
        assert heard.dtype == np.int16

    anyio.run(tried)


# -- what the process may do


async def test_a_process_that_hangs_is_ended(
    script: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "STALL_S", 0.5)
    script("import time\ntime.sleep(60)\n")
    with anyio.fail_after(10):
        with pytest.raises(AudioNotReadable, match="gave nothing"):
            await decode_recording(encode(SAID, RATE_HZ, "wav"))


@pytest.mark.parametrize("end", ["os.abort()", "os._exit(3)", "os.write(1, b'x' * 100)"])
async def test_a_crash_is_a_file_that_cannot_be_read(script: Callable[[str], None], end: str) -> None:
    script(f"import os\n{end}\n")
    with pytest.raises(AudioNotReadable, match="broke its decoder"):
        await decode_recording(encode(SAID, RATE_HZ, "wav"))


@LINUX
async def test_a_playlist_in_a_recordings_clothes_connects_to_nobody() -> None:
    """Forced to be read as what its head says, whatever addresses it holds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.mp3".encode()
        for head in (b"\xff\xfb\x90\x64", b"OggS", b"\x1aE\xdf\xa3", b"RIFF\x00\x00\x00\x00WAVE", b"fLaC"):
            with pytest.raises(PrompterError):
                await decode_recording(head + b"\n#EXTM3U\n#EXTINF:1,\n" + address + b"\n" + bytes(200))
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_whoever_stops_ends_the_process() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(make_silent_flac(3600))
        async with RecordingDecoder(cast("BinaryIO", file), 1e6) as decoder:
            assert await decoder.block() is not None
            process = decoder._process
        assert process is not None
        assert process.returncode is not None

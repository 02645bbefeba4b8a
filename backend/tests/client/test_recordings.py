"""Recordings of every usual kind come out as PCM16 mono, whole, also through a pipe."""

import gc
import io
import struct
import wave
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from app.client.errors import AudioError
from app.client.recordings import CHUNK_MS, open_pipe, open_recording, read_wav_header
from tests.conftest import SAMPLES, read_wav

WAVS = sorted(SAMPLES.glob("*.wav"))
COMPRESSED = {"mp3": "mp3", "flac": "flac", "ogg": "libopus", "webm": "libopus", "m4a": "aac"}


def encode(path: Path, codec: str, pcm: NDArray[np.int16], rate_hz: int) -> Path:
    """Write samples as a compressed file."""
    coded_hz = 48_000 if codec == "libopus" else rate_hz
    with av.open(path, "w") as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=coded_hz, layout="mono"))
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=coded_hz)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate_hz
        fifo = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size) or fifo.read(size, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def test_there_are_samples() -> None:
    assert len(WAVS) >= 9


@pytest.mark.parametrize("path", WAVS, ids=lambda path: path.stem)
def test_a_plain_wav_is_passed_on_as_it_is(path: Path) -> None:
    """Its own rate, every sample, in chunks of 100 ms."""
    samples, rate_hz = read_wav(path)
    source = open_recording(path)
    chunks = list(source.chunks)
    assert source.sample_rate == rate_hz
    assert b"".join(chunks) == samples.tobytes()
    assert {len(chunk) for chunk in chunks[:-1]} == {2 * rate_hz * CHUNK_MS // 1000}
    assert source.audio_ms == len(samples) * 1000 // rate_hz


@pytest.mark.parametrize("claimed", [0, 2, 4096, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_wav_whose_size_was_never_written_is_read_to_its_end(tmp_path: Path, claimed: int) -> None:
    data = bytearray(WAVS[0].read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", claimed)
    path = tmp_path / "killed.wav"
    path.write_bytes(data)
    source = open_recording(path)
    samples, rate_hz = read_wav(WAVS[0])
    assert b"".join(source.chunks) == samples.tobytes()
    assert source.audio_ms == len(samples) * 1000 // rate_hz


def list_open_files(path: Path) -> list[io.FileIO]:
    """The file objects on this path that nobody has closed."""
    files = [each for each in gc.get_objects() if type(each) is io.FileIO]
    return [file for file in files if not file.closed and Path(str(file.name)) == path]


def test_a_wav_is_not_open_between_two_chunks() -> None:
    """A caller may stop at any chunk and closes nothing: the file must not wait for the garbage collector."""
    path = SAMPLES / "en_weather_madrid_48k.wav"
    source = open_recording(path)
    first = next(source.chunks)
    assert list_open_files(path) == []
    assert first + b"".join(source.chunks) == read_wav(path)[0].tobytes()


def test_a_wav_that_disappears_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gone.wav"
    path.write_bytes((SAMPLES / "en_weather_madrid_48k.wav").read_bytes())
    source = open_recording(path)
    next(source.chunks)
    path.unlink()
    with pytest.raises(AudioError, match=r"cannot read '.*gone\.wav': no such file"):
        list(source.chunks)


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_recordings_are_decoded(tmp_path: Path, suffix: str) -> None:
    """16 kHz mono, as long as the original but for the codec's own padding, and the same sound."""
    samples, rate_hz = read_wav(SAMPLES / "en_weather_madrid_48k.wav")
    source = open_recording(encode(tmp_path / f"speech.{suffix}", COMPRESSED[suffix], samples, rate_hz))
    decoded = np.frombuffer(b"".join(source.chunks), np.int16)
    assert source.sample_rate == 16_000
    spoken_ms = len(samples) * 1000 / rate_hz
    assert len(decoded) / 16 == pytest.approx(spoken_ms, abs=120)
    assert source.audio_ms == pytest.approx(spoken_ms, abs=120)
    loudness = np.sqrt(np.mean(decoded.astype(float) ** 2)) / np.sqrt(np.mean(samples.astype(float) ** 2))
    assert loudness == pytest.approx(1, abs=0.1)


def wav_bytes(
    samples: NDArray[np.int16], rate_hz: int, channels: int = 1, data_bytes: int | None = None
) -> bytes:
    """A WAV with a chunk that nobody needs in front, and any length in its header."""
    data = samples.tobytes()
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16)
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    size = len(data) if data_bytes is None else data_bytes
    parts = note + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + parts + data


@pytest.mark.parametrize("told_bytes", [None, 0, 0xFFFFFFFF, 0x80000000])
def test_a_wav_through_a_pipe(told_bytes: int | None) -> None:
    """Recorders that write to a pipe do not know the length."""
    samples = np.arange(-4000, 4000, dtype=np.int16)
    source = open_pipe(io.BytesIO(wav_bytes(samples, 22_050, data_bytes=told_bytes)), 16_000)
    assert source.sample_rate == 22_050
    assert b"".join(source.chunks) == samples.tobytes()


def test_what_follows_the_sound_is_not_sound() -> None:
    samples = np.arange(1000, dtype=np.int16)
    source = open_pipe(io.BytesIO(wav_bytes(samples, 16_000) + b"LIST\4\0\0\0tags"), 16_000)
    assert b"".join(source.chunks) == samples.tobytes()


def test_a_stereo_wav_through_a_pipe_is_mixed() -> None:
    tone = (8000 * np.sin(np.arange(16_000) / 8)).astype(np.int16)
    source = open_pipe(io.BytesIO(wav_bytes(np.repeat(tone, 2), 16_000, channels=2)), 8000)
    mixed = np.frombuffer(b"".join(source.chunks), np.int16)
    assert source.sample_rate == 16_000
    assert len(mixed) == len(tone)
    assert np.abs(mixed.astype(int) - tone).max() < 200


def test_a_flac_through_a_pipe_is_decoded(tmp_path: Path) -> None:
    samples, rate_hz = read_wav(SAMPLES / "en_reverse_list_16k.wav")
    path = encode(tmp_path / "speech.flac", "flac", samples, rate_hz)
    assert b"".join(open_pipe(io.BytesIO(path.read_bytes()), 8000).chunks) == samples.tobytes()


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2" * 5000], ids=["nothing", "one byte", "a second"])
def test_other_bytes_through_a_pipe_are_raw_audio(data: bytes) -> None:
    source = open_pipe(io.BytesIO(data), 8000)
    assert source.sample_rate == 8000
    assert b"".join(source.chunks) == data


def test_what_is_no_audio_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a sound")
    with pytest.raises(AudioError, match=r"'.*notes\.txt' is no audio; expected wav, mp3"):
        list(open_recording(text).chunks)
    with pytest.raises(AudioError, match=r"cannot read '.*gone\.wav': no such file"):
        open_recording(tmp_path / "gone.wav")


@pytest.mark.parametrize("cut", [0, 11, 19, 40])
def test_a_header_that_breaks_off_is_no_header(cut: int) -> None:
    whole = wav_bytes(np.zeros(10, np.int16), 16_000)
    assert read_wav_header(io.BytesIO(whole)) is not None
    assert read_wav_header(io.BytesIO(whole[:cut])) is None


@pytest.mark.parametrize("gain", [1, -1, 0], ids=["equal", "inverted", "silent"])
def test_no_channel_of_a_recording_cancels_another(tmp_path: Path, gain: int) -> None:
    """An average of the channels is silent where one is inverted."""
    voice, rate_hz = read_wav(SAMPLES / "en_weather_madrid_48k.wav")
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.stack([voice, gain * voice], axis=1).astype(np.int16).tobytes())
    alone = tmp_path / "alone.flac"
    encode(alone, "flac", voice, rate_hz)
    mixed, whole = (
        np.frombuffer(b"".join(open_recording(each).chunks), np.int16).astype(float) for each in (path, alone)
    )
    assert len(mixed) == len(whole)
    assert np.abs(mixed - whole).max() < 0.01 * np.abs(whole).max()

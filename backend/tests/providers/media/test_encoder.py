"""Audio files that are written while their samples come: every format, its first bytes, and what a player hears."""

import io
import wave

import numpy as np
import pytest

from app.providers.media.encoder import MEDIA_TYPES, SPOKEN_RATE_HZ, SpokenFormat, make_encoder
from tests.support.recordings import decode_recording, measure_similarity

SECONDS = 3
TIMES_S = np.arange(SECONDS * SPOKEN_RATE_HZ) / SPOKEN_RATE_HZ
TONE = (9000 * np.sin(2 * np.pi * 300 * TIMES_S) * (np.sin(7 * TIMES_S) > 0)).astype(np.int16)
"""Beeps."""


def encode(form: SpokenFormat, step: int = 4801) -> list[bytes]:
    encoder = make_encoder(form)
    return [
        *(encoder.push(TONE[at : at + step].tobytes()) for at in range(0, len(TONE), step)),
        encoder.finish(),
    ]


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav"])
async def test_a_player_hears_what_was_spoken(form: SpokenFormat) -> None:
    heard = await decode_recording(b"".join(encode(form)))
    assert len(heard) / 16_000 == pytest.approx(SECONDS, abs=0.15)
    assert measure_similarity(TONE[::3].copy(), heard[::2].copy()) > 0.75  # some formats begin late


@pytest.mark.parametrize(
    ("form", "first"),
    [("mp3", b"\xff"), ("opus", b"OggS"), ("aac", b"\xff"), ("flac", b"fLaC"), ("wav", b"RIFF")],
)
def test_it_begins_before_it_ends(form: SpokenFormat, first: bytes) -> None:
    pieces = encode(form)
    assert b"".join(pieces).startswith(first)
    sizes = np.cumsum([len(piece) for piece in pieces])
    assert sizes[len(sizes) // 2] > 0.3 * sizes[-1]


def test_raw_samples_are_as_they_came() -> None:
    assert b"".join(encode("pcm")) == TONE.tobytes()


def test_players_read_a_wav_of_unknown_length_to_its_end() -> None:
    raw = b"".join(encode("wav"))
    with wave.open(io.BytesIO(raw)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SPOKEN_RATE_HZ, 1, 2)
    assert raw[44:] == TONE.tobytes()


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_nothing_to_say_is_a_file_too(form: SpokenFormat) -> None:
    assert isinstance(make_encoder(form).finish(), bytes)

"""Audio that is recorded while it is sent: in frames of one length, from where the server needs it, within a bound."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.client.recorded_audio import RecordedAudio
from app.client.unsent import MOST_S, Recording, UnsentSpeech

FRAME = 1600
"""Bytes of 50 ms."""


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    start = {"type": "start", "config": {}}
    return UnsentSpeech(tmp_path).create(url="http://here", owner="", rate_hz=16_000, start=start)


async def speak(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)


async def read(audio: RecordedAudio) -> list[bytes]:
    return [frame async for frame in audio.frames()]


def number(n: int) -> bytes:
    return bytes([n]) * FRAME


async def test_frames_have_one_length_however_the_chunks_are_cut(recording: Recording) -> None:
    audio = RecordedAudio(recording)
    reading = asyncio.ensure_future(read(audio))
    whole = b"".join(number(n) for n in range(5))[:-100]
    await audio.record(speak(whole[:7], whole[7:3000], whole[3000:]))
    assert await reading == [number(0), number(1), number(2), number(3), number(4)[:-100]]


async def test_a_session_is_resumed_at_its_frame_also_by_another_process(recording: Recording) -> None:
    await RecordedAudio(recording).record(speak(*map(number, range(6))))
    audio = RecordedAudio(recording)
    audio.acknowledge(4)
    assert await read(audio) == [number(4), number(5)]


async def test_a_server_that_has_a_part_gets_what_follows(recording: Recording) -> None:
    """It has 3.5 frames, and the times of its session begin at the second one."""
    audio = RecordedAudio(recording)
    await audio.record(speak(*map(number, range(6))))
    audio.acknowledge(5)
    audio.go_on(3 * FRAME + FRAME // 2, FRAME)
    sent = b"".join(await read(audio))
    assert sent == b"".join(number(n) for n in range(6))[3 * FRAME + FRAME // 2 :]
    audio.settle(100)  # two frames of the new session, which began at the second
    assert (audio.told_ms, recording.left_bytes) == (150, 3 * FRAME)
    assert [audio.has_from(position) for position in (0, 3 * FRAME)] == [False, True]


async def test_what_a_server_has_is_known_to_a_later_process(recording: Recording) -> None:
    audio = RecordedAudio(recording)
    await audio.record(speak(*map(number, range(4))))
    audio.note_dictation("d", 2 * FRAME)
    later = RecordedAudio(recording)
    assert (later.origin_ms, recording.progress.dictation_id) == (100, "d")


async def test_there_is_room_for_an_hour_and_the_last_minute_is_told(recording: Recording) -> None:
    second = bytes(32_000)
    audio = RecordedAudio(recording, others_s=MOST_S - 62)
    told: list[tuple[float, str | None]] = []
    audio.on_limit = lambda name: told.append((recording.to_s(recording.left_bytes), name))
    await audio.record(speak(*[second] * 4))
    assert told == [(2, "recording")]
    recording.progress.is_over = False
    audio.settle(3000)
    await audio.record(speak(*[second] * 100))
    assert told[1:] == [(62, "full")]
    assert recording.to_s(recording.left_bytes) == 62
    assert audio.is_at_end


async def test_a_bound_that_is_far_again_is_taken_back(recording: Recording) -> None:
    audio = RecordedAudio(recording, others_s=MOST_S - 100)
    told: list[str | None] = []
    audio.on_limit = told.append
    await audio.record(speak(bytes(41 * 32_000)))
    recording.progress.is_over = False
    audio.settle(10_000)
    await audio.record(speak(bytes(32_000)))
    assert told == ["recording"]
    recording.progress.is_over = False
    audio.settle(30_000)
    await audio.record(speak(bytes(32_000)))
    assert told == ["recording", None]


async def test_a_microphone_that_fails_is_known(recording: Recording) -> None:
    async def fail() -> AsyncIterator[bytes]:
        yield number(1)
        raise OSError("the microphone is gone")

    audio = RecordedAudio(recording)
    with pytest.raises(OSError, match="is gone"):
        await audio.record(fail())
    assert isinstance(audio.failure, OSError)
    assert await read(audio) == [number(1)]

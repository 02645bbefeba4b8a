"""One live speaker against a real server: paced audio, timed events, errors kept with their code."""

import numpy as np

from app.bench.speaker import SessionOptions, list_finals, speak
from app.client.prompt_client import PromptClient

STUB = SessionOptions(provider="cloud_stub")


async def test_live_audio_arrives_at_the_pace_of_speech(server: str) -> None:
    """Chunk n of 100 ms is answered after about n times 100 ms; three chunks make a final of the mock."""
    async with PromptClient(server) as client:
        log = await speak(client, np.zeros(4800, np.int16), STUB, tail_s=0.3)
    assert log.failure is None
    finals = list_finals(log)
    assert [data["text"] for _, data in finals] == [
        "(mock) transcripción final #1",
        "(mock) transcripción final #2",
    ]
    assert 400 <= finals[1][0] <= 3000
    times = [at_ms for at_ms, _ in log.events]
    assert times == sorted(times)


async def test_a_refused_session_says_why(server: str) -> None:
    async with PromptClient(server) as client:
        log = await speak(client, np.zeros(1600, np.int16), SessionOptions(provider="nobody"), live=False)
    assert log.refused
    assert log.failure == "unknown_provider"
    assert "no speech provider" in log.reason
    assert list_finals(log) == []

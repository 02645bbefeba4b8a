"""openai-python at the Realtime socket: server VAD and commits, English and Spanish, client secrets."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.realtime.conversation_item_input_audio_transcription_completed_event import (
    ConversationItemInputAudioTranscriptionCompletedEvent as Completed,
)
from openai.types.realtime.conversation_item_input_audio_transcription_delta_event import (
    ConversationItemInputAudioTranscriptionDeltaEvent as Delta,
)

from tests.clients.conftest import CLIENT_KEY
from tests.support.speech_client import load_speech, make_silence

SAID = {
    "en_weather_madrid_48k": ("What is the weather like in Madrid today?", "en"),
    "es_correo_jefe_16k": ("Escribe un correo para mi jefe.", "es"),
}
QUERY = {"intent": "transcription"}


def recorded(name: str, silence_s: float = 0.0) -> bytes:
    return load_speech(24_000, name).tobytes() + make_silence(silence_s, 24_000).tobytes()


def session(**given: Any) -> Any:
    return {
        "type": "transcription",
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24_000}, **given}},
    }


@pytest.fixture
async def client(prompter: str, recording: Path) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=prompter, api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


async def append(connection: Any, pcm: bytes) -> None:
    for at in range(0, len(pcm), 4800):
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + 4800]).decode())


async def hear(connection: Any) -> tuple[Completed, list[str]]:
    """The next transcript, and the types of the events up to it, deltas once."""
    kinds: list[str] = []
    told = ""
    with anyio.fail_after(60):
        async for event in connection:
            assert event.type != "error", event
            if isinstance(event, Delta):
                told += event.delta or ""
            if not kinds or kinds[-1] != event.type:
                kinds.append(event.type)
            if isinstance(event, Completed):
                assert told == event.transcript
                return event, kinds
    raise AssertionError("the socket closed before the transcript")


@pytest.mark.parametrize("name", SAID)
async def test_the_server_ends_turns(client: AsyncOpenAI, name: str) -> None:
    text, language = SAID[name]
    async with client.realtime.connect(extra_query=QUERY) as connection:
        await connection.session.update(
            session=session(
                transcription={"model": "gpt-4o-transcribe", "language": language},
                turn_detection={"type": "server_vad", "silence_duration_ms": 500},
            )
        )
        await append(connection, recorded(name, 1.0))
        completed, kinds = await hear(connection)
        assert completed.transcript == text
        assert [each.code for each in completed.languages or ()] == [language]
        assert completed.usage.type == "duration"
        assert kinds[:3] == ["session.created", "session.updated", "input_audio_buffer.speech_started"]
        assert [kind for kind in kinds if "transcription.delta" not in kind][3:] == [
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.completed",
        ]


@pytest.mark.parametrize("name", SAID)
async def test_the_client_commits(client: AsyncOpenAI, name: str) -> None:
    text, language = SAID[name]
    async with client.realtime.connect(extra_query=QUERY) as connection:
        await connection.session.update(
            session=session(transcription={"model": "gpt-live-transcribe", "languages": [language]})
        )
        for _ in range(2):
            await append(connection, recorded(name))
            await connection.input_audio_buffer.commit()
            completed, kinds = await hear(connection)
            assert completed.transcript == text
            assert "input_audio_buffer.speech_started" not in kinds


async def test_mistakes_are_errors_with_the_event_s_id(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(extra_query=QUERY) as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.input_audio_buffer.commit(event_id="mine")
        event = await connection.recv()
        assert event.type == "error"
        assert (event.error.code, event.error.event_id) == ("input_audio_buffer_commit_empty", "mine")
        await connection.input_audio_buffer.clear()
        assert (await connection.recv()).type == "input_audio_buffer.cleared"


async def test_a_client_secret_in_place_of_a_key(client: AsyncOpenAI, prompter: str) -> None:
    made = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session=session(turn_detection=None, transcription={"language": "en"}),
    )
    assert made.value.startswith("ek_")
    async with (
        AsyncOpenAI(base_url=prompter, api_key=made.value) as page,
        page.realtime.connect(extra_query=QUERY) as connection,
    ):
        await append(connection, recorded("en_weather_madrid_48k"))
        await connection.input_audio_buffer.commit()
        completed, _ = await hear(connection)
        assert completed.transcript == SAID["en_weather_madrid_48k"][0]


@pytest.mark.filterwarnings(
    "ignore:connect\\(\\) must be used:DeprecationWarning"
)  # OpenAI's package does that
async def test_the_blocking_client(prompter: str, recording: Path) -> None:
    def work() -> str:
        with (
            OpenAI(base_url=prompter, api_key=CLIENT_KEY) as client,
            client.realtime.connect(model="gpt-realtime", extra_query=QUERY) as connection,
        ):
            connection.session.update(session=session(turn_detection=None))
            pcm = recorded("en_weather_madrid_48k")
            connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
            connection.input_audio_buffer.commit()
            for event in connection:
                assert event.type != "error", event
                if isinstance(event, Completed):
                    return event.transcript
        raise AssertionError("the socket closed before the transcript")

    assert await anyio.to_thread.run_sync(work) == SAID["en_weather_madrid_48k"][0]

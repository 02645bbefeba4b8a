"""Random messages at the Realtime socket: no crash, no fault in the log, nothing held afterwards."""

import asyncio
import base64
import json
import os
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.realtime_client import RealtimeClient, check_event, connect_realtime_client
from tests.support.server import serve_engine
from tests.support.speech_client import load_speech, wait_until

MESSAGES = int(os.environ.get("PROMPTER_TEST_FUZZ_MESSAGES", "1500"))
"""20,000 for a long run."""
SOCKETS = 10

VALUES: list[Any] = [
    None, True, False, 0, -1, 1e308, 0.5, 500, 24_000, "", "x", "null", "é\u0000", "es", "whisper-1", "huge", [], {},
    ["es"], [None], {"type": "x"}, "a" * 5000, 10**30,
]  # fmt: skip
FIELDS = [
    "type", "rate", "model", "language", "languages", "keywords", "prompt", "threshold", "eagerness",
    "silence_duration_ms", "prefix_padding_ms", "include", "audio", "input", "format", "transcription",
    "turn_detection", "noise_reduction",
]  # fmt: skip
KINDS = [
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
    "response.create", "response.cancel", "conversation.item.create", "start", "stop", "ping", "auth", "resume",
    7, None,
]  # fmt: skip
FORMATS = [
    {"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcm", "rate": 16_000}, {"type": "audio/pcmu"},
    {"type": "audio/pcma"}, {"type": "audio/opus"},
]  # fmt: skip
TURNS = [
    None,
    {"type": "server_vad"},
    {"type": "semantic_vad", "eagerness": "high"},
    {"type": "server_vad", "threshold": 2},
]


def wild(dice: random.Random, depth: int = 0) -> Any:
    if depth > 3 or dice.random() < 0.5:
        return dice.choice(VALUES)
    return {dice.choice(FIELDS): wild(dice, depth + 1) for _ in range(dice.randrange(4))}


def sound(dice: random.Random, speech: bytes) -> str:
    at = dice.randrange(len(speech))
    data = dice.choice(
        [speech[at : at + dice.randrange(1, 60_000)], bytes(dice.randrange(48_000)), dice.randbytes(99)]
    )
    return base64.b64encode(data).decode()


def message(dice: random.Random, speech: bytes) -> str | bytes:
    """One message: most are nearly right, which goes deeper than noise."""
    match dice.randrange(20):
        case 0:
            return dice.choice(["", "{", "null", "[]", '"x"', "\ufffd", '{"type":"session.update"', "NaN"])
        case 1:
            return dice.randbytes(dice.randrange(200))
        case 2 | 3:
            more = wild(dice)
            body: dict[str, Any] = {"type": dice.choice(KINDS), **(more if isinstance(more, dict) else {})}
        case 4 | 5 | 6:
            given = {
                "format": dice.choice(FORMATS),
                "turn_detection": dice.choice(TURNS),
                "transcription": wild(dice),
            }
            kept = {name: value for name, value in given.items() if dice.random() < 0.4}
            body = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": kept}}}
        case 7:
            body = {"type": "session.update", "session": wild(dice)}
        case 8 | 9:
            body = {"type": "input_audio_buffer.commit"}
        case 10:
            body = {"type": "input_audio_buffer.clear"}
        case 11:
            body = {"type": "input_audio_buffer.append", "audio": wild(dice)}
        case _:
            body = {"type": "input_audio_buffer.append", "audio": sound(dice, speech)}
    if dice.random() < 0.3:
        body["event_id"] = dice.choice(VALUES)
    return json.dumps(body)


async def read(client: RealtimeClient) -> dict[str, int]:
    """Check every event until the socket closes; how many items were committed and came to an end."""
    items: dict[str, int] = {}
    try:
        while True:
            event = json.loads(await client.connection.recv())
            check_event(event)
            if event["type"] == "input_audio_buffer.committed":
                items[event["item_id"]] = 0
            elif event["type"].endswith(("transcription.completed", "transcription.failed")):
                items[event["item_id"]] += 1
    except ConnectionClosed:
        return items


async def attack(url: str, seed: int, messages: int, speech: bytes) -> None:
    """Send random messages, then ask for a last transcript, so that all before it have been handled."""
    dice = random.Random(seed)
    async with connect_realtime_client(url) as client:
        reading = asyncio.create_task(read(client))
        try:
            for _ in range(messages):
                await client.connection.send(message(dice, speech))
            await client.send("input_audio_buffer.clear")
        except ConnectionClosed:
            pass
        if dice.random() < 0.5:
            client.connection.transport.abort()
        else:
            await client.connection.close()
        items = await asyncio.wait_for(reading, 60)
    assert all(ends <= 1 for ends in items.values()), "an item ends once"


@pytest.mark.timeout(1800)
async def test_random_messages_break_nothing() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words, final=guess_words, languages=None))
    speech = load_speech(24_000).tobytes()
    with serve_engine(engine) as served:
        each = 50
        for round_ in range(MESSAGES // (each * SOCKETS)):
            async with asyncio.TaskGroup() as group:
                for number in range(SOCKETS):
                    group.create_task(attack(served.url, round_ * SOCKETS + number, each, speech))
        await wait_until(lambda: served.resources.sockets.open == 0 and served.connections == 0, 15)
        assert served.resources.sessions.dictating == 0
        assert engine.all_closed
        assert served.resources.sessions.waiting == 0
        assert not [line for line in served.troubles if line.startswith("ERROR")]

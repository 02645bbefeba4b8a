"""What an operator sees: metrics that add up, receipts that match the wire, two log lines a socket and no secrets."""

import asyncio
import re
import time
from typing import Any

import httpx2
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from app.core.errors import EngineFailed
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    load_speech,
    make_silence,
    wait_until,
)

SECRET = "the midnight password"
CHUNK = 1600
CHUNK_MS = 100
SLACK_MS = 250
"""A busy machine's event loop, on top of the chunk in which the silence ends, and of how late this one was."""
TICK_S = 0.02


def metrics(served: RunningServer) -> dict[str, float]:
    """Every sample of /metrics, labels in their order of the alphabet."""
    with httpx2.Client(trust_env=False) as client:
        answer = client.get(f"{served.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert SECRET not in answer.text
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def speak_live(
    client: SpeechClient, silence_s: float = 1.2
) -> tuple[float, list[tuple[float, dict[str, Any]]], float]:
    """A sentence in real time; when its first sample was spoken, each event with its moment (s), and how long the
    machine kept the loop waiting beyond what was asked, in all (ms)."""
    samples = np.concatenate((load_speech(), make_silence(silence_s)))
    came: list[tuple[float, dict[str, Any]]] = []
    began_s = time.monotonic()

    async def listen() -> None:
        while True:
            event = await client.event()
            came.append((time.monotonic(), event))
            if event["type"] == "final":
                return

    late_ms = 0.0

    async def note_lateness() -> None:
        nonlocal late_ms
        while True:
            asked_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            late_ms += (time.monotonic() - asked_s - TICK_S) * 1000

    listening, noting = asyncio.create_task(listen()), asyncio.create_task(note_lateness())
    for at in range(0, len(samples), CHUNK):
        await asyncio.sleep(max(0.0, began_s + (at + CHUNK) / 16_000 - time.monotonic()))
        await client.audio(samples[at : at + CHUNK].tobytes())
    await asyncio.wait_for(listening, 60)
    noting.cancel()
    return began_s, came, late_ms


def engine(**script: Any) -> FakeEngine:
    return FakeEngine(Script(hypothesis=guess_words, final=lambda _: SECRET, **script))


async def test_the_parts_of_a_final_are_what_its_client_waited() -> None:
    """Endpoint, queue and decode together are the time from the end of speech to the final on the wire."""
    with serve_engine(engine(delays_s={"finish": 0.15})) as served:
        async with connect_speech_client(served.url) as client:
            await client.start()
            began_s, came, late_ms = await speak_live(client)
            at_s, final = came[-1]
            timing = final["timing"]
            waited_ms = (at_s - began_s) * 1000 - timing["speech_end_ms"]
            parts_ms = timing["endpoint_ms"] + timing["queue_ms"] + timing["decode_ms"]
            assert timing["endpoint_ms"] >= 600
            assert timing["queue_ms"] + timing["decode_ms"] >= 150
            assert -5 <= waited_ms - parts_ms <= CHUNK_MS + SLACK_MS + late_ms
            found = metrics(served)
    assert found['prompter_end_of_speech_to_final_seconds_sum{provider="fake"}'] * 1000 == parts_ms
    assert found['prompter_endpoint_seconds_sum{provider="fake"}'] * 1000 == timing["endpoint_ms"]
    first_s = next(moment for moment, event in came if event["type"] == "partial") - began_s
    assert 0 < found['prompter_time_to_first_partial_seconds_sum{provider="fake"}'] < first_s
    lag_s = found['prompter_partial_lag_seconds_sum{provider="fake"}']
    count = found['prompter_partial_lag_seconds_count{provider="fake"}']
    assert count >= 1
    assert 0 <= lag_s / count <= (CHUNK_MS + SLACK_MS + late_ms) / 1000


async def test_sessions_utterances_and_errors_are_counted() -> None:
    with serve_engine(engine()) as served:
        before = metrics(served)
        assert before["prompter_sessions_open"] == 0
        async with connect_speech_client(served.url) as client:
            await client.start()
            assert metrics(served)["prompter_sessions_open"] == 1
            await client.audio(np.concatenate((load_speech(), make_silence(1))).tobytes())
            await client.audio(b"\0", 99)
            await client.stop()
            await client.start()
            await client.stop()
        found = metrics(served)
    assert found["prompter_sessions_open"] == 0
    assert found['prompter_sessions_total{provider="fake"}'] == 2
    assert found['prompter_utterances_total{provider="fake"}'] == 1
    assert found['prompter_errors_total{code="invalid_sample_rate"}'] == 1
    assert "process_cpu_seconds_total" in found


async def test_an_engine_that_fails_is_counted_with_its_utterance() -> None:
    with serve_engine(engine(failures={"finish": EngineFailed("it broke")})) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["utterance_discarded"])
            await client.audio(np.concatenate((load_speech(), make_silence(1))).tobytes())
            await client.until_closed()
        found = metrics(served)
    assert found['prompter_utterances_discarded_total{provider="fake",reason="engine_error"}'] == 1
    assert found['prompter_errors_total{code="engine_failed"}'] == 1


def list_socket_lines(served: RunningServer) -> list[str]:
    return [line for line in served.log if "app.api.speech_socket" in line]


async def test_a_socket_has_two_log_lines_that_say_nothing_private() -> None:
    with serve_engine(engine()) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(session_id=SECRET)
            await client.audio(np.concatenate((load_speech(), make_silence(1))).tobytes())
            await client.send("dance")
            await client.stop()
        await wait_until(lambda: len(list_socket_lines(served)) >= 2)
    assert SECRET not in "".join(served.log)
    opened, closed = list_socket_lines(served)
    request = re.fullmatch(r"INFO app\.api\.speech_socket: socket opened id=([0-9a-f]{32})", opened)
    assert request
    fields = dict(
        part.split("=") for part in closed.removeprefix("INFO app.api.speech_socket: socket closed ").split()
    )
    assert fields.pop("id") == request[1]
    assert float(fields.pop("seconds")) < 20
    assert 3 < float(fields.pop("audio_s")) < 5
    assert fields == {
        "code": "1000", "resumed": "false", "dictations": "1", "finals": "1", "discarded": "0", "errors": "1",
    }  # fmt: skip


async def test_a_client_that_is_torn_off_leaves_its_line_too() -> None:
    with serve_engine(engine()) as served:
        async with connect_speech_client(served.url) as client:
            await client.start()
            client.connection.transport.abort()
        await wait_until(lambda: len(list_socket_lines(served)) >= 2)
    assert re.search("code=100[56]", list_socket_lines(served)[1])

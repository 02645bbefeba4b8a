"""`kill -9` in the middle of a sentence: what had arrived becomes text, once, with its client or without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.client.events import Event as ClientEvent
from app.client.prompt_client import PromptClient
from tests.conftest import SAMPLES, read_wav
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import ServerProcess, run_server_process_at
from tests.support.speech_client import Event, SpeechClient, connect_speech_client

pytestmark = pytest.mark.once

RECORDING = SAMPLES / "en_two_requests_16k.wav"
CHUNK = 3200
"""Bytes of 100 ms."""
ARRIVED_S = 5.4
"""In the middle of the second sentence."""
PAUSED_S = 4.2
"""After the first sentence, but too early for its end to be known."""
SILENCE = bytes(2 * 32_000)
WRITTEN_S = 20.0


def said() -> str:
    return RECORDING.with_suffix(".txt").read_text(encoding="utf-8").strip()


def pcm() -> bytes:
    samples, rate_hz = read_wav(RECORDING)
    assert rate_hz == 16_000
    return samples.tobytes()


@asynccontextmanager
async def serve(folder: Path, *, resume_s: float, port: int = 0) -> AsyncIterator[ServerProcess]:
    settings = {
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
        "PROMPTER_LIMITS__RESUME_S": str(resume_s),
    }
    async with run_server_process_at(port, folder, **settings) as server:
        yield server


async def send(client: SpeechClient, audio: bytes) -> None:
    for at in range(0, len(audio), CHUNK):
        await client.connection.send(audio[at : at + CHUNK])


async def dictate_until_killed(folder: Path, *, resume_s: float, stores: bool = True) -> Event:
    """Say a sentence and a half; kill the server when it holds that on disk and has stored the sentence.

    Without `stores` it dies at the very moment at which the final arrives, which is a quarter of a second too early.
    """
    async with serve(folder, resume_s=resume_s) as server, connect_speech_client(server.url) as client:
        ready = await say_a_sentence_and_a_half(server, client, stores=stores)
        with anyio.fail_after(WRITTEN_S):
            while not list_spool(folder):  # noqa: ASYNC110  # a busy machine may hear sooner than it writes
                await anyio.sleep(0.01)
        server.kill()
    return ready


async def say_a_sentence_and_a_half(
    server: ServerProcess, client: SpeechClient, *, stores: bool = True
) -> Event:
    """`ready`, with `told_ms`: where the final of the sentence ends."""
    ready = await client.start(events=["ack"], endpointing="conversation")
    assert (ready["spooled"], ready["base_ms"]) == (True, 0)
    await send(client, pcm()[: int(PAUSED_S * 32_000)])
    await wait_until_safe(client, PAUSED_S)  # else a busy server dies without a byte on disk
    await send(client, pcm()[int(PAUSED_S * 32_000) : int(ARRIVED_S * 32_000)])
    with anyio.fail_after(WRITTEN_S):
        while not any(event["type"] == "final" for event in client.events):
            await client.event()
        if stores:
            async with server.client() as http:
                await http.get("/api/dictations")  # waits for what is not stored yet
            await wait_until_safe(client, ARRIVED_S)
    [final] = [event for event in client.events if event["type"] == "final"]
    return {**ready, "told_ms": final["end_ms"]}


async def wait_until_safe(client: SpeechClient, heard_s: float) -> None:
    """Wait until what was said until then is on the server's disk."""
    with anyio.fail_after(WRITTEN_S):
        while (await client.until("ack"))[-1]["safe_ms"] < heard_s * 1000:
            pass


async def list_finals(url: str, dictation_id: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        found: list[dict[str, Any]] = (await http.get(f"/api/dictations/{dictation_id}")).json()["items"]
        return found


async def wait_for_state(url: str, dictation_id: str, *states: str) -> dict[str, Any]:
    """The dictation once it is in one of these states."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        with anyio.fail_after(WRITTEN_S):
            while True:
                told: dict[str, Any] = (await http.get(f"/api/dictations/{dictation_id}")).json()
                if told["state"] in states:
                    return told
                await anyio.sleep(0.1)


def list_spool(folder: Path) -> list[Path]:
    return [path for path in (folder / "data" / "spool").rglob("*") if path.suffix == ".pcm"]


async def wait_until_empty(folder: Path) -> None:
    with anyio.fail_after(WRITTEN_S):
        while list_spool(folder):  # noqa: ASYNC110  # another process deletes it
            await anyio.sleep(0.1)


async def test_without_its_client_it_is_recovered(tmp_path: Path) -> None:
    ready = await dictate_until_killed(tmp_path, resume_s=0.2)
    assert list_spool(tmp_path)
    async with serve(tmp_path, resume_s=0.2) as server:
        await wait_until_empty(tmp_path)
        finals = await list_finals(server.url, ready["dictation_id"])
        assert [final["recovered"] for final in finals] == [False, True]
        text = " ".join(final["text"] for final in finals)
        assert text.startswith("Open the terminal and run all the tests again. Tell me what")
        assert finals[1]["start_ms"] >= finals[0]["end_ms"] - 500
        told = await wait_for_state(server.url, ready["dictation_id"], "kept")
        assert told["audio"]["ms"] == ARRIVED_S * 1000


async def test_a_client_that_comes_back_sends_only_what_follows(tmp_path: Path) -> None:
    before = await dictate_until_killed(tmp_path, resume_s=30)
    async with serve(tmp_path, resume_s=30) as server, connect_speech_client(server.url) as client:
        told = await wait_for_state(server.url, before["dictation_id"], "interrupted")
        assert (told["audio"], told["finals"]) == (None, 1)
        ready = await client.start(
            events=["ack"], endpointing="conversation", continues_dictation=before["dictation_id"]
        )
        assert ready["dictation_id"] == before["dictation_id"]
        assert ready["safe_ms"] == int(ARRIVED_S * 1000)
        await send(client, pcm()[ready["safe_ms"] * 32 :] + SILENCE)
        await wait_for_state(server.url, before["dictation_id"], "recording")
        await client.stop()
        assert [event["text"] for event in client.events if event["type"] == "final"] == [
            "Tell me what this error message means."
        ]
        finals = await list_finals(server.url, ready["dictation_id"])
        assert " ".join(final["text"] for final in finals) == said()
        assert not any(final["recovered"] for final in finals)
        await wait_until_empty(tmp_path)
        told = await wait_for_state(server.url, ready["dictation_id"], "kept")
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as http:
            whole = (await http.get(f"/api/dictations/{ready['dictation_id']}/audio")).content
        assert whole[44:] == pcm() + SILENCE  # of both sessions, each sample once
        assert told["audio"]["ms"] == len(pcm() + SILENCE) // 32


async def test_a_client_that_comes_late_is_told_what_was_recovered(tmp_path: Path) -> None:
    before = await dictate_until_killed(tmp_path, resume_s=0.2)
    async with serve(tmp_path, resume_s=0.2) as server:
        await wait_until_empty(tmp_path)
        async with connect_speech_client(server.url) as client:
            ready = await client.start(
                events=["ack"], endpointing="conversation", continues_dictation=before["dictation_id"]
            )
            assert ready["safe_ms"] == int(ARRIVED_S * 1000)
            final = (await client.until("final"))[-1]
            assert final["text"].startswith("Tell me what")
            await client.stop()
            assert len(await list_finals(server.url, ready["dictation_id"])) == 2
        async with connect_speech_client(server.url) as client:
            ready = await client.start(continues_dictation=before["dictation_id"])
            assert (ready["safe_ms"], ready["dictation_id"] != before["dictation_id"]) == (None, True)


def list_texts(client: SpeechClient) -> list[str]:
    return [event["text"] for event in client.events if event["type"] == "final"]


async def go_on(client: SpeechClient, before: Event, *, told_ms: int) -> Event:
    """Send what follows, in a session that goes on with the one before; the `ready` of it."""
    ready = await client.start(
        endpointing="conversation", continues_dictation=before["dictation_id"], told_ms=told_ms
    )
    assert ready["dictation_id"] == before["dictation_id"]
    arrived_ms = ready["base_ms"] + ready["safe_ms"] - ready["from_ms"]
    await send(client, pcm()[arrived_ms * 32 :] + SILENCE)
    await client.stop()
    return ready


SENTENCES = ("Open the terminal and run all the tests again.", "Tell me what this error message means.")


async def test_what_was_told_and_not_stored_is_stored_and_not_told_again(tmp_path: Path) -> None:
    """A final reaches its client a quarter of a second before the database has it."""
    before = await dictate_until_killed(tmp_path, resume_s=30, stores=False)
    async with serve(tmp_path, resume_s=30) as server, connect_speech_client(server.url) as client:
        await go_on(client, before, told_ms=before["told_ms"])
        assert list_texts(client) == [SENTENCES[1]]
        finals = await list_finals(server.url, before["dictation_id"])
        assert tuple(final["text"] for final in finals) == SENTENCES


async def test_what_was_stored_and_not_told_is_told(tmp_path: Path) -> None:
    """The line broke off before the final came, and then the server died."""
    before = await dictate_until_killed(tmp_path, resume_s=30)
    async with serve(tmp_path, resume_s=30) as server, connect_speech_client(server.url) as client:
        await go_on(client, before, told_ms=0)
        assert tuple(list_texts(client)) == SENTENCES
        finals = await list_finals(server.url, before["dictation_id"])
        assert tuple(final["text"] for final in finals) == SENTENCES


async def test_what_comes_once_more_does_not_come_a_third_time(tmp_path: Path) -> None:
    """A final of the session that broke off has its end: the client that crashes again says that it has it."""
    before = await dictate_until_killed(tmp_path, resume_s=30)
    async with serve(tmp_path, resume_s=30) as server:
        async with connect_speech_client(server.url) as crashed:
            ready = await crashed.start(
                endpointing="conversation", continues_dictation=before["dictation_id"], told_ms=0
            )
            final = (await crashed.until("final"))[-1]
            assert final["text"] == SENTENCES[0]
        async with connect_speech_client(server.url) as client:
            await go_on(client, before, told_ms=ready["base_ms"] + final["end_ms"])
            assert list_texts(client) == [SENTENCES[1]]


@pytest.mark.parametrize("loss", ["gone", "half-open", "late"])
async def test_a_client_that_crashed_goes_on_with_a_server_that_did_not(tmp_path: Path, loss: str) -> None:
    """It knows the dictation, and no token. Its session still waits, seems to have it, or is over."""
    resume_s = 0.2 if loss == "late" else 30
    async with serve(tmp_path, resume_s=resume_s) as server, connect_speech_client(server.url) as first:
        before = await say_a_sentence_and_a_half(server, first)
        if loss != "half-open":
            first.connection.transport.abort()
        if loss == "late":
            await wait_until_empty(tmp_path)
        async with connect_speech_client(server.url) as client:
            ready = await go_on(client, before, told_ms=before["told_ms"])
            if loss == "late":  # the sentence was ended when its client did not come
                assert ready["safe_ms"] == ready["from_ms"]
                assert list_texts(client)[0].startswith("Tell me what")
            else:
                assert list_texts(client) == [SENTENCES[1]]
        finals = await list_finals(server.url, before["dictation_id"])
        assert finals[0]["text"] == SENTENCES[0]
        assert len(finals) == len(list_texts(client)) + 1
        await wait_until_empty(tmp_path)


async def test_our_own_client_goes_on_by_itself(tmp_path: Path, reserved_port: int) -> None:
    """The server is killed in mid-sentence and another one answers at the same address."""
    audio = pcm() + SILENCE
    kills: list[ServerProcess] = []

    async def speak() -> AsyncIterator[bytes]:
        for at in range(0, len(audio), CHUNK):
            if at == int(ARRIVED_S * 10) * CHUNK:
                while not any(event.type == "final" for event in events):  # noqa: ASYNC110  # it has no other sign
                    await anyio.sleep(0.05)
                await anyio.sleep(0.5)  # until the rest is on disk
                kills.pop().kill()
            yield audio[at : at + CHUNK]

    events: list[ClientEvent] = []

    async def dictate(url: str) -> None:
        async with PromptClient(url) as client:
            async for event in client.dictate(speak(), endpointing="conversation"):
                events.append(event)  # noqa: PERF401  # others look at them meanwhile

    async with anyio.create_task_group() as tasks:
        async with serve(tmp_path, resume_s=30, port=reserved_port) as server:
            kills.append(server)
            tasks.start_soon(dictate, server.url)
            with anyio.fail_after(WRITTEN_S):
                while server.process.poll() is None:  # noqa: ASYNC110  # another process ends
                    await anyio.sleep(0.05)
        async with serve(tmp_path, resume_s=30, port=reserved_port) as server:
            with anyio.fail_after(WRITTEN_S):
                while not events or events[-1].type != "stopped":  # noqa: ASYNC110  # it has no other sign
                    await anyio.sleep(0.05)
            dictations = {event.data["dictation_id"] for event in events if event.type == "ready"}
            assert len(dictations) == 1
            finals = await list_finals(server.url, dictations.pop())
            assert " ".join(final["text"] for final in finals) == said()
    told = [event.text for event in events if event.type == "final"]
    assert " ".join(told) == said()


async def test_nothing_is_left_on_disk_when_all_is_told(tmp_path: Path) -> None:
    async with serve(tmp_path, resume_s=30) as server:
        async with connect_speech_client(server.url) as client:
            await client.start(events=["ack"])
            await send(client, pcm() + SILENCE)
            while not (await client.until("ack"))[-1]["safe_ms"]:
                pass
            assert list_spool(tmp_path)
            await client.stop()
        await wait_until_empty(tmp_path)
        async with connect_speech_client(server.url) as client:
            ready = await client.start(events=["ack"], store=False)
            assert (ready["spooled"], ready["dictation_id"]) == (False, None)
            await send(client, pcm() + SILENCE)
            assert (await client.until("ack"))[-1]["safe_ms"] is None
            await client.stop()
        assert not list_spool(tmp_path)

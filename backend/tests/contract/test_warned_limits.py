"""No limit bites without warning: a client that speaks is told of each one before, and when it is no longer near."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from app.storage.audio_spool import FileSpool
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.server import serve_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    make_silence,
    make_speech_without_pauses,
)

CHUNK_S = 0.1


async def until_limit(client: SpeechClient, name: str | None) -> int:
    """Wait until this limit is told, or that none is near; how much time it leaves (s)."""
    while True:
        limit = (await client.until("status"))[-1]["limit"]
        if limit is None or limit["name"] == name:
            assert (None if limit is None else limit["name"]) == name
            return 0 if limit is None else int(limit["left_s"])


async def test_the_longest_dictation_is_told_before_it_ends(clean_environment: None) -> None:
    with serve_engine(FakeEngine(), limits={"session_s": 20}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status"])
            await client.audio(make_silence(3).tobytes())
            assert 17 <= await until_limit(client, "session") <= 20
            await client.audio(make_silence(18).tobytes())
            assert await client.until_closed() == 1008
    assert client.events[-1]["code"] == "session_too_long"


async def test_a_raw_engine_tells_it_too(clean_environment: None) -> None:
    with serve_engine(FakeEngine(), limits={"session_s": 20}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(provider="cloud_stub", events=["status"])
            await client.audio(make_silence(3).tobytes())
            assert 17 <= await until_limit(client, "session") <= 20


async def test_whoever_asks_for_no_status_gets_none(clean_environment: None) -> None:
    with serve_engine(FakeEngine(), limits={"session_s": 2}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["ack"])
            await client.audio(make_silence(1).tobytes())
            await client.until("ack")
    assert {event["type"] for event in client.events} == {"ready", "ack"}


async def test_a_speaker_is_told_that_the_server_falls_behind_and_that_it_has_caught_up(
    clean_environment: None,
) -> None:
    gate = Gate()
    speech = make_speech_without_pauses(2.6).tobytes()
    with serve_engine(FakeEngine(Script(gates={"accept": gate})), limits={"backlog_s": 4}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status"], endpointing="manual")
            step = int(CHUNK_S * 32_000)
            for at in range(0, len(speech), step):  # as fast as a microphone gives it
                await client.audio(speech[at : at + step])
                await anyio.sleep(CHUNK_S)
            assert await until_limit(client, "backlog") <= 2
            gate.open()
            await until_limit(client, None)


async def test_a_share_of_the_disk_is_told_before_it_is_used_and_once_it_is_free_again(
    clean_environment: None,
) -> None:
    """1 MB are 31 s: what has no final yet takes it."""
    with serve_engine(FakeEngine(), storage={"spool_mb": 1}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status"], endpointing="manual")
            await client.audio(make_speech_without_pauses(19).tobytes())
            assert 5 < await until_limit(client, "spool") < 13
            await client.send("flush", id="f")
            await client.until("flushed")
            await until_limit(client, None)


async def test_a_share_that_is_used_up_is_told_as_such(clean_environment: None) -> None:
    gate = Gate()
    with serve_engine(
        FakeEngine(Script(gates={"finish": gate})), storage={"spool_mb": 1}, limits={"utterance_soft_s": 5}
    ) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status", "ack"], endpointing="manual")
            for _ in range(4):
                await client.audio(make_speech_without_pauses(9).tobytes())
            while await until_limit(client, "spool"):
                pass
            gate.open()


async def test_a_token_is_told_to_expire_until_a_newer_one_comes(clean_environment: None) -> None:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS) as served:
        team = Team(served.resources.settings)
        person = team.add("ana")
        old, family = team.session(person)
        signed_at = datetime.now(UTC) - team.tokens.life + timedelta(seconds=40)
        soon = team.tokens.sign(person.id, family, 0, signed_at)[0]
        async with connect_speech_client(served.url, additional_headers=make_bearer(soon)) as client:
            await client.start(events=["status"])
            assert 30 < await until_limit(client, "login") <= 40
            await client.send("auth", token=old)
            await until_limit(client, None)


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_disk_that_is_nearly_full_is_told(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    free = [640_000]
    monkeypatch.setattr(FileSpool, "free_bytes", lambda _: free[-1])
    with serve_engine(FakeEngine(), storage={"spool": is_on}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status", "ack"])
            await client.audio(make_silence(1).tobytes())
            if is_on:
                assert 15 <= await until_limit(client, "disk") <= 20
                free.append(10**9)
                await until_limit(client, None)
            else:
                await client.until("ack")
                await client.until("ack")
                assert all(event["type"] != "status" for event in client.events)

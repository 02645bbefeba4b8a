"""The contract of WS /v1/realtime against a real server: turns, commits, limits, losses, and what is refused."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from tests.fakes.engine import FakeEngine, Gate, Script, guess_words
from tests.support.accounts import ACCOUNTS, Person, Team, make_bearer
from tests.support.realtime_client import (
    TRANSCRIPTION,
    connect_realtime_client,
)
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    PATIENCE_S,
    connect_speech_client,
    load_speech,
    make_silence,
    make_speech_without_pauses,
    wait_until,
)
from tests.support.stored_dictations import fetch_dictations

RATE_HZ = 24_000


def speech(silence_s: float = 1.0, rate_hz: int = RATE_HZ) -> bytes:
    return np.concatenate((load_speech(rate_hz), make_silence(silence_s, rate_hz))).tobytes()


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    script = Script(hypothesis=guess_words, final=guess_words)
    with serve_engine(FakeEngine(script)) as served:
        yield served


def short(kinds: list[str]) -> list[str]:
    return [kind.removeprefix("conversation.item.") for kind in kinds]


# -- turns and commits


async def test_a_turn_from_its_beginning_to_its_text(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.append(speech()[: 2 * RATE_HZ * 2])
        await client.until(f"{TRANSCRIPTION}.delta")  # while it is said
        await client.append(speech()[2 * RATE_HZ * 2 :])
        completed = await client.transcribed()
        kinds = short(client.kinds)
        deltas = [kind for kind in kinds if kind.endswith(".delta")]
        order = [kind for kind in kinds if not kind.endswith(".delta")]
        assert order == [
            "session.created",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "added",
            "done",
            "input_audio_transcription.completed",
        ]
        assert len(deltas) > 1
        assert kinds.index(deltas[0]) < kinds.index("input_audio_buffer.speech_stopped")
        assert client.told(completed["item_id"]) == completed["transcript"] != ""
        assert completed["usage"]["type"] == "duration"
        assert 2.5 < completed["usage"]["seconds"] < 4
        assert completed["languages"] == [{"code": "en"}]


async def test_a_commit_is_one_item_of_five_minutes(served: RunningServer) -> None:
    """Longer than any utterance, with pauses in it."""
    talk = np.concatenate([make_speech_without_pauses(27), make_silence(3)] * 10)
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None, format={"type": "audio/pcm", "rate": 16_000})
        await client.append(talk.tobytes(), 1 << 20)
        completed = await client.commit()
        assert completed["usage"]["seconds"] == 300.0
        assert len(completed["transcript"].split()) > 500
        assert client.told(completed["item_id"]) == completed["transcript"]
        assert client.kinds.count(f"{TRANSCRIPTION}.completed") == 1
        assert "input_audio_buffer.speech_started" not in client.kinds


async def test_a_long_turn_without_pauses_is_one_item(served: RunningServer) -> None:
    talk = np.concatenate((make_speech_without_pauses(65), make_silence(1.5)))
    async with connect_realtime_client(served.url) as client:
        await client.update(format={"type": "audio/pcm", "rate": 16_000})
        await client.append(talk.tobytes(), 64_000)
        completed = await client.transcribed()
        assert client.kinds.count("input_audio_buffer.speech_started") == 1
        assert 64 < completed["usage"]["seconds"] < 67
        assert completed["transcript"].count("word0 ") == 3, "utterances of 28 s at most"


async def test_silence_is_an_empty_transcript_and_nothing_at_all_an_error(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None)
        await client.append(bytes(2 * RATE_HZ * 3))
        completed = await client.commit()
        assert (completed["transcript"], completed["usage"]["seconds"]) == ("", 3.0)
        await client.send("input_audio_buffer.commit", event_id="mine")
        error = (await client.until("error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


async def test_cleared_audio_gets_no_text_and_is_not_stored(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None)
        await client.append(speech(0))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.append(bytes(RATE_HZ))
        assert (await client.commit())["transcript"] == ""


async def test_cleared_audio_leaves_nothing_where_it_was_stored(served: RunningServer) -> None:
    """Of 40 s without a pause the first utterances are complete and stored before the client takes all of it back."""
    before = await list_stored(served)
    said, talk = speech(0, 16_000), make_speech_without_pauses(40).tobytes()
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None, format={"type": "audio/pcm", "rate": 16_000})
        await client.append(said)
        kept = (await client.commit())["transcript"]
        await client.append(talk, 64_000)
        await wait_for(served, lambda stored: sum(map(len, stored)) > sum(map(len, before)) + 1)
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.append(said)
        assert (await client.commit())["transcript"] == kept
    await wait_for(served, lambda stored: [each for each in stored if each not in before] == [[kept, kept]])


async def list_stored(served: RunningServer) -> list[list[str]]:
    """The texts of each stored dictation."""
    found = await asyncio.to_thread(fetch_dictations, served.url)
    return [[final["text"] for final in each["items"]] for each in found]


async def wait_for(served: RunningServer, holds: Callable[[list[list[str]]], bool]) -> None:
    """Wait until the stored texts are as they should be."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(await list_stored(served)):  # noqa: ASYNC110  # the server runs in another thread
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("chunk_bytes", [241, 4800, 1 << 20])
async def test_how_the_audio_is_cut_does_not_matter(served: RunningServer, chunk_bytes: int) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None)
        pcm = speech(0.2)
        await client.append(pcm, chunk_bytes)
        other = await client.commit()
        await client.append(pcm, 9600)
        assert (await client.commit())["transcript"] == other["transcript"]


async def test_log_probabilities_on_request(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        session = {
            "type": "transcription",
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {"input": {"turn_detection": None}},
        }
        await client.send("session.update", session=session)
        await client.append(speech(0))
        completed = await client.commit()
        assert [each["token"] for each in completed["logprobs"]] == completed["transcript"].split()
        assert {each["logprob"] for each in completed["logprobs"]} == {-0.6931}


async def test_both_sockets_tell_the_same_text(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as native:
        await native.start(endpointing="manual")
        await native.audio(speech(0), RATE_HZ)
        (final,) = [event for event in await native.stop() if event["type"] == "final"]
    async with connect_realtime_client(served.url) as client:
        await client.update(turn_detection=None)
        await client.append(speech(0))
        assert (await client.commit())["transcript"] == final["text"]


# -- limits


async def test_an_append_may_hold_15_mib_of_audio(served: RunningServer) -> None:
    """20 MiB of base64: taken in slices, with a turn in the middle of it."""
    pcm = (speech(1.0) + bytes(15 << 20))[: 15 << 20]
    async with connect_realtime_client(served.url) as client:
        await client.append(pcm, len(pcm))
        completed = await client.transcribed()
        assert completed["transcript"]
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")


async def test_a_message_over_the_limit_closes_the_socket(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.connection.send("x" * ((21 << 20) + 1))
        assert await client.until_closed() == (1009, "message_too_big")
        assert "limits.realtime_message_bytes" in client.events[-1]["error"]["message"]
    async with connect_speech_client(served.url) as native:
        await native.connection.send("x" * ((1 << 20) + 1))
        assert await native.until_closed() == 1009


async def test_a_silent_client_gives_its_engine_back_and_keeps_its_socket() -> None:
    engine = FakeEngine(Script(final=guess_words))
    with serve_engine(engine, limits={"idle_session_s": 0.3}) as served:
        async with connect_realtime_client(served.url) as client:
            await client.update(turn_detection=None)
            await client.append(speech(0))
            await wait_until(lambda: bool(engine.sessions) and engine.all_closed)
            assert served.resources.sessions.dictating == 0
            await client.append(speech(0))
            completed = await client.commit()
            assert completed["usage"]["seconds"] == pytest.approx(len(speech(0)) / 24_000, abs=0.01)


async def test_no_more_sockets_than_both_kinds_may_have() -> None:
    with serve_engine(FakeEngine(), limits={"sockets": 1}) as served:
        async with connect_realtime_client(served.url), connect_realtime_client(served.url) as other:
            assert await other.until_closed() == (1013, "server_full")
            assert other.events[-1]["error"]["type"] == "server_error"


# -- losses


async def test_a_lost_client_frees_its_engine_and_its_words_are_stored() -> None:
    engine = FakeEngine(Script(final=guess_words))
    with serve_engine(engine) as served:
        async with connect_realtime_client(served.url) as client:
            await client.append(speech(0))
            await client.until("input_audio_buffer.speech_started")
            lost_at = time.monotonic()
            client.connection.transport.abort()
            await wait_until(lambda: served.resources.sessions.dictating == 0)
            took_s = time.monotonic() - lost_at
        assert took_s < 15
        assert engine.all_closed
        assert served.resources.sessions.waiting == 0, "nobody can come back"
        stored = await _list_dictations(served)
        assert [each["text"] for each in stored] == [guess_words(engine.streams[0])[:200]]


async def test_a_client_that_is_lost_in_a_large_append_is_noticed_before_its_end() -> None:
    """Silence causes no event whose sending would fail."""
    pcm = np.concatenate((load_speech(RATE_HZ), make_silence(1.0, RATE_HZ))).tobytes()
    with serve_engine(FakeEngine(Script(final=guess_words))) as served:
        async with connect_realtime_client(served.url) as client:
            await client.append(pcm + bytes((15 << 20) - len(pcm)), 15 << 20)
            await client.until("input_audio_buffer.speech_started")
            client.connection.transport.abort()
            await wait_until(lambda: served.resources.sockets.open == 0, 20)
        (told,) = [line for line in served.log if "socket closed" in line]
        assert float(told.partition("audio_s=")[2].split()[0]) < 300, "of 327 s"


async def test_an_engine_that_hangs_is_left_within_its_time() -> None:
    """The final of a client that has left is not waited for longer than a second."""
    gate = Gate()
    engine = FakeEngine(Script(final=guess_words, gates={"finish": gate}))
    with serve_engine(engine) as served:
        try:
            async with connect_realtime_client(served.url) as client:
                await client.append(speech(0))
                await client.until("input_audio_buffer.speech_started")
            await asyncio.to_thread(gate.reached.wait, 10)
        finally:
            gate.open()
        await wait_until(lambda: served.resources.sessions.dictating == 0)
        assert engine.all_closed


async def _list_dictations(served: RunningServer) -> list[dict[str, Any]]:
    """What is stored: the list waits for finals that are being written."""
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
        return list((await http.get("/api/dictations")).json())


# -- handshakes and what is refused


async def test_the_model_of_the_address_may_be_anything(served: RunningServer) -> None:
    for named, told in (
        ("gpt-realtime", "whisper-1"),
        ("gpt-4o-transcribe", "gpt-4o-transcribe"),
        ("fake/small", "fake/small"),
        ("", "whisper-1"),
    ):
        async with connect_realtime_client(served.url, f"/v1/realtime?model={named}") as client:
            session = client.events[0]["session"]["audio"]["input"]
            assert session["transcription"]["model"] == told
    async with connect_realtime_client(served.url, "/v1/realtime?model=gpt-live-transcribe") as client:
        assert client.events[0]["session"]["audio"]["input"]["turn_detection"] is None


async def test_the_browser_s_subprotocols(served: RunningServer) -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-whatever", "openai-organization.org-1"]
    async with connect_realtime_client(served.url, subprotocols=offered) as client:
        assert client.connection.subprotocol == "realtime"
    async with connect_realtime_client(
        served.url, additional_headers={"OpenAI-Beta": "realtime=v1", "Authorization": "Bearer sk-x"}
    ) as client:
        assert client.connection.subprotocol is None, "and the header of the beta alone means nothing"


async def test_the_beta_is_refused_as_the_original_does(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        await client.send("transcription_session.update", session={"input_audio_format": "pcm16"})
        assert await client.until_closed() == (4000, "invalid_request_error.beta_api_shape_disabled")
        assert client.events[-1]["error"]["code"] == "beta_api_shape_disabled"


async def test_mistakes_do_not_end_the_session(served: RunningServer) -> None:
    async with connect_realtime_client(served.url) as client:
        for message, code in (
            ("{", "invalid_json"),
            ("7", "invalid_event"),
            (json.dumps({"type": "sing", "event_id": "e7"}), "invalid_value"),
            (json.dumps({"type": "session.update", "session": {"type": "realtime"}}), "invalid_parameter"),
            (
                json.dumps(
                    {
                        "type": "session.update",
                        "session": {"audio": {"input": {"transcription": {"model": "huge"}}}},
                    }
                ),
                "model_not_found",
            ),
        ):
            await client.connection.send(message)
            error = (await client.until("error"))[-1]["error"]
            assert error["code"] == code
            assert error["event_id"] == ("e7" if "e7" in message else None)
        binary = json.dumps(
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(speech()).decode()}
        )
        await client.connection.send(binary.encode())
        assert (await client.transcribed())["transcript"]


@pytest.mark.parametrize(
    "path", ["/v1/realtime/translations?model=gpt-realtime-translate", "/v1/realtime/calls"]
)
async def test_translations_and_calls_are_refused_in_the_original_s_shape(
    served: RunningServer, path: str
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect_realtime_client(served.url, path):
            pass
    assert refusal.value.response.status_code == 404
    error = json.loads(refusal.value.response.body)["error"]
    assert error["type"] == "invalid_request_error"
    assert "/v1/realtime" in error["message"]
    assert "client_secrets" in error["message"]


async def test_pages_of_others_are_refused(served: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect_realtime_client(served.url, additional_headers={"Origin": "https://evil.example"}):
            pass
    assert refusal.value.response.status_code == 403


# -- with accounts


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[RunningServer, Team, Person]]:
    engine = FakeEngine(Script(final=guess_words))
    with serve_engine(engine, accounts=ACCOUNTS) as served:
        team = Team(served.resources.settings)
        yield served, team, team.add("ana", "admin")


async def refused(served: RunningServer, **options: Any) -> tuple[int, str]:
    """Status and code of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        async with connect_realtime_client(served.url, **options):
            pass
    error = json.loads(refusal.value.response.body)["error"]
    return refusal.value.response.status_code, error["code"]


async def test_without_a_credential_nobody_is_let_in(guarded: tuple[RunningServer, Team, Person]) -> None:
    served, team, ana = guarded
    assert await refused(served) == (401, "unauthorized")
    assert await refused(served, additional_headers=make_bearer("sk-x")) == (401, "unauthorized")
    chat_only, _ = team.key(ana, "chat")
    assert await refused(served, additional_headers=make_bearer(chat_only)) == (403, "forbidden")
    key, _ = team.key(ana, "stt")
    async with connect_realtime_client(served.url, additional_headers=make_bearer(key)):
        pass
    async with connect_realtime_client(
        served.url, subprotocols=["realtime", f"openai-insecure-api-key.{team.token(ana)}"]
    ) as client:
        assert client.connection.subprotocol == "realtime"


async def test_a_client_secret_opens_this_socket_and_nothing_else(
    guarded: tuple[RunningServer, Team, Person],
) -> None:
    served, team, ana = guarded
    key, key_id = team.key(ana, "stt")
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
        made = await http.post(
            "/v1/realtime/client_secrets", json={"session": session}, headers=make_bearer(key)
        )
        secret = made.json()["value"]
        assert secret.startswith("ek_")
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/realtime/client_secrets")):
            answer = await http.request(method, path, headers=make_bearer(secret), json={})
            assert answer.status_code == 401
    offered = ["realtime", f"openai-insecure-api-key.{secret}"]
    for _ in range(2):
        async with connect_realtime_client(served.url, subprotocols=offered) as client:
            assert client.events[0]["session"]["audio"]["input"]["turn_detection"] is None
            await client.append(speech(0))
            assert (await client.commit())["transcript"]
    with pytest.raises(InvalidStatus):
        async with connect_speech_client(served.url, additional_headers=make_bearer(secret)):
            pass
    team.revoke_key(ana, key_id)
    assert await refused(served, subprotocols=offered) == (401, "unauthorized")


async def test_a_secret_that_is_not_ours_opens_nothing_even_without_accounts(served: RunningServer) -> None:
    assert await refused(served, additional_headers=make_bearer("ek_nonsense")) == (401, "unauthorized")

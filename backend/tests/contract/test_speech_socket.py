"""The contract of WS /ws/stt, message by message, as a stranger's client meets it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.config import EndpointingSettings
from app.core.endpointing_profiles import ENDPOINTING_PROFILES
from tests.fakes.engine import FakeEngine, Gate, Script, guess_words
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    list_texts,
    list_types,
    load_speech,
    make_sentence,
    make_silence,
)

SILENCES = EndpointingSettings()
RATES_HZ = (8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
EVERY_EVENT = ["speech_started", "speech_stopped", "utterance_discarded", "ack", "status"]


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(Script(hypothesis=guess_words))


@pytest.fixture(scope="module")
def served(engine: FakeEngine) -> Iterator[RunningServer]:
    with serve_engine(engine) as served:
        yield served


async def say(client: SpeechClient, pcm: bytes, step: int = 3200) -> None:
    for at in range(0, len(pcm), step):
        await client.connection.send(pcm[at : at + step])


# -- the seven messages, and the mock ---------------------------------------------------------------


async def test_the_seven_basic_messages_are_read_and_sent_to_the_letter(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        socket = client.connection
        await socket.send('{"type":"start","session_id":"s1","config":{"lang":"es","provider":"cloud_stub"}}')
        for _ in range(4):
            await socket.send('{"type":"audio","format":"pcm16","sample_rate":16000,"data":"AAAAAA=="}')
        await socket.send('{"type":"dance"}')
        await socket.send('{"type":"stop"}')
        heard = [
            {name: event.get(name) for name in ("type", "session_id", "text")}
            for event in await client.until("stopped")
        ]
        said = [(event["type"], event["session_id"], event["text"]) for event in heard]
        assert said == [
            ("ready", "s1", None),
            ("partial", "s1", "(mock) escuchando... chunk=1"),
            ("partial", "s1", "(mock) escuchando... chunk=2"),
            ("partial", "s1", "(mock) escuchando... chunk=3"),
            ("final", "s1", "(mock) transcripción final #1"),
            ("partial", "s1", "(mock) escuchando... chunk=4"),
            ("error", "s1", None),
            ("stopped", "s1", None),
        ]
        assert "message" in client.events[6]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("binary", [False, True])
async def test_cloud_stub_counts_chunks_at_every_rate_and_in_both_forms(
    served: RunningServer, rate_hz: int, binary: bool
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(provider="cloud_stub", sample_rate=rate_hz)
        for _ in range(7):
            if binary:
                await client.connection.send(bytes(rate_hz // 10 * 2))
            else:
                await client.audio(bytes(rate_hz // 10 * 2), rate_hz)
        events = await client.stop()
        assert list_texts(events, "partial") == [f"(mock) escuchando... chunk={n}" for n in range(1, 8)]
        assert list_texts(events) == [f"(mock) transcripción final #{k}" for k in (1, 2)]
        assert events[-1]["stats"]["audio_ms"] == pytest.approx(700, abs=1)


async def test_session_id_is_echoed_and_null_before_start(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.send("stop")
        assert (await client.event())["session_id"] is None
        await client.start("uno", provider="cloud_stub")
        await client.send("dance")
        await client.stop()
        await client.start("dos", provider="cloud_stub")
        await client.stop()
        await client.start(None, provider="cloud_stub")
        await client.stop()
        labels = [event["session_id"] for event in client.events]
        assert labels == [None, "uno", "uno", "uno", "dos", "dos", None, None]


async def test_many_sockets_may_use_one_label(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as one, connect_speech_client(served.url) as two:
        await one.start("same", provider="cloud_stub")
        await two.start("same", provider="cloud_stub")
        for client in (one, two, one):
            await client.audio(bytes(320))
        assert list_texts(await one.stop(), "partial") == [f"(mock) escuchando... chunk={n}" for n in (1, 2)]
        assert list_texts(await two.stop(), "partial") == ["(mock) escuchando... chunk=1"]


# -- flush, stop, start, ping -----------------------------------------------------------------------


async def test_flushed_comes_after_the_finals_that_flush_caused(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(endpointing="manual")
        for flush_id in ("f1", 2, None):
            await say(client, load_speech().tobytes())
            await client.send("flush", id=flush_id)
            events = await client.until("flushed")
            assert list_types(events)[-2:] == ["final", "flushed"]
            assert events[-1]["id"] == flush_id
        assert (await client.stop())[-1]["stats"]["finals"] == 3


async def test_flush_with_nothing_said_is_answered_at_once(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start()
        await client.send("flush", id="empty")
        assert list_types(await client.until("flushed")) == ["flushed"]
        assert list_types(await client.stop()) == ["stopped"]


async def test_stop_start_and_audio_may_be_pipelined(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        for label in ("a", "b", "c"):
            await client.send("start", session_id=label, config={})
            await say(client, make_sentence(0.2), 12_800)
            await client.send("stop")
        for label in ("a", "b", "c"):
            events = await client.until("stopped")
            assert list_types(events)[0] == "ready"
            assert len(list_texts(events)) == 1
            assert {event["session_id"] for event in events} == {label}
            assert {event.get("utterance_id", 1) for event in events} == {1}
        assert len(set(list_texts(client.events))) == 1


async def test_stop_tells_what_the_dictation_came_to(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start()
        pcm = make_sentence()
        await say(client, pcm)
        events = await client.stop()
        (final,) = [event for event in events if event["type"] == "final"]
        stats = events[-1]["stats"]
        assert stats["audio_ms"] == len(pcm) // 32
        assert stats["speech_ms"] == final["timing"]["speech_end_ms"] - final["start_ms"]
        assert (stats["utterances"], stats["finals"], stats["discarded"]) == (1, 1, 0)
        assert await client.connection.ping()


@pytest.mark.parametrize("ping_id", ["p1", 7, None, 2**53])
async def test_ping_is_answered_in_every_state(served: RunningServer, ping_id: Any) -> None:
    async with connect_speech_client(served.url) as client:
        for act in (None, client.start, client.stop):
            if act is not None:
                await act()
            await client.send("ping", id=ping_id)
            assert (await client.until("pong"))[-1]["id"] == ping_id


async def test_unknown_fields_are_ignored_everywhere(served: RunningServer) -> None:
    extra = {"colour": "red", "seq": 1}
    async with connect_speech_client(served.url) as client:
        await client.send("ping", **extra)
        await client.send("start", config={"provider": "cloud_stub", "mood": {"deep": [1]}}, **extra)
        await client.send("audio", format="pcm16", sample_rate=8000, data="AAA=", **extra)
        await client.send("flush", **extra)
        await client.send("stop", **extra)
        assert list_types(await client.until("stopped")) == ["pong", "ready", "partial", "flushed", "stopped"]


# -- what a start may ask for -----------------------------------------------------------------------


async def test_ready_names_engine_language_and_reason(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        ready = await client.start(lang="en-GB")
        assert (ready["provider"], ready["lang"], ready["langs"]) == ("fake", "en-GB", [])


async def test_optional_events_come_only_on_request(served: RunningServer) -> None:
    always = {"ready", "partial", "final", "stopped"}
    async with connect_speech_client(served.url) as client:
        await client.start()
        await say(client, make_sentence())
        await client.stop()
        assert set(list_types(client.events)) == always
    async with connect_speech_client(served.url) as client:
        await client.start(events=["speech_started", "speech_stopped"])
        await say(client, make_sentence())
        await client.stop()
        assert set(list_types(client.events)) == always | {"speech_started", "speech_stopped"}
        order = [k for k in list_types(client.events) if k != "partial"]
        assert order == ["ready", "speech_started", "speech_stopped", "final", "stopped"]


async def test_ack_counts_messages_and_audio(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(events=["ack"])
        await client.connection.send(bytes(3200))
        await client.audio(bytes(3200))
        ack = (await client.until("ack"))[-1]
        assert (ack["audio_seq"], ack["received_ms"]) == (2, 200)
        assert ack["decoded_ms"] + ack["backlog_ms"] == 200


async def test_words_come_if_asked_and_count_from_the_sessions_start(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(words=True)
        await say(client, make_silence(1).tobytes() + make_sentence())
        (final,) = [event for event in await client.stop() if event["type"] == "final"]
        assert [word["word"] for word in final["words"]] == final["text"].split()
        assert final["words"][0]["start_ms"] == final["start_ms"] > 0
    async with connect_speech_client(served.url) as client:
        await client.start()
        await say(client, make_sentence())
        (final,) = [event for event in await client.stop() if event["type"] == "final"]
        assert "words" not in final


async def test_partials_can_be_declined(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(partials=False)
        await say(client, make_sentence())
        assert "partial" not in list_types(await client.stop())
        await client.start(provider="cloud_stub", partials=False)
        await say(client, bytes(3200 * 3))
        assert list_types(await client.stop()) == ["final", "stopped"]


async def test_the_engine_is_told_what_the_client_asked_for(
    served: RunningServer, engine: FakeEngine
) -> None:
    async with connect_speech_client(served.url) as client:
        ready = await client.start(lang="en-US", model="large", vocabulary=["FastAPI", "kubectl"], words=True)
        assert ready["model"] == "large"
        config = engine.sessions[-1].config
        assert (config.lang, config.model, config.words) == ("en-US", "large", True)
        assert config.vocabulary == ("FastAPI", "kubectl")


@pytest.mark.parametrize(
    ("endpointing", "silence_ms"),
    [
        (None, SILENCES.silence_ms(SILENCES.profile)),
        *((name, SILENCES.silence_ms(name)) for name in ENDPOINTING_PROFILES if name != "manual"),
        ({"silence_ms": 500}, 500),
        ({"silence_ms": 3000}, 3000),
    ],
)
async def test_endpointing_waits_for_the_silence_of_its_profile(
    served: RunningServer, endpointing: Any, silence_ms: int
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(endpointing=endpointing)
        await say(client, make_sentence(4))
        final = (await client.until("final"))[-1]
        assert silence_ms <= final["timing"]["endpoint_ms"] <= silence_ms + 64


async def test_manual_waits_for_flush(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(endpointing="manual")
        await say(client, make_sentence(9))
        await client.check_alive()
        assert "final" not in list_types(client.events)
        await client.send("flush")
        assert len(list_texts(await client.until("flushed"))) == 1


async def test_finals_and_partials_carry_their_place_in_time(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(lang="en")
        await say(client, make_sentence() + make_sentence())
        events = await client.stop()
        spans: dict[int, list[dict[str, Any]]] = {}
        for event in events:
            if event["type"] in ("partial", "final"):
                assert event["lang"] == "en"
                assert event["provider"] == "fake"
                spans.setdefault(event["utterance_id"], []).append(event)
        assert sorted(spans) == [1, 2]
        for utterance in spans.values():
            assert [event["revision"] for event in utterance] == list(range(1, len(utterance) + 1))
            assert len({event["start_ms"] for event in utterance}) == 1
            assert (
                utterance[-1]["start_ms"]
                < utterance[-1]["timing"]["speech_end_ms"]
                <= utterance[-1]["end_ms"]
            )
        assert spans[1][-1]["timing"]["speech_end_ms"] <= spans[2][0]["start_ms"]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("shown", [True, False])
async def test_an_utterance_that_comes_to_nothing(asked: bool, shown: bool) -> None:
    script = Script(hypothesis=guess_words if shown else lambda _: None, final=lambda _: "")
    with serve_engine(FakeEngine(script)) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=["utterance_discarded"] if asked else [])
            await say(client, make_sentence())
            events = [event for event in await client.stop() if event["type"] != "partial"]
            assert events[-1]["stats"]["discarded"] == 1
            assert events[-1]["stats"]["finals"] == 0
            if asked:
                assert list_types(events) == ["utterance_discarded", "stopped"]
                assert events[0]["reason"] == "empty"
            elif shown:
                assert list_types(events) == ["final", "stopped"]
                assert events[0]["text"] == ""
            else:
                assert list_types(events) == ["stopped"]


async def test_a_click_is_no_utterance(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(events=["utterance_discarded"])
        await say(client, make_silence(3).tobytes())
        assert list_types(await client.stop()) == ["stopped"]


# -- what cannot be chosen --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "code", "named"),
    [
        (
            {"lang": "es", "provider": "fake"},
            "language_not_supported",
            ["'es'", "en", "prompter models pull base"],
        ),
        ({"lang": "es", "provider": "pocketsphinx"}, "language_not_supported", ["prompter models pull base"]),
        ({"langs": ["en", "es"]}, "language_not_supported", ["'es'", "prompter models pull base"]),
        ({"langs": ["en", "español"]}, "invalid_message", ["`config.langs.1`", "BCP-47"]),
        (
            {"provider": "parrot"},
            "unknown_provider",
            ["auto", "cloud_stub", "fake", "pocketsphinx"],
        ),
        ({"model": "huge"}, "unknown_model", ["small", "large"]),
        ({"provider": "openai_compat"}, "provider_not_ready", ["base_url"]),
    ],
)
async def test_a_choice_that_cannot_be_met_says_what_can(
    served: RunningServer, config: dict[str, Any], code: str, named: list[str]
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.send("start", config=config)
        error = await client.event()
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
        assert all(name.lower() in error["message"].lower() for name in named), error["message"]
        await client.start()
        await client.stop()


async def test_a_language_none_understands_names_the_way_out(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.send("start", config={"lang": "es", "provider": "auto"})
        error = await client.event()
        assert error["code"] == "language_not_supported"
        assert "prompter models pull base" in error["message"]


async def test_events_are_compact_json_text(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.send("start", session_id="ñandú", config={"provider": "cloud_stub"})
        async with asyncio.timeout(30):
            raw = await client.connection.recv()
        assert isinstance(raw, str)
        assert "ñandú" in raw
        assert json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")) == raw


def list_states(events: list[dict[str, Any]]) -> list[tuple[str | None, int]]:
    return [(event["state"], event["backlog_ms"]) for event in events if event["type"] == "status"]


async def test_an_engine_that_loads_is_told_before_it_is_ready() -> None:
    with serve_engine(FakeEngine(Script(delays_s={"start": 1.5}))) as cold:
        async with connect_speech_client(cold.url) as client:
            await client.start(events=["status"])
            assert list_types(client.events) == ["status", "ready"]
            assert list_states(client.events) == [("loading", 0)]
        async with connect_speech_client(cold.url) as client:  # who did not ask is not told
            await client.start()
            assert list_types(client.events) == ["ready"]


async def test_a_final_that_is_awaited_is_told_until_it_has_come() -> None:
    gate = Gate()
    with serve_engine(FakeEngine(Script(gates={"finish": gate}))) as stalled:
        async with connect_speech_client(stalled.url) as client:
            await client.start(endpointing="command", events=["status", "speech_stopped"])
            await say(client, make_sentence())
            await client.until("speech_stopped")
            assert list_states(await client.until("status"))[-1] == ("decoding", 0)
            gate.open()
            rest = [*await client.until("status"), *await client.stop()]
            assert list_types(rest) == ["final", "status", "stopped"]
            assert list_states(rest) == [(None, 0)]


async def test_who_waits_for_a_core_is_told_its_place() -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}))
    with serve_engine(engine, scheduler={"cores": 1}) as busy:
        async with connect_speech_client(busy.url) as first, connect_speech_client(busy.url) as second:
            for client in (first, second):
                await client.start(endpointing="command", events=["status", "speech_stopped"])
            await say(first, make_sentence())
            await first.until("speech_stopped")
            await asyncio.to_thread(gate.reached.wait, 20)
            await say(second, make_sentence())
            while (event := await second.event()).get("state") != "queued":
                pass
            assert event["place"] == 1
            gate.open()
            assert list_states(await second.until("final"))[-1:] in ([], [("decoding", 0)])
            assert list_states(await second.until("status"))[-1] == (None, 0)


async def test_a_backlog_that_drains_is_told_in_seconds_that_go_down() -> None:
    """Half a minute of speech at once, to an engine that takes 60 ms for a piece of it."""
    with serve_engine(FakeEngine(Script(delays_s={"accept": 0.06}))) as slow:
        async with connect_speech_client(slow.url) as client:
            await client.start(endpointing="command", events=["status"])
            for _ in range(8):
                await say(client, make_sentence())
            events = await client.stop()
    told = list_states(events)
    behind = [backlog for state, backlog in told if state == "catching_up"]
    draining = behind[behind.index(max(behind)) :]  # at first more comes than is decoded
    assert len(draining) >= 3
    assert draining == sorted(draining, reverse=True)
    assert draining[0] >= 10_000
    assert told[-1] == (None, 0), "what is over is told to be over"
    assert len(list_texts(events)) == 8

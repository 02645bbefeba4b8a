"""The nine guarantees of the speech socket, each through the whole path: socket, hearing, engine, events."""

import asyncio
import importlib.util
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed

from app.core.errors import EngineFailed, UpstreamError
from tests.fakes.engine import FakeEngine, FakeStream, Gate, Script, Step, guess_words
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    Event,
    SpeechClient,
    connect_speech_client,
    list_texts,
    list_types,
    load_speech,
    make_sentence,
    make_silence,
    make_speech_without_pauses,
    wait_until,
)

RATES_HZ = (8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
TERMINAL = ("final", "utterance_discarded")
EVENTS = ["speech_started", "speech_stopped", "utterance_discarded"]
SECRET = "the eagle lands at midnight"


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(Script(hypothesis=guess_words))


@pytest.fixture(scope="module")
def served(engine: FakeEngine) -> Iterator[RunningServer]:
    with serve_engine(engine) as served:
        yield served


async def say(client: SpeechClient, pcm: bytes, step: int = 6400) -> None:
    for at in range(0, len(pcm), step):
        await client.connection.send(pcm[at : at + step])


def by_utterance(events: list[Event]) -> dict[int, list[Event]]:
    found = defaultdict(list)
    for event in events:
        if "utterance_id" in event:
            found[event["utterance_id"]].append(event)
    return dict(found)


def assert_one_terminal_each(events: list[Event]) -> None:
    for utterance_id, its in by_utterance(events).items():
        ends = [event["type"] for event in its if event["type"] in TERMINAL]
        assert len(ends) == 1, f"utterance {utterance_id}: {list_types(its)}"
        after = list_types(its)[list_types(its).index(ends[0]) + 1 :]
        assert set(after) <= {"speech_stopped"}, f"utterance {utterance_id}: {list_types(its)}"


# -- 1. exactly one terminal event ----------------------------------------------------------------


async def test_1_each_utterance_ends_once(served: RunningServer) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start(events=EVENTS)
        await say(client, make_sentence() * 4)
        events = await client.stop()
        assert len(by_utterance(events)) == 4
        assert_one_terminal_each(events)


STEPS: list[Step] = ["open_stream", "accept", "finish", "close_stream"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    "failure",
    [ValueError(SECRET), EngineFailed("the engine is gone"), UpstreamError("bad gateway")],
    ids=repr,
)
async def test_1_each_utterance_ends_once_when_the_engine_fails(
    step: Step, asked: bool, failure: Exception
) -> None:
    engine = FakeEngine(Script(hypothesis=guess_words, failures={step: failure}))
    with serve_engine(engine) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=EVENTS if asked else [])
            await say(client, make_sentence() * 2)
            await client.send("stop")
            code = await _stopped_or_closed(client)
            if asked:
                assert by_utterance(client.events)
                assert_one_terminal_each(client.events)
            for its in by_utterance(client.events).values():
                assert len(list_texts(its)) <= 1
            if isinstance(failure, UpstreamError):
                assert code is None
                assert list_types(client.events)[-1] == "stopped"
            else:
                assert code in (1011, None)
        await wait_until(lambda: engine.all_closed)
        assert SECRET not in "\n".join(served.log)
        assert "ASGI" not in "\n".join(served.log)


async def _stopped_or_closed(client: SpeechClient) -> int | None:
    try:
        await client.until("stopped")
    except ConnectionClosed:
        return client.connection.close_code
    return None


@pytest.mark.parametrize("step", ["status", "models", "start", "open_session", "close_session"])
async def test_1_an_engine_that_fails_around_utterances_is_told_and_logged_without_its_words(
    step: Step,
) -> None:
    engine = FakeEngine(Script(failures={}))
    with serve_engine(engine) as served:
        engine.script.failures[step] = ValueError(SECRET)
        async with connect_speech_client(served.url) as client:
            await client.send("start", config={"model": "small"})
            if step == "close_session":
                await client.until("ready")
                await client.send("stop")
                assert list_types(await client.until("stopped")) == ["stopped"]
            else:
                assert (await client.event())["type"] == "error"
            assert SECRET not in str(client.events)
        async with connect_speech_client(served.url) as client:
            await client.check_alive()
        assert SECRET not in "\n".join(served.log)
        assert "ASGI" not in "\n".join(served.log)


async def test_1_utterances_that_wait_behind_a_broken_engine_end_too() -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}, failures={"finish": EngineFailed("gone")}))
    with serve_engine(engine) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(events=EVENTS)
            await say(client, make_sentence() * 3)
            while list_types(client.events).count("speech_stopped") < 3:
                await client.event()
            gate.open()
            assert await client.until_closed() == 1011
            assert len(by_utterance(client.events)) == 3
            assert_one_terminal_each(client.events)


# -- 2. no audio is lost at the edges -------------------------------------------------------------


@pytest.mark.parametrize("ending", ["stop", "flush", "silence"])
async def test_2_the_engine_hears_pre_roll_and_last_word(
    engine: FakeEngine, served: RunningServer, ending: str
) -> None:
    speech = load_speech()
    lead = np.random.default_rng(1).integers(-3, 4, 32_000).astype(np.int16)
    tail = np.random.default_rng(2).integers(-3, 4, 32_000).astype(np.int16)
    audio = np.concatenate((lead, speech, tail if ending == "silence" else tail[:0]))
    async with connect_speech_client(served.url) as client:
        await client.start()
        await say(client, audio.tobytes())
        if ending == "flush":
            await client.send("flush")
            await client.until("flushed")
        await client.stop()
        (final,) = [event for event in client.events if event["type"] == "final"]
    heard = np.frombuffer(engine.sessions[-1].streams[0].audio, np.int16)
    start = _find(audio, heard)
    onset = len(lead) + _first_loud(speech)
    assert onset - start >= 400 * 16
    assert start // 16 == final["start_ms"]
    assert start + len(heard) >= len(lead) + _last_loud(speech)
    if ending != "silence":
        assert start + len(heard) == len(audio)


def _find(whole: NDArray[np.int16], part: NDArray[np.int16]) -> int:
    at = whole.tobytes().find(part.tobytes())
    assert at >= 0, "the engine heard something that was not said"
    assert at % 2 == 0
    return at // 2


def _loud(speech: NDArray[np.int16]) -> NDArray[np.intp]:
    return np.flatnonzero(np.abs(speech.astype(np.int32)) > 1000)


def _first_loud(speech: NDArray[np.int16]) -> int:
    return int(_loud(speech)[0])


def _last_loud(speech: NDArray[np.int16]) -> int:
    return int(_loud(speech)[-1])


async def test_2_the_longest_utterance_is_cut_without_loss_or_repetition() -> None:
    for audio, soft in ((make_speech_without_pauses(17), False), (_with_short_pauses(), True)):
        engine = FakeEngine()
        with serve_engine(engine, limits={"utterance_s": 5, "utterance_soft_s": 3}) as served:
            async with connect_speech_client(served.url) as client:
                await client.start(endpointing="hands_free", events=EVENTS)
                await say(client, audio.tobytes(), 6401 if soft else 32_000)
                events = await client.stop()
                assert_one_terminal_each(events)
                finals = [event for event in events if event["type"] == "final"]
        assert len(finals) >= 3
        pieces = [np.frombuffer(stream.audio, np.int16) for stream in engine.streams if stream.finished]
        assert all(len(piece) <= 5.1 * 16_000 for piece in pieces)
        spans = [(f["start_ms"] * 16, f["timing"]["speech_end_ms"] * 16) for f in finals]
        starts = [
            _find(audio[max(s - 32, 0) :], piece) + max(s - 32, 0)
            for (s, _), piece in zip(spans, pieces, strict=True)
        ]
        for (_, speech_end), start, following in zip(spans, starts, starts[1:], strict=False):
            assert start < following
            assert following >= speech_end, "speech is repeated"
        for start, piece, following in zip(starts, pieces, starts[1:], strict=False):
            assert following <= start + len(piece), "speech is lost"
            if not soft:
                assert following == start + len(piece)


def _with_short_pauses() -> NDArray[np.int16]:
    """Speech with pauses of 0.3 s that no profile but the soft limit would end at."""
    return np.concatenate([np.concatenate((make_speech_without_pauses(2.7), make_silence(0.3)))] * 6)


# -- 3. stable never shrinks ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_3_stable_never_shrinks_whatever_the_engine_changes_its_mind_to(seed: int) -> None:
    rng = random.Random(seed)
    words = ["uno", "Dos", "three,", "four", "¿cinco?", "six", "六", ""]

    def fickle(stream: FakeStream) -> str:
        kept = guess_words(stream).split()
        for _ in range(rng.randrange(3)):
            kept[rng.randrange(len(kept) + 1) :] = rng.choices(words, k=rng.randrange(5))
        return " ".join(kept)

    with serve_engine(FakeEngine(Script(hypothesis=fickle))) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(endpointing="manual")
            audio = np.concatenate([load_speech()] * 4).tobytes()
            for at in range(0, len(audio), 3200):
                await client.connection.send(audio[at : at + 3200])
                await client.check_alive()  # lets each partial leave before the next one takes its place
            await client.stop()
            events = client.events
    partials = [event for event in events if event["type"] == "partial"]
    assert len(partials) > 20
    assert any(partial["stable"] for partial in partials)
    stable: dict[int, str] = defaultdict(str)
    for partial in partials:
        before, now = stable[partial["utterance_id"]], partial["stable"]
        assert partial["text"].startswith(now)
        assert now == before or now.startswith(before + " " if before else "")
        stable[partial["utterance_id"]] = now


# -- 4. cuts leave no trace -----------------------------------------------------------------------

Cuts = Callable[[random.Random, int], int]
CUTS: dict[str, Cuts] = {
    "1 ms": lambda _, rate: rate // 1000 * 2,
    "20 ms": lambda _, rate: rate // 50 * 2,
    "1 s": lambda _, rate: rate * 2,
    "random": lambda rng, rate: rng.randrange(1, rate // 2),
    "odd": lambda rng, _: rng.randrange(1, 2000, 2),
}


async def dictate(
    url: str, pcm: bytes, rate_hz: int, cut: Cuts, pause: float = 0.0, **config: Any
) -> list[Event]:
    """All finals of a recording; with `pause` in real seconds after each second of audio."""
    rng = random.Random(0)
    async with connect_speech_client(url) as client:
        await client.start(sample_rate=rate_hz, partials=False, **config)
        at = 0
        while at < len(pcm):
            step = cut(rng, rate_hz)
            await client.connection.send(pcm[at : at + step])
            at += step
            if pause:
                await asyncio.sleep(pause * step / (2 * rate_hz))
        return [event for event in await client.stop() if event["type"] == "final"]


def comparable(finals: list[Event]) -> list[tuple[object, ...]]:
    """Everything of a final but what a clock has measured."""
    timeless = ("utterance_id", "text", "start_ms", "end_ms")
    return [
        (*(f[name] for name in timeless), f["timing"]["speech_end_ms"], f["timing"]["endpoint_ms"])
        for f in finals
    ]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
async def test_4_finals_do_not_depend_on_the_chunks(served: RunningServer, rate_hz: int) -> None:
    said = [load_speech(rate_hz), make_silence(1, rate_hz), load_speech(rate_hz, "en_send_email_8k")]
    pcm = np.concatenate(said).tobytes()
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(dictate(served.url, pcm, rate_hz, cut)) for cut in CUTS.values()]
    finals = [comparable(job.result()) for job in jobs]
    assert len(finals[0]) >= 2
    for name, result in zip(CUTS, finals, strict=True):
        assert result == finals[0], name


async def test_4_finals_do_not_depend_on_the_pace(served: RunningServer) -> None:
    pcm = make_sentence(0.7)
    cut = CUTS["20 ms"]
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(dictate(served.url, pcm, 16_000, cut, pause)) for pause in (0, 0.5, 1.5)]
    results = [comparable(job.result()) for job in jobs]
    assert results[0] == results[1] == results[2]
    assert len(results[0]) == 1


async def test_4_json_and_binary_are_the_same(served: RunningServer) -> None:
    pcm = make_sentence()
    finals = comparable(await dictate(served.url, pcm, 16_000, CUTS["20 ms"]))
    async with connect_speech_client(served.url) as client:
        await client.start()
        for at in range(0, len(pcm), 640):
            await client.audio(pcm[at : at + 640])
        events = await client.stop()
    assert comparable([event for event in events if event["type"] == "final"]) == finals


async def test_4_the_embedded_engine_hears_the_same_however_it_is_cut(served: RunningServer) -> None:
    if (
        importlib.util.find_spec("pocketsphinx") is None
    ):  # importing it here would put it into the server's process
        pytest.skip("the embedded engine is not installed")
    pcm = make_sentence()
    cuts = [CUTS["1 s"], CUTS["random"], CUTS["1 ms"]]
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(dictate(served.url, pcm, 16_000, cut, provider="pocketsphinx")) for cut in cuts
        ]
    results = [comparable(job.result()) for job in jobs]
    assert "madrid" in results[0][0][1]  # type: ignore[operator]
    assert results[0] == results[1] == results[2]


async def test_4_a_client_that_stalls_gets_its_final() -> None:
    with serve_engine(FakeEngine(Script(hypothesis=guess_words)), limits={"stall_s": 0.3}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(endpointing="hands_free", events=EVENTS)
            await say(client, load_speech().tobytes(), 3200)
            began = time.monotonic()
            await client.until("final")
            assert 0.25 < time.monotonic() - began < 3
            await say(client, load_speech().tobytes(), 3200)
            await client.until("final")
            events = await client.stop()
            assert events[-1]["stats"]["finals"] == 2
            assert_one_terminal_each(client.events)


# -- 5. finals are sacred -------------------------------------------------------------------------


async def test_5_a_slow_engine_loses_no_final() -> None:
    engine = FakeEngine(Script(hypothesis=guess_words, delays_s={"accept": 0.05, "finish": 0.2}))
    with serve_engine(engine) as served:

        async def one() -> list[str]:
            async with connect_speech_client(served.url) as client:
                await client.start()
                await say(client, make_sentence(0.8) * 3)
                return list_texts(await client.stop())

        async with asyncio.TaskGroup() as group:
            jobs = [group.create_task(one()) for _ in range(4)]
        results = [job.result() for job in jobs]
        assert all(len(result) == 3 for result in results)
        assert all(result == results[0] for result in results)


# -- 6. sessions are isolated ---------------------------------------------------------------------


async def test_6_sessions_share_nothing(engine: FakeEngine, served: RunningServer) -> None:
    recordings = [
        ("a", load_speech()),
        ("b", load_speech(16_000, "en_two_requests_16k")),
        ("c", load_speech(16_000, "en_send_email_8k")),
    ]
    alone = {}
    for name, audio in recordings:
        alone[name] = comparable(await dictate(served.url, audio.tobytes(), 16_000, CUTS["20 ms"]))
    async with asyncio.TaskGroup() as group:
        jobs = {
            name: group.create_task(
                dictate(
                    served.url,
                    audio.tobytes(),
                    16_000,
                    CUTS["20 ms"],
                    0.1,
                    vocabulary=[name],
                    words=name == "b",
                )
            )
            for name, audio in recordings
        }
    for name, job in jobs.items():
        assert comparable(job.result()) == alone[name]
        assert all(("words" in final) == (name == "b") for final in job.result())
    told = {session.config.vocabulary for session in engine.sessions[-3:]}
    assert told == {("a",), ("b",), ("c",)}


async def test_6_the_next_dictation_on_a_socket_inherits_nothing(
    engine: FakeEngine, served: RunningServer
) -> None:
    async with connect_speech_client(served.url) as client:
        first: dict[str, Any] = {
            "vocabulary": ["secret"],
            "words": True,
            "partials": False,
            "events": EVENTS,
            "sample_rate": 8000,
        }
        await client.start(**first, endpointing="manual", lang="en-GB", model="large")
        await client.connection.send(b"\x01")  # half a sample is left over
        await client.stop()
        await client.start("s2")
        await say(client, make_sentence())
        events = await client.stop()
        assert set(list_types(events)) == {"partial", "final", "stopped"}
        assert "words" not in events[-2]
        config = engine.sessions[-1].config
        assert (config.vocabulary, config.lang, config.model) == ((), "auto", None)
        assert comparable(events[-2:-1]) == comparable(
            await dictate(served.url, make_sentence(), 16_000, CUTS["1 s"])
        )


# -- 7. nothing is unbounded ----------------------------------------------------------------------


async def test_7_a_session_ends_at_its_limit_with_all_its_finals() -> None:
    with serve_engine(FakeEngine(), limits={"session_s": 5}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start()
            await say(client, make_sentence(0.2) * 3)
            assert await client.until_closed() == 1008
            assert list_types(client.events)[-2:] == ["stopped", "error"]
            assert client.events[-1]["code"] == "session_too_long"
            assert "limits.session_s" in client.events[-1]["message"]
            assert list_texts(client.events)


async def test_7_undecoded_audio_meets_back_pressure() -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"accept": gate}))
    with serve_engine(engine, limits={"backlog_s": 3}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start(endpointing="manual", events=["ack"])
            pcm = make_speech_without_pauses(200).tobytes()
            sending = asyncio.create_task(say(client, pcm, 32_000))
            while (await client.until("ack"))[-1]["backlog_ms"] < 2000:
                pass
            assert not sending.done()
            await client.until("ack")
            received = [e["received_ms"] for e in client.events if e["type"] == "ack"]
            assert received[-1] < 10_000
            gate.open()
            async with asyncio.timeout(30):
                await sending
            assert (await client.stop())[-1]["stats"]["audio_ms"] == 200_000


# -- 8. the event loop never blocks ---------------------------------------------------------------


async def test_8_the_loop_stays_free_while_engines_work() -> None:
    engine = FakeEngine(Script(delays_s={"accept": 0.3, "finish": 0.3}))
    with serve_engine(engine) as served:
        async with connect_speech_client(served.url) as busy, connect_speech_client(served.url) as idle:
            await busy.start()
            await idle.start(provider="cloud_stub")
            work = asyncio.create_task(say(busy, make_sentence(0.7) * 2))
            lags = []
            for _ in range(40):
                began = time.monotonic()
                await idle.check_alive()
                lags.append(time.monotonic() - began)
                await asyncio.sleep(0.01)
            await work
            await busy.stop()
    assert sorted(lags)[len(lags) // 2] < 0.1
    assert max(lags) < 0.3


async def test_8_one_clients_file_does_not_hold_the_others() -> None:
    with serve_engine(FakeEngine()) as served:
        async with connect_speech_client(served.url) as bulk, connect_speech_client(served.url) as other:
            await bulk.start(sample_rate=8000)
            work = asyncio.create_task(say(bulk, load_speech(8000).tobytes() * 40, 1 << 19))
            lags = []
            while not work.done():
                began = time.monotonic()
                await other.check_alive()
                lags.append(time.monotonic() - began)
                await asyncio.sleep(0)
            await work
            await bulk.stop()
    assert max(lags) < 0.25, f"the loop was held for {max(lags):.2f} s"


# -- 9. nothing private is logged -----------------------------------------------------------------


async def test_9_no_transcript_reaches_the_log() -> None:
    script = Script(hypothesis=lambda _: SECRET, final=lambda _: SECRET)
    with serve_engine(FakeEngine(script), log_level="debug") as served:
        async with connect_speech_client(served.url) as client:
            await client.start(SECRET, vocabulary=[SECRET], words=True)
            await say(client, make_sentence())
            await client.send(SECRET)
            await client.connection.send(SECRET)
            assert list_texts(await client.stop()) == [SECRET]
            script.failures["finish"] = ValueError(SECRET)
            await client.start(SECRET)
            await say(client, make_sentence())
            assert await client.until_closed() == 1011
            assert SECRET not in client.events[-1]["message"]
        assert any("engine 'fake' failed: ValueError" in line for line in served.log)
        assert not [line for line in served.log if SECRET in line]

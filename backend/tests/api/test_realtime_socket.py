"""The endpoint of the Realtime socket: engines that fail, clients that do not read, careless addresses."""

import pytest

from app.core.errors import EngineFailed, UpstreamTimeout
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.realtime_client import TRANSCRIPTION, connect_realtime_client
from tests.support.server import serve_engine
from tests.support.speech_client import load_speech, make_silence, wait_until

SENTENCE = load_speech(24_000).tobytes() + make_silence(1.0, 24_000).tobytes()


async def test_an_engine_that_fails_on_an_utterance_fails_one_item() -> None:
    script = Script(final=guess_words, failures={"finish": UpstreamTimeout("the service took too long")})
    with serve_engine(FakeEngine(script)) as served:
        async with connect_realtime_client(served.url) as client:
            await client.update(turn_detection=None)
            await client.append(SENTENCE)
            failed = await client.commit()
            assert failed["type"] == f"{TRANSCRIPTION}.failed"
            assert (failed["error"]["type"], failed["error"]["code"]) == ("server_error", "engine_failed")
            script.failures.clear()
            await client.append(SENTENCE)
            assert (await client.commit())["transcript"]


async def test_an_engine_that_cannot_go_on_fails_its_items_and_the_session() -> None:
    script = Script(final=guess_words, failures={"finish": RuntimeError("a fault of the engine")})
    with serve_engine(FakeEngine(script)) as served:
        async with connect_realtime_client(served.url) as client:
            await client.update(turn_detection=None)
            await client.append(SENTENCE)
            await client.send("input_audio_buffer.commit")
            assert await client.until_closed() == (1011, "engine_failed")
            assert client.kinds[-2:] == [f"{TRANSCRIPTION}.failed", "error"]


async def test_an_engine_that_cannot_start_is_told_and_each_item_fails() -> None:
    script = Script(final=guess_words, failures={"open_session": EngineFailed("no memory")})
    with serve_engine(FakeEngine(script)) as served:
        async with connect_realtime_client(served.url) as client:
            await client.append(SENTENCE)
            code, _ = await client.until_closed()
            assert code == 1011
            assert client.events[-1]["error"]["code"] == "engine_failed"


async def test_a_client_that_does_not_read_is_closed() -> None:
    script = Script(hypothesis=guess_words, final=guess_words)
    limits = {"slow_reader_s": 0.5, "outbound_events": 8}
    with serve_engine(FakeEngine(script), send_buffer_bytes=4096, limits=limits) as served:
        async with connect_realtime_client(served.url) as client:
            client.connection.transport.pause_reading()
            mistake = '{"type":"sing"}'
            for _ in range(20_000):
                if client.connection.transport.get_write_buffer_size() > 1 << 20:
                    break
                client.connection.transport.write(b"")
                await client.connection.send(mistake)
            await wait_until(lambda: served.resources.sockets.open == 0, 15)


@pytest.mark.parametrize("path", ["/v1/realtime/", "//v1/realtime", "/v1//realtime"])
async def test_addresses_that_clients_join_carelessly(path: str) -> None:
    with serve_engine(FakeEngine()) as served:
        async with connect_realtime_client(served.url, f"{path}?intent=transcription"):
            pass

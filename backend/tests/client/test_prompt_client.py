"""PromptClient against the real server: dictations, answers, and a clear error for everything that fails."""

import asyncio
import contextlib
import gc
import inspect
import io
import re
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from app.client.errors import AudioError, ClientError, ConnectionLost, Refused, ServerFailed, Unreachable
from app.client.prompt_client import PromptClient
from app.client.speech_socket import open_speech_socket
from app.core.config import LimitSettings, Settings
from app.schemas.speech_socket import StartConfig
from tests.conftest import SAMPLES, StartServer
from tests.fakes.speech_server import make_message, run_fake_speech_server

CHUNK = bytes(3200)
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
async def client(server: str) -> AsyncIterator[PromptClient]:
    async with PromptClient(server) as client:
        yield client


def test_every_option_of_start_can_be_given() -> None:
    """All but two: a dictation of this client goes on by itself after a crash."""
    options = set(inspect.signature(PromptClient.dictate).parameters)
    assert set(StartConfig.model_fields) - options == {"continues_dictation", "told_ms"}


async def test_a_dictation_gives_its_events_in_order(client: PromptClient) -> None:
    events = [event async for event in client.dictate([CHUNK] * 3, provider="cloud_stub", session_id="mine")]
    assert [event.type for event in events] == ["ready", "partial", "partial", "partial", "final", "stopped"]
    assert events[-2].text == "(mock) transcripción final #1"
    assert {event.data["session_id"] for event in events} == {"mine"}
    assert [event.data["seq"] for event in events] == [1, 2, 3, 4, 5, 6]


async def test_chunks_may_come_as_they_are_made(client: PromptClient) -> None:
    """Each chunk is made after the partial of the one before: nothing waits for the end of the source."""
    heard = asyncio.Semaphore(1)

    async def speak() -> AsyncIterator[bytes]:
        for _ in range(3):
            await heard.acquire()
            yield CHUNK

    types = []
    async for said in client.dictate(speak(), provider="cloud_stub"):
        types.append(said.type)
        if said.type == "partial":
            heard.release()
    assert types.count("partial") == 3


async def test_a_chunk_longer_than_a_message_is_sent_in_parts(client: PromptClient) -> None:
    stopped = [event async for event in client.dictate(bytes(3 << 20), provider="cloud_stub")][-1]
    assert stopped.data["stats"]["audio_ms"] == (3 << 20) // 32


async def test_what_was_dictated_can_be_sent_to_the_model(client: PromptClient) -> None:
    async for _ in client.dictate([CHUNK] * 3, provider="cloud_stub", session_id="to-send"):
        pass
    answer = await client.generate(session_id="to-send", provider="echo")
    assert answer.text == "(mock) transcripción final #1"
    assert (answer.provider, answer.finish_reason) == ("echo", "stop")
    pieces = [piece async for piece in client.generate_stream(session_id="to-send", provider="echo")]
    assert "".join(pieces) == answer.text


async def test_a_prompt_is_a_text_or_a_conversation(client: PromptClient) -> None:
    assert (await client.generate("hello", provider="echo")).text == "hello"
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "and now?"}]
    assert (await client.generate(messages, provider="echo")).text == "and now?"


async def test_a_recording_is_transcribed(client: PromptClient) -> None:
    seen: list[tuple[int, int | None]] = []
    result = await client.transcribe(
        SAMPLES / "en_weather_madrid_48k.wav",
        lang="en",
        provider="pocketsphinx",
        words=True,
        progress=lambda done_ms, audio_ms: seen.append((done_ms, audio_ms)),
    )
    assert "weather" in result.text
    assert (result.provider, result.lang) == ("pocketsphinx", "en")
    assert [word.text for segment in result.segments for word in segment.words]
    assert all(0 <= segment.start_ms < segment.end_ms <= result.audio_ms for segment in result.segments)
    assert seen
    assert all(audio_ms == result.audio_ms for _, audio_ms in seen)


async def test_the_providers_are_listed(client: PromptClient) -> None:
    found = await client.providers()
    assert "cloud_stub" in {item["name"] for item in found["stt"]}
    assert "echo" in {item["name"] for item in found["llm"]}


async def test_leaving_early_is_no_error(client: PromptClient) -> None:
    """The source is not read any further, and the client can dictate again."""
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield CHUNK

    async with contextlib.aclosing(client.dictate(endless(), provider="cloud_stub")) as events:
        async for event in events:
            if event.type == "final":
                break
    at_leaving = read
    assert [event.type async for event in client.dictate([], provider="cloud_stub")] == ["ready", "stopped"]
    assert read <= at_leaving + 1


async def test_a_source_that_fails_tells_its_own_error(client: PromptClient) -> None:
    def broken() -> Iterator[bytes]:
        yield CHUNK
        raise AudioError("the file ends in the middle")

    with pytest.raises(AudioError, match="in the middle"):
        [event async for event in client.dictate(broken(), provider="cloud_stub")]


# -- failures


async def test_a_transcription_that_fails_leaves_no_file_open() -> None:
    """The error holds the frames that read the recording, so that no garbage collector closes it in time."""
    recording = SAMPLES / "en_weather_madrid_48k.wav"

    async def answer(socket: ServerConnection) -> None:
        await socket.send(make_message("ready"))
        await socket.recv()  # the start
        await socket.recv()  # some audio
        socket.transport.abort()

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(ConnectionLost) as caught:
            await PromptClient(url).transcribe(recording, resume=False)
    files = [each for each in gc.get_objects() if type(each) is io.FileIO and not each.closed]
    assert [file for file in files if Path(str(file.name)) == recording] == []
    del caught


async def test_a_refused_start_says_why(client: PromptClient) -> None:
    with pytest.raises(Refused, match="known: ") as caught:
        [event async for event in client.dictate([CHUNK], provider="nobody")]
    assert caught.value.code == "unknown_provider"


async def test_an_error_in_the_middle_is_an_event(server: str) -> None:
    """A bad message does not end the session, so it does not end the loop."""

    async def answer(socket: ServerConnection) -> None:
        await socket.send(make_message("ready"))
        await socket.send(make_message("error", code="odd_length", message="odd", fatal=False))
        await socket.send(make_message("stopped", stats={}))

    async with run_fake_speech_server(answer) as url:
        found = [event.type async for event in PromptClient(url).dictate([])]
    assert found == ["ready", "error", "stopped"]


@pytest.mark.parametrize(
    ("close_code", "expected"),
    [
        (1000, ConnectionLost),
        (1001, ConnectionLost),
        (1008, Refused),
        (1009, ConnectionLost),
        (1011, ServerFailed),
        (1012, ConnectionLost),
        (1013, Refused),
        (4408, ConnectionLost),
        (4999, ConnectionLost),
    ],
)
@pytest.mark.parametrize("with_error", [True, False])
async def test_a_socket_that_closes_early_says_how(
    close_code: int, expected: type[ClientError], with_error: bool
) -> None:
    async def answer(socket: ServerConnection) -> None:
        await socket.send(make_message("ready"))
        if with_error:
            await socket.send(make_message("error", code="why", message="the server's own words", fatal=True))
        await socket.close(close_code)

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(expected) as caught:
            [event async for event in PromptClient(url).dictate([CHUNK] * 20)]
    assert type(caught.value) is expected
    assert (str(caught.value) == "the server's own words") is with_error
    if isinstance(caught.value, ConnectionLost):
        assert caught.value.close_code == close_code


async def test_a_connection_that_breaks_off_says_so() -> None:
    async def answer(socket: ServerConnection) -> None:
        await socket.send(make_message("ready"))
        socket.transport.abort()

    async with run_fake_speech_server(answer) as url:
        with pytest.raises(ConnectionLost, match="broke off") as caught:
            [event async for event in PromptClient(url).dictate([CHUNK] * 20)]
    assert caught.value.close_code == 1006


async def test_a_server_that_is_full_says_so(start_server: StartServer) -> None:
    url = start_server(Settings(_env_file=None, limits=LimitSettings(sockets=1)))
    client = PromptClient(url)
    async with contextlib.aclosing(client.dictate(_endless(), provider="cloud_stub")) as first:
        assert (await anext(first)).type == "ready"
        with pytest.raises(Refused) as caught:
            [event async for event in client.dictate([CHUNK])]
    assert caught.value.code == "server_full"


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield CHUNK


async def test_nobody_there() -> None:
    async with PromptClient(NOBODY) as client:
        with pytest.raises(Unreachable, match="prompter serve"):
            await client.providers()
        with pytest.raises(Unreachable, match="prompter serve"):
            [event async for event in client.dictate([CHUNK])]
        with pytest.raises(Unreachable, match="prompter serve"):
            [piece async for piece in client.generate_stream("hello")]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1",
        "http://",
        "http://:8000",
        "http://127.0.0.1:x",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://[::1]:x",
        "http://a b",
        "http://.",
        "http://üü..",
        "http://\ud800",
        "http://" + "a" * 300,
        "http://127.0.0.1:1?x",
        "http://ann:midnight@127.0.0.1:x",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Unreachable, match="expected one like") as refused:
        PromptClient(url)
    assert "midnight" not in str(refused.value)


@pytest.mark.parametrize("token", ["a\nb", "é", "a b", "\0"])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(ClientError, match="copy it again"):
        PromptClient(NOBODY, token=token)


@pytest.mark.parametrize("proxy", ["ftp://ann:midnight@x", "http://ann:midnight@127.0.0.1:x"])
async def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unreachable, match="HTTP_PROXY") as refused:
        async with PromptClient("http://prompter.example"):
            raise AssertionError("never reached")
    assert "midnight" not in str(refused.value)
    with pytest.raises(Unreachable, match="HTTP_PROXY"):
        async with open_speech_socket("ws://prompter.example/ws/stt", {}, proxy=True):
            raise AssertionError("never reached")


@pytest.mark.parametrize(
    ("given", "address"),
    [("127.0.0.1:8000", "http://127.0.0.1:8000"), ("https://a.example/x/", "https://a.example/x")],
)
def test_addresses_may_be_short(given: str, address: str) -> None:
    assert PromptClient(given).url == address


async def test_http_errors_keep_the_words_of_the_server(client: PromptClient) -> None:
    with pytest.raises(Refused) as caught:
        await client.generate(session_id="never-dictated")
    assert caught.value.code == "not_found"
    with pytest.raises(Refused) as caught:
        [piece async for piece in client.generate_stream("hello", provider="nobody")]
    assert caught.value.code == "unknown_provider"


async def test_a_client_that_is_not_open_says_so(server: str) -> None:
    with pytest.raises(ClientError, match="async with"):
        await PromptClient(server).providers()


async def test_the_example_in_the_docstring_works(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The README shows the same lines."""
    example = re.search(r"\n\n((?:    .*\n|\n)+)", inspect.getdoc(PromptClient) or "")
    assert example is not None
    code = textwrap.dedent(example[1]).replace("http://127.0.0.1:8000", server)
    code = code.replace("samples/", f"{SAMPLES}/").replace("asyncio.run(main())", "")
    names: dict[str, object] = {}
    exec(compile(code, "<docstring>", "exec"), names)
    await names["main"]()  # type: ignore[operator]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("ready")
    assert any(re.match("final .*weather", line) for line in printed)
    assert "weather" in printed[-1]

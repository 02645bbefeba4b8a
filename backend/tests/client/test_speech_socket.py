"""Opening a speech socket: a connection, or an error that says what to do."""

import json
import ssl

import pytest

from app.client.errors import Refused, Unreachable
from app.client.speech_socket import open_speech_socket


async def test_an_open_socket_answers(server: str) -> None:
    async with open_speech_socket(f"ws{server.removeprefix('http')}/ws/stt", {}, proxy=False) as socket:
        await socket.send('{"type":"ping"}')
        assert json.loads(await socket.recv())["type"] == "pong"


async def test_a_certificate_to_trust_does_not_matter_without_tls(server: str) -> None:
    """PROMPTER_CAFILE is set for the proxy in front, and one server is asked past it."""
    address = f"ws{server.removeprefix('http')}/ws/stt"
    async with open_speech_socket(address, {}, proxy=False, tls=ssl.create_default_context()) as socket:
        await socket.send('{"type":"ping"}')
        assert json.loads(await socket.recv())["type"] == "pong"


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9/ws/stt", "nonsense"])
async def test_where_no_server_answers_is_said(url: str) -> None:
    with pytest.raises(Unreachable, match="prompter serve"):
        async with open_speech_socket(url, {}, proxy=False):
            pass


async def test_a_refused_handshake_has_the_servers_words(server: str) -> None:
    address = f"ws{server.removeprefix('http')}/ws/stt"
    with pytest.raises(Refused) as caught:
        async with open_speech_socket(address, {"Origin": "https://evil.example"}, proxy=False):
            pass
    assert str(caught.value)

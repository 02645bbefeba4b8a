"""Uploads of recordings as clients send them: forms in chunks, JSON, bodies that cannot be read, and limits."""

import base64
from collections.abc import Iterator

import httpx2
import pytest

from app.core.config import Settings
from tests.conftest import SAMPLES, StartServer, read_wav
from tests.support.recordings import encode

PATH = "/v1/audio/transcriptions"
SAID, RATE_HZ = read_wav(SAMPLES / "en_reverse_list_16k.wav")


@pytest.fixture
def http(server: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server, trust_env=False, timeout=60) as client:
        yield client


def test_a_form_in_chunks_without_length_or_types(http: httpx2.Client) -> None:
    """Open WebUI's: an async generator, a part without content type; names with brackets or without."""
    recording = encode(SAID, RATE_HZ, "webm")

    def chunks() -> Iterator[bytes]:
        for name, value in (("model", "pocketsphinx"), ("keywords", "list"), ("language", "en")):
            yield f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="recording.webm"\r\n\r\n'
        for at in range(0, len(recording), 999):
            yield recording[at : at + 999]
        yield b"\r\n--b--\r\n"

    answer = http.post(PATH, content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 200
    assert "python" in answer.json()["text"]


@pytest.mark.parametrize("before", ["", "data:audio/wav;base64,"])
def test_json_with_the_recording_inside(http: httpx2.Client, before: str) -> None:
    data = before + base64.b64encode(encode(SAID, RATE_HZ, "mp3")).decode()
    body = {"model": "pocketsphinx", "language": "en", "input_audio": {"data": data, "format": "mp3"}}
    answer = http.post(PATH, json=body)
    assert answer.status_code == 200
    assert "python" in answer.json()["text"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_request"),
        (b"[]", "application/json", 400, "bad_request"),
        (b'{"model":"auto"}', "application/json", 400, "bad_request"),
        (b'{"input_audio":{"data":"%%%"}}', "application/json", 400, "invalid_base64"),
        (b'{"input_audio":{"data":""}}', "application/json", 400, "audio_not_readable"),
        (b"RIFF", "audio/wav", 400, "bad_request"),
        (b"", "", 400, "bad_request"),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b", 400, "bad_request"),
        (b"nonsense", "multipart/form-data", 400, "bad_request"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 400, "bad_request"),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            400,
            "bad_request",
        ),
    ],
)
def test_bodies_that_cannot_be_read(
    http: httpx2.Client, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = http.post(PATH, content=body, headers={"Content-Type": kind})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert set(error) == {"message", "type", "param", "code"}


def test_fields_are_bounded_as_a_whole(http: httpx2.Client) -> None:
    fields = {f"keywords[{n}]": "x" * 60_000 for n in range(30)}
    answer = http.post(PATH, data=fields, files={"file": ("a.wav", encode(SAID, RATE_HZ, "wav"))})
    assert answer.status_code == 400
    two = [("file", ("a.wav", b"RIFF")), ("file", ("b.wav", b"RIFF"))]
    assert http.post(PATH, files=two).json()["error"]["param"] == "file"
    many = [(f"other{n}", ("a.wav", b"RIFF")) for n in range(5)]
    assert http.post(PATH, files=many).status_code == 400


def test_a_recording_may_come_once_more_under_another_name(http: httpx2.Client) -> None:
    """Keyboards of phones do that, for servers of another kind; theirs may come first."""
    recording = encode(SAID, RATE_HZ, "wav")
    files = [("audio_file", ("a.wav", b"RIFF")), ("file", ("a.wav", recording))]
    answer = http.post(PATH, files=files)
    alone = http.post(PATH, files={"file": ("a.wav", recording)})
    assert (answer.status_code, answer.json()["text"]) == (200, alone.json()["text"])


def test_size_and_length_are_limited(start_server: StartServer) -> None:
    url = start_server(
        Settings(_env_file=None, limits={"upload_bytes": 100_000, "upload_s": 2, "chat_bytes": 20_000})
    )
    with httpx2.Client(base_url=url, trust_env=False) as client:
        said = {"model": "cloud_stub"}
        big = client.post(PATH, data=said, files={"file": ("a.wav", bytes(200_000))})
        long = client.post(PATH, data=said, files={"file": ("a.ogg", encode(SAID, RATE_HZ, "ogg"))})
        json_body = client.post(PATH, json={"input_audio": {"data": "A" * 30_000}})

        def chunks() -> Iterator[bytes]:
            for _ in range(300):
                yield bytes(1000)

        endless = client.post(
            PATH, content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
    for answer, limit in ((big, "upload_bytes"), (long, "upload_s"), (json_body, "chat_bytes")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "message_too_big")
        assert f"limits.{limit}" in answer.json()["error"]["message"]
    assert endless.status_code in (400, 413)

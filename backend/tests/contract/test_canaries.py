"""A whole run with canaries for keys, prompts, transcripts and answers: afterwards none stands where it must not.

What a client sends may come back only in the answer to it; nothing of it is ever in a log, a header, an error, the
metrics or the configuration.
"""

import io
import json
import re
import wave
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, LlmUpstreamSettings
from tests.fakes.chat_upstream import BEHAVIORS, BackgroundUpstream, make_error, run_in_background
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.upstream import Reply
from tests.support.command import run_prompter
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, make_sentence

pytestmark = pytest.mark.once

SERVER_KEY = "sk-canary-server-3f9a1c77d2"
PROFILE_KEY = "plainkeywithoutanyprefix-8b1e"
REQUEST_KEY = "sk-canary-request-6e02b4a91f"
PROMPT = "the canary prompt tells of seventeen violet submarines under the ice of lake Baikal"
SECOND = "and the canary tool said that the vault stands open since half past four in the night"
TRANSCRIPT = "the canary transcript speaks of an uncle who hides his gold beneath the lemon tree"
VOCABULARY = "Canaryvocabularius Quetzalcoatlus"
ADDRESS = "canary-path-5d1f"
CONNECTED_KEY = "sk-canary-connected-77b0c2e41d"
SHORT_KEY = "canary-7f2"
MESSAGES = [
    {"role": "system", "content": [{"type": "text", "text": SECOND}]},
    {"role": "user", "content": PROMPT},
]
SECRETS = {
    "server key": SERVER_KEY,
    "profile key": PROFILE_KEY,
    "request key": REQUEST_KEY,
    "connected key": CONNECTED_KEY,
    "short key": SHORT_KEY,
    "prompt": "seventeen violet submarines",
    "second": "vault stands open",
    "transcript": "gold beneath the lemon tree",
    "vocabulary": "Quetzalcoatlus",
    "address": ADDRESS,
}


def quotes(status: int) -> Any:
    """Refuses, and tells the key and the prompt that it was sent."""

    def behavior(body: dict[str, Any]) -> Reply:
        keys = f"{PROFILE_KEY} {SERVER_KEY} {REQUEST_KEY} {CONNECTED_KEY} key: {SHORT_KEY}"
        return make_error(status, f"{keys} may not ask: {json.dumps(body)}")

    return behavior


def quotes_late(body: dict[str, Any]) -> Reply:
    told = json.dumps({"error": {"message": f"{PROFILE_KEY} {SERVER_KEY} {REQUEST_KEY}: {PROMPT} {SECOND}"}})
    pieces = [b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n', f"data: {told}\n\n".encode()]
    return Reply(pieces, headers={"Content-Type": "text/event-stream"})


def garbles(body: dict[str, Any]) -> Reply:
    return Reply([f"data: <{PROMPT}>\n\n".encode()], headers={"Content-Type": "text/event-stream"})


def moves(body: dict[str, Any]) -> Reply:
    return Reply(status=307, headers={"Location": f"https://public.example/{SERVER_KEY}?{ADDRESS}"})


QUOTING = {
    **{f"quotes-{status}": quotes(status) for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)},
    "quotes-late": quotes_late,
    "garbles": garbles,
    "moves": moves,
}


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[BackgroundUpstream]:
    for name, behavior in QUOTING.items():
        monkeypatch.setitem(BEHAVIORS, name, behavior)
    with run_in_background() as background:
        yield background


@pytest.fixture
def served(upstream: BackgroundUpstream) -> Iterator[RunningServer]:
    profile = LlmProfile(base_url=upstream.base_url, api_key=SecretStr(PROFILE_KEY), model="tiny")
    llm = LlmSettings(
        discover=False,
        openai_compat=LlmUpstreamSettings(
            base_url=upstream.base_url, api_key=SecretStr(SERVER_KEY), model="tiny"
        ),
        profiles={"mine": profile},
        allowed_base_urls=[upstream.base_url.removesuffix("/v1")],
        first_byte_timeout_s=0.15,
        local_first_byte_timeout_s=0.15,
        idle_timeout_s=0.5,
    )
    script = Script(final=lambda _: TRANSCRIPT, hypothesis=lambda _: TRANSCRIPT)
    with serve_engine(FakeEngine(script), log_level="debug", llm=llm) as served:
        yield served


class Heard:
    """Everything that the server said, and where no secret may be in it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.answers = 0

    def told(self, where: str, text: str, *but: str) -> None:
        """No canary but these is in the text."""
        self.found += [
            f"{name} in {where}" for name, secret in SECRETS.items() if secret in text and name not in but
        ]

    def answer(self, where: str, response: httpx2.Response, *but: str) -> None:
        """No canary is in the headers, nor in the body of an error; those of a success may hold `but`."""
        self.answers += 1
        self.told(f"{where}: headers", str(response.headers.multi_items()))
        self.told(f"{where}: body", response.text, *(but if response.status_code < 300 else ()))


def wav(pcm: bytes) -> bytes:
    into = io.BytesIO()
    with wave.open(into, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)
    return into.getvalue()


async def dictate(served: RunningServer, heard: Heard) -> None:
    """Speak, and say everything wrong that can be said wrong."""
    async with connect_speech_client(served.url) as client:
        await client.start(session_id="canary", vocabulary=[VOCABULARY])
        await client.audio(make_sentence())
        for wrong in (
            {"type": PROMPT},
            {"type": "audio", "format": PROMPT, "sample_rate": 16_000, "data": PROMPT},
            {"type": "start", "config": {"provider": PROMPT, "vocabulary": [VOCABULARY]}},
            {"type": "flush", "id": {"x": PROMPT}},
        ):
            await client.connection.send(json.dumps(wrong))
        await client.connection.send(PROMPT)
        await client.stop()
        for event in client.events:
            spoken = ("transcript",) if event["type"] in ("partial", "final") else ()
            heard.told(f"event {event['type']}", json.dumps(event, ensure_ascii=False), *spoken)
        assert any(event["type"] == "final" and event["text"] == TRANSCRIPT for event in client.events)


async def chat(http: httpx2.AsyncClient, heard: Heard, base_url: str) -> None:
    """Every behavior of the upstream, whole and streamed, under /v1 and beside it, with each key."""
    for model in [name for name in BEHAVIORS if name != "endless"]:
        for stream in (False, True):
            body = {"model": f"mine/{model}", "messages": MESSAGES, "stream": stream, "user": SECOND}
            heard.answer(f"/v1 {model} {stream=}", await http.post("/v1/chat/completions", json=body))
            for config in (
                {"model": model},
                {"model": model, "base_url": base_url, "api_key": REQUEST_KEY},
            ):
                said = [{"role": "user", "content": PROMPT}]
                asked = {"messages": said, "provider": "openai_compat", "config": config, "stream": stream}
                heard.answer(f"/llm {model} {stream=}", await http.post("/llm/generate", json=asked))
    echo = {"model": "echo", "messages": [{"role": "user", "content": PROMPT}]}
    heard.answer("echo", await http.post("/v1/chat/completions", json=echo), "prompt")
    heard.answer("transcript", await http.post("/llm/generate", json={"session_id": "canary", "provider": "echo"}),
                 "transcript")  # fmt: skip


WRONG: list[Any] = [
    {},
    {"messages": PROMPT},
    {"messages": [{"role": PROMPT, "content": PROMPT}]},
    {"messages": MESSAGES, "temperature": PROMPT},
    {"messages": MESSAGES, "api_key": REQUEST_KEY},
    {"messages": MESSAGES, "base_url": f"https://public.example/{ADDRESS}", "extra_headers": {"x": REQUEST_KEY}},
    {"messages": MESSAGES, "provider": "nobody", "config": {"api_key": REQUEST_KEY, "base_url": f"http://10.0.0.1/{ADDRESS}"}},
    {"messages": MESSAGES, "config": {"api_key": [REQUEST_KEY], "model": {"x": PROMPT}}},
    {"messages": MESSAGES, "config": {"api_key": f"{REQUEST_KEY}\n", "base_url": f"https://u:{REQUEST_KEY}@h/v1"}},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": f"file:///{ADDRESS}"}]}]},
    [PROMPT],
    PROMPT,
]  # fmt: skip


async def blunder(http: httpx2.AsyncClient, heard: Heard) -> None:
    """Bodies, fields, headers and addresses that are wrong, each with something that must not be told."""
    headers = {"Authorization": f"Bearer {REQUEST_KEY}", "X-Api-Key": REQUEST_KEY}
    for path in ("/v1/chat/completions", "/llm/generate", "/v1/audio/transcriptions"):
        for body in WRONG:
            heard.answer(f"{path} {body!r:.40}", await http.post(path, json=body, headers=headers))
        for raw in (PROMPT, "{" + PROMPT, f'{{"messages": "{PROMPT}\\ud800"}}', "[" * 5000 + PROMPT):
            response = await http.post(
                path, content=raw, headers={**headers, "Content-Type": "application/json"}
            )
            heard.answer(f"{path} raw", response)
    for path in ("/v1/embeddings", "/v1/responses", f"/v1/{ADDRESS}", f"/{ADDRESS}?key={REQUEST_KEY}"):
        heard.answer(path, await http.post(path, content=PROMPT, headers=headers))
    origin = {**headers, "Origin": f"https://{ADDRESS}.example"}
    heard.answer("origin", await http.get(f"/v1/models?key={REQUEST_KEY}", headers=origin))
    heard.answer("host", await http.get("/v1/models", headers={**headers, "Host": f"{ADDRESS}.example"}))


async def transcribe(http: httpx2.AsyncClient, heard: Heard) -> None:
    file = wav(make_sentence())
    for form in ("json", "text", "verbose_json", "srt", "vtt", "diarized_json", PROMPT):
        for stream in ("", "true"):
            data = {"response_format": form, "prompt": PROMPT, "keywords[]": VOCABULARY, "stream": stream}
            files = {"file": (f"{ADDRESS}.wav", file, "audio/wav")}
            response = await http.post("/v1/audio/transcriptions", data=data, files=files)
            heard.answer(f"transcription {form} {stream}", response, "transcript")
    for data, content in (
        ({"language": PROMPT}, file),
        ({}, PROMPT.encode()),
        ({"temperature": PROMPT}, file),
    ):
        files = {"file": (f"{ADDRESS}.wav", content, PROMPT)}
        heard.answer(
            "bad form", await http.post("/v1/audio/transcriptions", data=data, files=files), "transcript"
        )


async def connect(http: httpx2.AsyncClient, heard: Heard, base_url: str) -> None:
    """Connect a model with each key, in every right and wrong way, and ask it by every door."""
    for key in (CONNECTED_KEY, SHORT_KEY):
        body = {"base_url": base_url, "api_key": key, "title": "Mine", "model": "tiny"}
        made = await http.post("/api/connections", json=body)
        heard.answer("connect", made)
        where, name = f"/api/connections/{made.json()['id']}", made.json()["name"]
        for model in [name for name in BEHAVIORS if name not in ("endless", "silent")]:
            tried = await http.post("/api/connections/test", json={**body, "model": model})
            heard.answer(f"try {model}", tried)
            asked = {"model": f"{name}/{model}", "messages": MESSAGES}
            heard.answer(f"connected {model}", await http.post("/v1/chat/completions", json=asked))
            said = {
                "messages": [{"role": "user", "content": PROMPT}],
                "provider": name,
                "config": {"model": model},
            }
            heard.answer(f"connected {model}", await http.post("/llm/generate", json=said))
        for wrong in (
            {"api_key": [key]},
            {"api_key": f"{key}\u00e4"},
            {"api_key": key * 200},
            {"base_url": f"http://10.0.0.1/{ADDRESS}", "api_key": key},
            {"base_url": f"https://user:{key}@{ADDRESS}.example/v1"},
            {"title": {"x": key}},
            {"shared": key},
        ):
            heard.answer("wrong connection", await http.post("/api/connections", json={**body, **wrong}))
            heard.answer("wrong trial", await http.post("/api/connections/test", json={**body, **wrong}))
            heard.answer("wrong change", await http.patch(where, json=wrong))
        heard.answer("trial", await http.post(f"{where}/test"))
        for path in ("/api/connections", "/providers/llm", "/v1/models", "/api/models", "/metrics"):
            heard.answer(path, await http.get(path))
        heard.answer("changed", await http.patch(where, json={"api_key": key}))
        conversation = (await http.post("/api/conversations", json={"title": "t"})).json()["id"]
        said = {"conversation_id": conversation, "message": PROMPT, "model": f"{name}/quotes-401"}
        heard.answer("chat", await http.post("/api/chat/stream", json=said))
        for form in ("markdown", "json", "html"):
            path = f"/api/conversations/{conversation}/export?format={form}"
            heard.answer(path, await http.get(path), "prompt")


async def leave(http: httpx2.AsyncClient) -> None:
    """Leave answers in the middle."""
    for model in ("endless", "silent"):
        body = {"model": f"mine/{model}", "messages": MESSAGES, "stream": True}
        with suppress(httpx2.ReadTimeout):
            async with http.stream("POST", "/v1/chat/completions", json=body, timeout=0.3) as response:
                async for _ in response.aiter_raw():
                    break


async def test_a_whole_run_tells_no_secret(served: RunningServer, upstream: BackgroundUpstream) -> None:
    heard = Heard()
    async with httpx2.AsyncClient(base_url=served.url, timeout=20, trust_env=False) as http:
        await dictate(served, heard)
        await chat(http, heard, upstream.base_url)
        await blunder(http, heard)
        await transcribe(http, heard)
        await connect(http, heard, upstream.base_url)
        await leave(http)
        for path in (
            "/metrics",
            "/openapi.json",
            "/providers/llm",
            "/providers/stt",
            "/v1/models",
            "/health/ready",
        ):
            heard.answer(path, await http.get(path))
    heard.told("log", "\n".join(served.log))
    heard.told("resources", repr(served.resources))
    for file in served.resources.settings.data_dir.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            heard.found += [
                f"{key} in {file.name}" for key in (CONNECTED_KEY, SHORT_KEY) if key.encode() in data
            ]
    assert not heard.found
    assert heard.answers > 150
    assert len(served.log) > 10
    asked = json.dumps(upstream.about("submarines"))
    assert PROMPT in asked, "the upstream was sent what it needs"


NAME = "canary-name-4c1e"
"""It could be the name of anything, or a key that was put into the wrong field."""
ID = "0197a3b2-0000-7000-8000-00000000abcd"
PARTS = [{"type": NAME}]
SAID = [{"role": "user", "content": "hello"}]
UNKNOWN: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/chat/completions", {"json": {"model": NAME, "messages": SAID}}),
    ("POST", "/v1/chat/completions", {"json": {"model": f"llama_local/{NAME}", "messages": SAID}}),
    ("POST", "/v1/chat/completions", {"json": {"model": "echo", "messages": SAID, NAME: 1, "n": 2}}),
    ("POST", "/v1/chat/completions", {"json": {"model": "echo", "messages": [{"role": "user", "content": PARTS}]}}),
    ("POST", "/v1/chat/completions", {"json": {"model": "echo", "messages": SAID, "modalities": [NAME]}}),
    ("GET", f"/v1/models/{NAME}", {}),
    ("POST", "/llm/generate", {"json": {"messages": SAID, "provider": NAME}}),
    ("POST", "/llm/generate", {"json": {"messages": SAID, "provider": "llama_local", "config": {"model": NAME}}}),
    ("POST", "/llm/generate", {"json": {"messages": SAID, "config": {"model": "x", "base_url": f"http://{NAME}.example/v1"}}}),
    ("POST", "/llm/generate", {"json": {"session_id": NAME}}),
    ("POST", "/api/chat/stream", {"json": {"conversation_id": ID, "message": "hello"}}),
    ("POST", "/api/chat/realtime/sessions/" + ID + "/stream", {"json": {"content": "hello"}}),
    ("GET", f"/api/conversations/{ID}", {}),
    ("GET", f"/api/conversations/{NAME}", {}),
    ("GET", f"/api/conversations?limit={NAME}", {}),
    ("GET", f"/api/conversations?before={NAME}", {}),
    ("POST", f"/api/messages/{ID}/regenerate", {"json": {}}),
    ("POST", f"/api/messages/{ID}/approvals/{NAME}", {"json": {"approved": True}}),
    ("GET", f"/api/chat/stream/{ID}", {"headers": {"Last-Event-ID": NAME}}),
    ("GET", f"/api/dictations/{ID}", {}),
    ("POST", f"/api/dictations/{ID}/redo", {"json": {"provider": NAME, "lang": "es"}}),
    ("POST", f"/api/dictations/{NAME}/redo", {"json": {"lang": NAME}}),
    ("PATCH", f"/api/dictations/{ID}", {"json": {"current_version": NAME}}),
    ("GET", f"/api/dictations/{ID}/versions/{NAME}", {}),
    ("GET", f"/api/search?q=hello&kind={NAME}", {}),
    ("GET", f"/{NAME}", {}),
    (NAME.upper().replace("-", ""), "/health", {}),
]  # fmt: skip
SPOKEN: list[dict[str, Any]] = [
    {"provider": NAME},
    {"model": NAME},
    {"lang": "xx-canary4c"},
    {"lang": "es-canary4c", "provider": "pocketsphinx"},
    {"langs": ["en-canary4c", "xx"], "provider": "pocketsphinx"},
    {"provider": "cloud_stub", "model": NAME},
    {"provider": "pocketsphinx", "model": NAME},
    {"provider": "whisper_local", "model": NAME},
    {"endpointing": NAME},
    {NAME: NAME, "sample_rate": NAME},
]
FORMS: list[dict[str, str]] = [
    {"model": NAME},
    {"language": NAME},
    {"language": "es-canary4c", "model": "pocketsphinx"},
    {"response_format": NAME},
    {"model": "whisper_local", "language": "xx-canary4c"},
    {"timestamp_granularities[]": NAME, "response_format": "verbose_json"},
]


async def test_no_error_repeats_a_name_an_id_or_a_language(served: RunningServer) -> None:
    told: list[tuple[str, str]] = []
    async with httpx2.AsyncClient(base_url=served.url, timeout=20, trust_env=False) as http:
        for method, path, more in UNKNOWN:
            response = await http.request(method, path, **more)
            told.append((f"{method} {path} {more}", response.text))
            assert response.status_code >= 400 or '"type":"error"' in response.text, told[-1]
        for form in FORMS:
            files = {"file": ("a.wav", wav(make_sentence()), "audio/wav")}
            response = await http.post("/v1/audio/transcriptions", data=form, files=files)
            told.append((str(form), response.text))
    for config in SPOKEN:
        async with connect_speech_client(served.url) as client:
            await client.send("start", config=config)
            event = await client.event()
            if event["type"] == "error":
                told.append((str(config), event["message"]))
    assert len(told) > 35
    repeated = [(asked, text) for asked, text in told if re.search(r"canary|0000abcd", text, re.IGNORECASE)]
    assert not repeated


def test_the_configuration_tells_no_secret() -> None:
    environment = {
        "PROMPTER_LLM__OPENAI_COMPAT__API_KEY": SERVER_KEY,
        "PROMPTER_STT__OPENAI_COMPAT__API_KEY": REQUEST_KEY,
        "PROMPTER_LLM__PROFILES__MINE__API_KEY": PROFILE_KEY,
    }
    heard = Heard()
    heard.told("prompter config", run_prompter("config", env=environment).stdout)
    assert not heard.found

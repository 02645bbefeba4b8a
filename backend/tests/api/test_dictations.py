"""`/api/dictations` over HTTP, and what a speech session leaves there, whatever happens to its socket or server."""

import asyncio
import io
import os
import random
import re
import signal
import sqlite3
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.providers.media.flac import FlacCodec
from app.storage import connections
from tests.fakes.engine import FakeEngine, Script
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.command import COMMAND, make_environment
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    ResumingClient,
    SpeechClient,
    close_sockets,
    connect_speech_client,
    list_texts,
    make_sentence,
)

CHUNK = bytes(3200)
UNKNOWN = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"
FIRST = "(mock) transcripción final #1"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(Script(final=lambda _: "hola Ñandú")), limits={"stall_s": 20}) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client:
        for dictation in (await client.get("/api/dictations?limit=200")).json():
            await client.delete(f"/api/dictations/{dictation['id']}")
        yield client
    await close_sockets()


async def mocked(client: SpeechClient, finals: int, label: str | None = "s1", **config: Any) -> list[str]:
    """A dictation with the mock, to its end; the texts of its finals."""
    await client.start(label, provider="cloud_stub", **config)
    for _ in range(3 * finals):
        await client.connection.send(CHUNK)
    return list_texts(await client.stop())


async def listed(http: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await http.get("/api/dictations", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_what_was_said_is_there_at_once(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        said = await mocked(client, 2)
    (shown,) = await listed(http)
    assert {name: shown[name] for name in ("session_id", "provider", "model", "lang", "finals", "text")} == {
        "session_id": "s1", "provider": "cloud_stub", "model": None, "lang": None, "finals": 2, "text": FIRST,
    }  # fmt: skip
    assert shown["started_at"] <= shown["ended_at"]
    whole = (await http.get(f"/api/dictations/{shown['id']}")).json()
    assert whole["text"] == " ".join(said)
    assert whole["items"][1] | {"created_at": ""} == {
        "n": 1, "utterance_id": "2", "text": said[1], "raw_text": said[1], "start_ms": 300, "end_ms": 600,
        "lang": None, "joined": False, "recovered": False, "words": None, "created_at": "",
    }  # fmt: skip


async def test_a_dictation_is_there_while_it_goes_on(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start("s1", provider="cloud_stub")
        for chunks in (1, 2):
            for _ in range(chunks):
                await client.connection.send(CHUNK)
            await client.until("partial")
        await client.until("final")
        (shown,) = await listed(http)
        assert (shown["finals"], shown["ended_at"]) == (1, None)


async def test_an_engines_finals_are_kept_with_their_words(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    async with connect_speech_client(served.url) as client:
        await client.start("s1", words=True, endpointing="command")
        await client.audio(make_sentence())
        told = [event for event in await client.stop() if event["type"] == "final"]
    (shown,) = await listed(http, q="nandu")
    whole = (await http.get(f"/api/dictations/{shown['id']}")).json()
    for kept, event in zip(whole["items"], told, strict=True):
        assert [kept[name] for name in ("text", "start_ms", "end_ms", "lang")] == [
            event[name] for name in ("text", "start_ms", "end_ms", "lang")
        ]
        assert kept["words"] == (event["words"] or None)


async def test_one_dictation_for_each_start_and_none_without_a_final(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    async with connect_speech_client(served.url) as client:
        for finals in (1, 0, 2):
            await mocked(client, finals, None)
    assert [(shown["finals"], shown["session_id"]) for shown in await listed(http)] == [(2, None), (1, None)]


async def test_what_is_not_to_be_stored_is_not(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        await mocked(client, 2, store=False)
    assert await listed(http) == []
    asked = await http.post("/llm/generate", json={"session_id": "s1", "provider": "echo"})
    assert asked.status_code == 404


@pytest.mark.parametrize("provider", ["fake", "cloud_stub"])
async def test_a_lost_socket_makes_no_second_dictation(
    served: RunningServer, http: httpx2.AsyncClient, provider: str
) -> None:
    rng = random.Random(7)
    pcm = make_sentence(1.0) * 2
    chunks = [pcm[at : at + 6400] for at in range(0, len(pcm), 6400)]
    client = ResumingClient(served.url)
    await client.start(provider=provider, endpointing="command")
    await client.dictate(chunks, rng, 0.2, 16_000)
    assert client.cuts
    (shown,) = await listed(http)
    whole = (await http.get(f"/api/dictations/{shown['id']}")).json()
    assert [final["text"] for final in whole["items"]] == list_texts(client.events)
    assert shown["ended_at"]


async def test_pages(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        for number in range(5):
            await mocked(client, 1, f"s{number}")
    seen: list[str] = []
    way = "/api/dictations?limit=2&q=final"
    while way:
        page = await http.get(way)
        seen += [shown["session_id"] for shown in page.json()]
        link = re.fullmatch(r'<(/api/dictations\?[^>]+)>; rel="next"', page.headers.get("Link", ""))
        way = link[1] if link else ""
    assert seen == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=x", "before=1-2-3", "q=" + "x" * 501]
)
async def test_what_a_list_cannot_be_asked(http: httpx2.AsyncClient, query: str) -> None:
    answer = await http.get(f"/api/dictations?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_exports(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        await mocked(client, 2)
    (shown,) = await listed(http)
    files = {
        "txt": ("text/plain", "{0}\n{1}\n"),
        "srt": (
            "application/x-subrip",
            "1\n00:00:00,000 --> 00:00:03,470\n{0}\n{1}\n",
        ),
        "vtt": (
            "text/vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:03.470\n{0}\n{1}\n",
        ),
    }
    for form, (media, body) in files.items():
        answer = await http.get(f"/api/dictations/{shown['id']}?format={form}")
        assert answer.headers["Content-Type"] == f"{media}; charset=utf-8"
        assert re.fullmatch(
            rf'attachment; filename="dictation-[\d-]+\.{form}"', answer.headers["Content-Disposition"]
        )
        assert answer.text == body.format(FIRST, FIRST.replace("1", "2"))
    assert (await http.get(f"/api/dictations/{shown['id']}?format=exe")).status_code == 400


async def test_what_is_deleted_is_gone_everywhere(served: RunningServer, http: httpx2.AsyncClient) -> None:
    """Of a dictation that goes on nothing more is kept; its client hears no difference."""
    async with connect_speech_client(served.url) as client:
        await client.start("s1", provider="cloud_stub")
        for _ in range(3):
            await client.connection.send(CHUNK)
        await client.until("final")
        (shown,) = await listed(http)
        way = f"/api/dictations/{shown['id']}"
        assert (await http.delete(way)).json() == {"status": "deleted"}
        for _ in range(3):
            await client.connection.send(CHUNK)
        assert list_texts(await client.stop()) == [FIRST.replace("1", "2")]
    assert await listed(http) == []
    for answer in (await http.get(way), await http.delete(way), await http.get(f"/api/dictations/{UNKNOWN}")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    asked = await http.post("/llm/generate", json={"session_id": "s1", "provider": "echo"})
    assert asked.status_code == 404
    assert served.troubles == []


async def test_nobody_sees_what_another_said() -> None:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS) as served:
        team = Team(served.resources.settings)
        ana, bob = (make_bearer(team.token(team.add(name))) for name in ("ana", "bob"))
        async with connect_speech_client(served.url, additional_headers=ana) as client:
            said = " ".join(await mocked(client, 2))
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
            asked = {"session_id": "s1", "provider": "echo"}
            (mine,) = (await http.get("/api/dictations", headers=ana)).json()
            way = f"/api/dictations/{mine['id']}"
            assert (await http.post("/llm/generate", json=asked, headers=ana)).json()["text"] == said
            assert (await http.get("/api/dictations", headers=bob)).json() == []
            assert (await http.post("/llm/generate", json=asked, headers=bob)).status_code == 404
            for answer in (await http.get(way, headers=bob), await http.delete(way, headers=bob)):
                assert answer.status_code == 404
            async with connect_speech_client(served.url, additional_headers=bob) as client:
                await mocked(client, 1)
            assert (await http.post("/llm/generate", json=asked, headers=ana)).json()["text"] == said
            assert (await http.post("/llm/generate", json=asked, headers=bob)).json()["text"] == FIRST
            assert (await http.get(way, headers=ana)).json()["text"] == said


# -- servers that end, and databases that do not serve


def stored(folder: Path) -> list[tuple[str, int]]:
    """Label and number of finals of what is in a data folder."""
    with closing(sqlite3.connect(folder / "prompter.db")) as database:
        rows = database.execute(
            "SELECT session_label, count(*) FROM dictation_finals JOIN dictations ON dictations.id = dictation_id "
            "GROUP BY dictation_id ORDER BY started_at"
        )
        return [(row[0], row[1]) for row in rows]


async def test_what_was_final_when_the_server_ended_is_kept(tmp_path: Path) -> None:
    """The dictation goes on when the server is told to end; nobody has asked for it before."""
    with serve_engine(FakeEngine(), data_dir=tmp_path) as served:
        async with connect_speech_client(served.url) as client:
            await client.start("s1", provider="cloud_stub")
            for _ in range(30):
                await client.connection.send(CHUNK)
            for _ in range(10):
                await client.until("final")
            served.server.should_exit = True
            await client.until_closed()
    assert stored(tmp_path) == [("s1", 10)]


async def test_a_locked_database_delays_no_dictation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._PRAGMAS, "busy_timeout", 50)
    with (
        serve_engine(FakeEngine(), data_dir=tmp_path) as served,
        closing(sqlite3.connect(tmp_path / "prompter.db", isolation_level=None)) as lock,
    ):
        lock.execute("BEGIN IMMEDIATE")
        async with connect_speech_client(served.url) as client, asyncio.timeout(10):
            assert len(await mocked(client, 50)) == 50
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as http:
            assert (await http.get("/api/dictations")).json() == []
            metrics = (await http.get("/metrics")).text
            assert "prompter_finals_unstored 50.0" in metrics
        lock.execute("ROLLBACK")
    told = [line for line in served.log if "finals cannot be stored now" in line]
    assert len(told) == 1
    assert not any("transcripción" in line for line in served.log)
    assert stored(tmp_path) == [("s1", 50)]


@contextmanager
def process(folder: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server of its own, for tests that kill it."""
    env = make_environment(PROMPTER_DATA_DIR=str(folder), PROMPTER_STT__PROVIDER="cloud_stub")
    command = [*COMMAND, "serve", "--port", str(port)]
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.kill()
        server.wait(10)


async def up(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await http.get("/health")
                return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


@pytest.mark.once
async def test_what_was_listed_survives_kill_9(tmp_path: Path, reserved_port: int) -> None:
    """And is still the label's latest dictation for `/llm/generate`."""
    with process(tmp_path, reserved_port) as (url, server):
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
            await up(http)
            async with connect_speech_client(url) as client:
                await client.start("s1")
                for _ in range(60):
                    await client.connection.send(CHUNK)
                for _ in range(20):
                    await client.until("final")
                (before,) = await listed(http)
                server.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
                server.wait(10)
    assert before["finals"] == 20
    with process(tmp_path, reserved_port) as (url, _):
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
            await up(http)
            (after,) = await listed(http)
            assert after == {**before, "state": "interrupted"}
            asked = {"session_id": "s1", "provider": "echo"}
            said = (await http.post("/llm/generate", json=asked)).json()["text"]
            assert said.count("(mock)") == 20


# -- how far a dictation is, and its audio


async def wait_for_state(http: httpx2.AsyncClient, dictation_id: str, state: str) -> dict[str, Any]:
    with anyio.fail_after(10):
        while True:
            told: dict[str, Any] = (await http.get(f"/api/dictations/{dictation_id}")).json()
            if told.get("state") == state:
                return told
            await anyio.sleep(0.02)


async def test_a_dictation_says_how_far_it_is_from_its_first_chunk_on(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    sentence = make_sentence()
    async with connect_speech_client(served.url) as client:
        ready = await client.start("s1")
        assert (await http.get("/api/dictations")).json() == []
        await client.audio(sentence[:3200])
        told = await wait_for_state(http, ready["dictation_id"], "recording")
        assert (told["finals"], told["audio"], told["ended_at"]) == (0, None, None)
        assert (await http.get(f"/api/dictations/{told['id']}/audio")).status_code == 404
        await client.audio(sentence[3200:])
        await client.stop()
    told = await wait_for_state(http, ready["dictation_id"], "kept")
    assert told["finals"] >= 1
    [listed] = (await http.get("/api/dictations")).json()
    assert (listed["state"], listed["audio"]) == (told["state"], told["audio"])
    assert 0 < told["audio"]["ms"] < 60_000


async def test_its_audio_is_heard_whole_and_in_part(served: RunningServer, http: httpx2.AsyncClient) -> None:
    sentence = make_sentence()
    async with connect_speech_client(served.url) as client:
        ready = await client.start("s1")
        await client.audio(sentence)
        await client.stop()
    await wait_for_state(http, ready["dictation_id"], "kept")
    path = f"/api/dictations/{ready['dictation_id']}/audio"
    whole = await http.get(path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/wav")
    assert (whole.headers["cache-control"], whole.headers["x-content-type-options"]) == (
        "no-store",
        "nosniff",
    )
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-length"] == str(len(whole.content))
    assert re.search(r'filename="dictation-[-0-9]+\.wav"', whole.headers["content-disposition"])
    with wave.open(io.BytesIO(whole.content)) as file:
        assert file.readframes(file.getnframes()) == sentence
    size = len(whole.content)
    for asked, part in (("0-9", slice(0, 10)), ("40-51", slice(40, 52)), (f"{size - 3}-", slice(-3, None))):
        some = await http.get(path, headers={"Range": f"bytes={asked}"})
        assert (some.status_code, some.content) == (206, whole.content[part])
        assert some.headers["content-range"].endswith(f"/{size}")
    behind = await http.get(path, headers={"Range": f"bytes={size}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
    flac = await http.get(path, params={"format": "flac"})
    assert (flac.headers["content-type"], flac.headers["accept-ranges"]) == ("audio/flac", "none")
    assert FlacCodec().decode(flac.content) == sentence
    assert (await http.get(path, params={"format": "mp3"})).status_code == 400
    assert (await http.delete(f"/api/dictations/{ready['dictation_id']}")).status_code == 200
    assert (await http.get(path)).status_code == 404


async def test_a_user_decides_whether_audio_is_kept(served: RunningServer, http: httpx2.AsyncClient) -> None:
    async with connect_speech_client(served.url) as client:
        ready = await client.start("s1")
        await client.audio(make_sentence())
        await client.stop()
    await wait_for_state(http, ready["dictation_id"], "kept")
    limits = {"attachment_files": 20, "attachment_bytes": 25 << 20}
    assert (await http.get("/api/settings")).json() == {"keep_audio": True, "audio_hours": 24, **limits}
    try:
        off = await http.patch("/api/settings", json={"keep_audio": False})
        assert off.json() == {"keep_audio": False, "audio_hours": 24, **limits}
        told = await wait_for_state(http, ready["dictation_id"], "final")
        assert told["audio"] is None
        async with connect_speech_client(served.url) as client:
            ready = await client.start("s2")
            await client.audio(make_sentence())
            await client.stop()
        await wait_for_state(http, ready["dictation_id"], "final")
        data = served.resources.settings.data_dir
        with anyio.fail_after(30):
            while list(data.glob("spool/*/*")) or list(data.glob("audio/*/*")):  # noqa: ASYNC110  # a thread deletes
                await anyio.sleep(0.02)
        assert (await http.patch("/api/settings", json={})).json()["keep_audio"] is False
        assert (await http.patch("/api/settings", json={"keep_audio": "yes"})).status_code == 400
    finally:
        await http.patch("/api/settings", json={"keep_audio": True})


async def test_a_dictation_without_speech_is_listed_only_while_it_goes_on(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    async with connect_speech_client(served.url) as client:
        ready = await client.start("s1")
        await client.audio(bytes(32_000))
        await wait_for_state(http, ready["dictation_id"], "recording")
        await client.stop()
    with anyio.fail_after(10):
        while (await http.get("/api/dictations")).json():  # noqa: ASYNC110
            await anyio.sleep(0.02)
    assert (await http.get(f"/api/dictations/{ready['dictation_id']}")).status_code == 404


async def test_a_dictation_that_is_deleted_while_it_goes_on_leaves_no_audio(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    data = served.resources.settings.data_dir
    async with connect_speech_client(served.url) as client:
        ready = await client.start("s1", events=["ack"])
        await client.audio(make_sentence())
        while not (await client.until("ack"))[-1]["safe_ms"]:
            pass
        spooled = [
            path for path in data.glob("spool/*/about.json") if ready["dictation_id"] in path.read_text()
        ]
        assert spooled
        assert (await http.delete(f"/api/dictations/{ready['dictation_id']}")).status_code == 200
        assert not spooled[0].exists()
        await client.audio(make_sentence())
        await client.stop()
    assert not [path for path in data.glob("*/*/about.json") if ready["dictation_id"] in path.read_text()]

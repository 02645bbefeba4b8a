"""A dictation is heard again over HTTP: spoken, redone, compared, chosen, exported; a server that dies meanwhile."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.fakes.engine import FakeEngine, FakeStream, Script
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import run_server_process_at
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import close_sockets, connect_speech_client, load_speech, make_sentence

pytestmark = pytest.mark.once

MADE_S = 30.0
UNKNOWN = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"


class Heard:
    """Texts that differ by how often something was heard."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, stream: FakeStream) -> str:
        self.count += 1
        return "Send the male." if self.count == 1 else f"Send the mail, number {self.count}."


@pytest.fixture
def served(storage_arguments: dict[str, Any]) -> Iterator[RunningServer]:
    script = Script(final=Heard(), languages=("en", "es"))
    with serve_engine(FakeEngine(script), **storage_arguments) as served:
        yield served


@pytest.fixture
def storage_arguments(storage_settings: Any) -> dict[str, Any]:
    """On each of the two databases."""
    return {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client:
        yield client
    await close_sockets()


async def dictate(url: str, http: httpx2.AsyncClient, audio: bytes) -> str:
    """A dictation whose audio is kept; its path."""
    async with connect_speech_client(url) as client:
        ready = await client.start(endpointing="command")
        await client.audio(audio)
        await client.stop()
    path = f"/api/dictations/{ready['dictation_id']}"
    await wait_for(http, path, lambda found: found.get("audio"))
    return path


async def wait_for(http: httpx2.AsyncClient, path: str, holds: Any) -> dict[str, Any]:
    with anyio.fail_after(MADE_S):
        while True:
            answer = await http.get(path)
            found: dict[str, Any] = answer.json()
            if answer.status_code == 200 and holds(found):
                return found
            await anyio.sleep(0.05)


async def make(http: httpx2.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """A version, once it is made."""
    begun = await http.post(f"{path}/redo", json=body)
    assert begun.status_code == 202, begun.text
    version = f"{path}/versions/{begun.json()['id']}"
    return await wait_for(http, version, lambda found: found["status"] != "working")


async def test_spoken_heard_again_compared_and_chosen(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    path = await dictate(served.url, http, make_sentence())
    first = (await http.get(path)).json()
    assert (first["text"], first["current_version"]) == ("Send the male.", first["id"])
    made = await make(http, path, provider="fake", model="large", lang="es")
    assert (made["status"], made["text"], made["current"]) == ("done", "Send the mail, number 2.", True)
    assert (made["provider"], made["model"]) == ("fake", "large")
    assert [word["word"] for word in made["items"][0]["words"]] == ["Send", "the", "mail,", "number", "2."]

    live, again = (await http.get(f"{path}/versions")).json()
    assert (live["id"], live["original"], live["current"], live["text"]) == (
        first["id"],
        True,
        False,
        "Send the male.",
    )
    assert again == {name: value for name, value in made.items() if name != "items"}
    shown = (await http.get(path)).json()
    assert (shown["text"], shown["current_version"]) == (made["text"], made["id"])
    assert shown["items"] == made["items"]
    (listed,) = (await http.get("/api/dictations")).json()
    assert (listed["text"], listed["model"], listed["finals"]) == (made["text"], "large", 1)

    for version, text in ((live["id"], "Send the male.\n"), (again["id"], "Send the mail, number 2.\n")):
        exported = await http.get(f"{path}/versions/{version}?format=txt")
        assert exported.text == text
        assert "attachment" in exported.headers["content-disposition"]
    assert (await http.get(f"{path}/versions/{again['id']}?format=srt")).text.startswith("1\n00:00:0")

    for chosen in (live["id"], None):
        back = await http.patch(path, json={"current_version": chosen})
        assert (back.json()["text"], back.json()["current_version"]) == ("Send the male.", first["id"])
    assert (await http.patch(path, json={"current_version": again["id"]})).json()["text"] == made["text"]
    assert (await http.delete(f"{path}/versions/{again['id']}")).status_code == 200
    assert (await http.get(path)).json()["text"] == "Send the male."
    assert len((await http.get(f"{path}/versions")).json()) == 1


async def test_the_same_request_makes_one_version(served: RunningServer, http: httpx2.AsyncClient) -> None:
    path = await dictate(served.url, http, make_sentence())
    key = {"Idempotency-Key": "once"}
    made = [(await http.post(f"{path}/redo", json={}, headers=key)).json()["id"] for _ in range(3)]
    assert len(set(made)) == 1
    other = await http.post(f"{path}/redo", json={"lang": "es"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "id_reused")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"provider": "nobody"}, 400, "unknown_provider"),
        ({"provider": "fake", "model": "nothing"}, 400, "unknown_model"),
        ({"provider": "fake", "lang": "fr"}, 400, "language_not_supported"),
        ({"lang": "?"}, 400, "language_not_supported"),
        ({"lang": 7}, 400, "bad_request"),
    ],
)
async def test_what_is_not_there_is_said(
    served: RunningServer, http: httpx2.AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    path = await dictate(served.url, http, make_sentence())
    refused = await http.post(f"{path}/redo", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert len((await http.get(f"{path}/versions")).json()) == 1


async def test_without_audio_it_is_said_how_long_it_is_kept(
    served: RunningServer, http: httpx2.AsyncClient
) -> None:
    path = await dictate(served.url, http, make_sentence())
    deleted = await http.delete(f"{path}/audio")
    assert (deleted.status_code, deleted.json()) == (200, {"status": "deleted"})
    found = (await http.get(path)).json()
    assert (found["audio"], found["text"]) == (None, "Send the male.")
    refused = await http.post(f"{path}/redo", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "audio_not_kept")
    assert "24 hours" in refused.json()["error"]["message"]
    for method, unknown in (("POST", "redo"), ("GET", "versions"), ("DELETE", "audio")):
        answer = await http.request(method, f"/api/dictations/{UNKNOWN}/{unknown}", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_a_server_that_dies_meanwhile_leaves_nothing_half_written(tmp_path: Path) -> None:
    """`kill -9` while it listens: the version says so after the start, the text before is shown, and it can be made."""
    settings = {
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
    }
    speech = load_speech(name="en_two_requests_16k").tobytes()
    async with (
        run_server_process_at(0, tmp_path, **settings) as server,
        httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=20) as http,
    ):
        path = await dictate(server.url, http, speech)
        before = (await http.get(path)).json()
        begun = (await http.post(f"{path}/redo", json={"lang": "en"})).json()
        server.kill()
    async with (
        run_server_process_at(0, tmp_path, **settings) as server,
        httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=20) as http,
    ):
        broken = (await http.get(f"{path}/versions/{begun['id']}")).json()
        assert (broken["status"], broken["items"], broken["text"]) == ("failed", [], "")
        assert broken["error"]["note"]["code"] == "redo_interrupted"
        assert (await http.get(path)).json()["text"] == before["text"]
        made = await make(http, path, lang="en")
        assert made["status"] == "done"
        normal = [re.sub(r"\W+", " ", text).lower().strip() for text in (made["text"], before["text"])]
        assert normal[0] == normal[1]

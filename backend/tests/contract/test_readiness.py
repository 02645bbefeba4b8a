"""`/health/ready` on a real server: each part that the server stands on, and the database, are told when they fail."""

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx2
import pytest

from app.services.chat.answer import AnswerRun
from app.services.decoding.providers import SttProviders
from app.services.history.dictation_writer import DictationWriter
from app.storage import lifecycle
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.llm_providers import FakeChat, with_models
from tests.support.agent_runs import SECRET, Panic
from tests.support.conversations import ChatClient, make_client
from tests.support.database import PostgresServer
from tests.support.server import DATABASE, RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, make_sentence


async def _panic(*_: Any) -> None:
    raise Panic(SECRET)


def until_it_says(http: httpx2.Client, wanted: Callable[[dict[str, Any]], bool]) -> httpx2.Response:
    deadline = time.monotonic() + 30
    while not wanted((answer := http.get("/health/ready")).json()):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    return answer


def until_logged(served: RunningServer, line: str) -> None:
    deadline = time.monotonic() + 30
    while line not in "\n".join(served.log):
        assert time.monotonic() < deadline, served.log
        time.sleep(0.02)


def is_ready(body: dict[str, Any]) -> bool:
    return body == {"status": "ready"}


def is_failing(body: dict[str, Any]) -> bool:
    return bool(body["status"] == "failing")


@pytest.mark.parametrize(
    ("owner", "name", "problem"),
    [
        (SttProviders, "keep_warm", "speech engines: failed: default engine"),
        (DictationWriter, "_run", "stored dictations: failed: storing"),
        (lifecycle, "_beat", "database: failed: lease"),
        (lifecycle, "_apply_retention_daily", "database: failed: retention"),
        (lifecycle.DatabaseHealth, "watch", "database: failed: watch"),
    ],
)
def test_a_loop_that_fails_is_told_and_harms_nothing_else(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, problem: str
) -> None:
    monkeypatch.setattr(owner, name, _panic)
    with (
        serve_engine(
            FakeEngine(), storage={"retention_days": 30}, llm={"provider": "echo", "discover": False}
        ) as served,
        make_client(served) as http,
    ):
        answer = until_it_says(http, is_failing)
        assert answer.status_code == 503
        assert answer.json()["problems"] == [f"{problem}; the log has the place"]
        chat = ChatClient(http)
        chat.say(chat.conversation(), "hello")
        assert SECRET not in "\n".join(served.log)


def test_an_answer_that_panics_ends_no_other_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serve_engine(FakeEngine(), llm={"provider": "echo", "discover": False}) as served,
        make_client(served) as http,
    ):
        chat = ChatClient(http)
        place = chat.conversation()
        with monkeypatch.context() as patch:
            patch.setattr(AnswerRun, "_make", _panic)
            [*_, last] = chat.events("/api/chat/stream", conversation_id=place, message="hello")
            assert (last.name, last.data["code"]) == ("error", "internal_error")
        with monkeypatch.context() as patch:
            patch.setattr(AnswerRun, "run", _panic)
            turn = {"conversation_id": chat.conversation(), "message": "hello"}
            with http.stream("POST", "/api/chat/stream", json=turn) as answer:
                assert answer.status_code == 200
                until_logged(served, "unexpected Panic in answers")
        chat.say(chat.conversation(), "hello")
        until_it_says(http, is_ready)
        assert SECRET not in "\n".join(served.log)


@pytest.mark.parametrize("kind", [Panic, SystemExit, KeyboardInterrupt])
async def test_what_engines_and_models_raise_is_their_failure_alone(kind: type[BaseException]) -> None:
    """As a tool's: of whatever class it is."""
    engine = FakeEngine(Script(failures={"finish": kind(SECRET)}))
    with (
        serve_engine(
            engine,
            registrations=with_models(fake=FakeChat(script=[kind(SECRET)])),
            llm={"provider": "fake", "discover": False},
            assistants={"named": {"bot": {"model": "fake/tiny", "toolsets": ["calculator"]}}},
        ) as served,
        make_client(served) as http,
    ):
        for model in ("fake/tiny", "bot"):
            body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
            for stream in (False, True):
                answer = http.post("/v1/chat/completions", json={**body, "stream": stream})
                assert "engine_failed" in answer.text
            chat = ChatClient(http)
            turn = {"conversation_id": chat.conversation(model=model), "message": "hello"}
            assert chat.events("/api/chat/stream", **turn)[-1].data["code"] == "engine_failed"
        async with connect_speech_client(served.url) as speech:
            await speech.start("s1")
            await speech.audio(make_sentence())
            await speech.send("stop")
            assert (await speech.until("error"))[-1]["code"] == "engine_failed"
        engine.script.failures = {"status": kind(SECRET), "models": kind(SECRET)}
        assert http.get("/providers/stt").status_code == 200
        engine.script.failures = {}
        until_it_says(http, is_ready)
        assert SECRET not in "\n".join(served.log)


def test_a_database_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "WATCH_S", 0.05)
    with serve_engine(FakeEngine()) as served, make_client(served) as http:
        until_it_says(http, is_ready)
        with closing(sqlite3.connect(served.resources.settings.data_dir / DATABASE)) as file:
            file.execute("ALTER TABLE runs RENAME TO lost")
            told = until_it_says(http, is_failing)
            assert told.status_code == 503
            [problem] = told.json()["problems"]
            assert problem.startswith("the database cannot be read: ")
            file.execute("ALTER TABLE lost RENAME TO runs")
        until_it_says(http, is_ready)


def test_a_database_that_is_away_is_told(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, postgres_template: str
) -> None:
    monkeypatch.setattr(lifecycle, "WATCH_S", 0.05)
    url = postgres_server.create(postgres_template)
    with serve_engine(FakeEngine(), storage={"url": url}) as served, make_client(served) as http:
        until_it_says(http, is_ready)
        postgres_server.stop()
        try:
            told = until_it_says(http, is_failing)
        finally:
            postgres_server.start()
        assert "the database cannot be read" in told.text
        until_it_says(http, is_ready)


def test_a_database_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "SILENCE_S", 0.2)
    monkeypatch.setattr(lifecycle, "WATCH_S", 5.0)
    with serve_engine(FakeEngine()) as served, make_client(served) as http:
        told = until_it_says(http, is_failing)
        assert re.search(r"the database has not answered for \d+ s", told.text), told.text

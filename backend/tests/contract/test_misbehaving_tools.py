"""Tools of somebody else that raise anything, hang, and refuse to end, on a real server: nothing else notices."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from app.providers.registry import Registration
from app.toolsets.base import FunctionToolset, ToolContext
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import with_models
from tests.fakes.scripted_chat import ScriptedChat, answer_round, call_round
from tests.support.agent_runs import SECRET, Panic
from tests.support.conversations import ChatClient, make_client
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client

BOT = {"model": "scripted/tiny", "toolsets": ["wild"]}


@dataclass
class Wild:
    """A toolset that misbehaves until it is told to end."""

    go_on: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    written: threading.Event = field(default_factory=threading.Event)

    def toolset(self, _settings: object) -> FunctionToolset:
        made = FunctionToolset("wild", "of the tests")

        @made.tool
        async def panic(context: ToolContext) -> str:
            """Fail as native libraries do."""
            raise Panic(SECRET)

        @made.tool
        def hang(context: ToolContext) -> str:
            """Hang in a thread."""
            self.begun.release()
            self.go_on.wait(60)
            return "at last"

        @made.tool(writes=True)
        def write(context: ToolContext) -> str:
            """Write slowly."""
            self.go_on.wait(60)
            self.written.set()
            return "written"

        return made


@contextmanager
def serving_wild(
    *rounds: list[Any], **assistants: Any
) -> Iterator[tuple[httpx2.Client, ScriptedChat, Wild, RunningServer]]:
    chat, wild = ScriptedChat(rounds), Wild()
    registrations = replace(
        with_models(scripted=chat), toolsets={"wild": Registration("wild", lambda: wild.toolset, "tests")}
    )
    with (
        serve_engine(
            FakeEngine(),
            registrations=registrations,
            llm={"discover": False},
            assistants={"named": {"bot": BOT}, "shipped": False, **assistants},
        ) as served,
        make_client(served) as http,
    ):
        try:
            yield http, chat, wild, served
        finally:
            wild.go_on.set()


def ask(http: httpx2.Client, model: str = "bot") -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    return http.post("/v1/chat/completions", json=body)


async def test_a_panic_is_the_failure_of_its_call_alone() -> None:
    with serving_wild(call_round(("panic", "{}")), answer_round("Sorry.")) as (http, chat, _, served):
        client = ChatClient(http)
        for _ in range(2):
            assert ask(http).json()["choices"][0]["message"]["content"] == "Sorry."
            assert "the tool failed (Panic)" in chat.answers[0]["content"]
            events = client.events(
                "/api/chat/stream", conversation_id=client.conversation(model="bot"), message="Hi"
            )
            errors = [event.data for event in events if event.name == "tool_error"]
            assert [error["code"] for error in errors] == ["tool_failed"]
            assert events[-1].name == "done"
        async with connect_speech_client(served.url) as speech:
            await speech.start("s1")
        assert http.get("/health/ready").json() == {"status": "ready"}
        log = "\n".join(served.log)
        assert "tool panic failed: Panic" in log
        assert SECRET not in log


def test_slow_plain_functions_delay_nothing_else() -> None:
    """Web pages and exports share 40 threads; 44 slow calls would take them all."""
    rounds = call_round(("hang", "{}")), answer_round("Done.")
    with serving_wild(*rounds, threads=32) as (http, _, wild, _served):
        pool = ThreadPoolExecutor(44)
        try:
            asked = [pool.submit(ask, http) for _ in range(44)]
            for _ in range(32):
                assert wild.begun.acquire(timeout=20)
            started_s = time.monotonic()
            page = http.get("/docs/static/swagger-ui.css")
            assert page.status_code == 200
            assert time.monotonic() - started_s < 5
            assert not any(each.done() for each in asked)
            wild.go_on.set()
            assert {each.result().status_code for each in asked} == {200}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def test_an_approved_write_that_is_late_is_told_as_unknown() -> None:
    with serving_wild(call_round(("write", "{}")), answer_round("Hm."), call_s=0.2) as (http, chat, wild, _):
        client = ChatClient(http)
        body = {"conversation_id": client.conversation(model="bot"), "message": "Write it"}
        events: list[str] = []
        with http.stream("POST", "/api/chat/stream", json=body) as answer:
            for line in answer.iter_lines():
                events.append(line)
                if line == "event: approval_required":
                    message_id = client.messages(body["conversation_id"])[-1]["id"]
                    path = f"/api/messages/{message_id}/approvals/call_1"
                    assert http.post(path, json={"approved": True}).status_code == 200
        [error] = [line for line in events if '"tool_timeout"' in line]
        told = "it cannot be stopped and may still finish: whether it did what it was asked is unknown"
        assert told in error
        assert told in chat.answers[0]["content"]
        assert not wild.written.is_set()
        wild.go_on.set()
        assert wild.written.wait(10), "what the model was told is true"


def test_hanging_calls_are_bounded_and_told() -> None:
    rounds = call_round(("hang", "{}")), answer_round("Hm.")
    with serving_wild(*rounds, call_s=0.05, threads=4) as (http, chat, _wild, served):
        before = threading.active_count()
        for _ in range(12):
            assert ask(http).status_code == 200
        assert threading.active_count() <= before + 4 + 2  # two for whatever else needs one
        assert "4 earlier calls of tools do not end (assistants.threads)" in chat.answers[0]["content"]
        assert "tool hang goes on although its call is over; 4 calls do" in "\n".join(served.log)
        assert ask(http, "echo").status_code == 200

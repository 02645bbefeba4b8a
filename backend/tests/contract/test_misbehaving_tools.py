"""Tools of somebody else that raise anything, hang, and refuse to end, on a real server: nothing else notices."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.providers.registry import Registration
from app.toolsets.base import FunctionToolset, ToolContext
from tests.fakes.chat_upstream import make_answer
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import with_models
from tests.fakes.scripted_chat import ScriptedChat, answer_round, call_round
from tests.fakes.upstream import FakeUpstream, Reply, Request
from tests.support.agent_runs import SECRET, Panic
from tests.support.command import BACKEND, run_server_process
from tests.support.conversations import ChatClient, make_client
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client

pytestmark = pytest.mark.once

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
            page = http.get("/docs/static/swagger-ui.css")
            assert page.status_code == 200
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


STUBBORN = """
import asyncio, threading, time
from prompter import FunctionToolset, ToolContext

def stubborn(settings):
    toolset = FunctionToolset("stubborn", "refuses to end")

    @toolset.tool
    async def refuse(context: ToolContext) -> str:
        print("it has begun", flush=True)
        while True:
            try:
                await asyncio.sleep(3600)
            except BaseException:
                pass

    @toolset.tool
    def hang(context: ToolContext) -> str:
        print("it has begun", flush=True)
        threading.Event().wait()

    @toolset.tool
    async def block(context: ToolContext) -> str:
        print("it has begun", flush=True)
        time.sleep(3600)

    return toolset
"""


class CallingModel(FakeUpstream):
    """A fake model that calls one tool."""

    tool = ""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        call = {"id": "0", "type": "function", "function": {"name": self.tool, "arguments": "{}"}}
        return make_answer(request.json, [{"tool_calls": [{"index": 0, **call}]}], "tool_calls")


@pytest.mark.parametrize(
    ("tool", "path", "within_s", "code"),
    [
        ("refuse", "/v1/chat/completions", 9, 0),
        ("refuse", "/api/chat/stream", 9, 0),
        ("hang", "/api/chat/stream", 9, 0),
        ("block", "/api/chat/stream", 15, 1),
    ],
)
async def test_no_tool_keeps_a_server_from_ending(
    tmp_path: Path, tool: str, path: str, within_s: float, code: int
) -> None:
    package = tmp_path / "packages"
    info = package / "stubborn-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[prompter.toolsets]\nstubborn = stubborn:stubborn\n")
    async with CallingModel().serve() as upstream:
        upstream.tool = tool
        env = {
            "OPENAI_BASE_URL": upstream.base_url,
            "OPENAI_API_KEY": "k",
            "OPENAI_MODEL": "tiny",
            "PYTHONPATH": f"{BACKEND}:{package}",
            "PROMPTER_ASSISTANTS__NAMED": json.dumps({"bot": {"toolsets": ["stubborn"]}}),
            "PROMPTER_LIMITS__STOP_S": "0",
        }
        async with run_server_process(tmp_path, **env) as server, anyio.create_task_group() as group:
            async with server.client(60) as client:
                group.start_soon(_ask_until_it_ends, client, path)
                with anyio.fail_after(30):
                    while "it has begun" not in server.log:  # noqa: ASYNC110  # another process writes it
                        await anyio.sleep(0.02)
                took_s = await server.end(signal.SIGTERM)
            assert took_s < within_s
            assert server.process.returncode == code, server.log
            group.cancel_scope.cancel()


async def _ask_until_it_ends(client: httpx2.AsyncClient, path: str) -> None:
    """Ask the assistant; the server ends before it has answered."""
    try:
        if path == "/api/chat/stream":
            made = (await client.post("/api/conversations", json={"model": "bot"})).json()["id"]
            body = {"conversation_id": made, "message": "Hi"}
        else:
            body = {"model": "bot", "messages": [{"role": "user", "content": "Hi"}]}
        await client.post(path, json=body)
    except httpx2.TransportError:
        return

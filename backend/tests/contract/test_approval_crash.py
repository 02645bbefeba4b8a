"""An assistant asks its user, and the server is killed, ended, or read by others meanwhile; nothing runs unallowed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.chat_upstream import get_text, make_answer
from tests.fakes.upstream import FakeUpstream, Reply, Request
from tests.support.command import ServerProcess, run_server_process
from tests.support.conversations import SseEvent, join_content, parse_events

pytestmark = pytest.mark.once

KEEPER = {"toolsets": ["calculator"], "approval": {"calculate": "ask"}, "instructions": "Count."}


class CountingModel(FakeUpstream):
    """A fake model that has a sum worked out, and says what came of it."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        body = request.json
        last = body["messages"][-1]
        if last["role"] == "tool":
            return make_answer(body, [{"content": f"told: {get_text(last)}"}])
        function = {"name": "calculate", "arguments": '{"expression": "6 * 7"}'}
        call = {"id": "0", "type": "function", "function": function}
        return make_answer(
            body, [{"content": "Wait. "}, {"tool_calls": [{"index": 0, **call}]}], "tool_calls"
        )

    @property
    def rounds(self) -> int:
        return sum(request.method == "POST" for request in self.requests)


@asynccontextmanager
async def keeping(folder: Path, upstream: FakeUpstream) -> AsyncIterator[ServerProcess]:
    env = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "tiny"}
    named = json.dumps({"keeper": KEEPER})
    async with run_server_process(folder, PROMPTER_ASSISTANTS__NAMED=named, **env) as server:
        yield server


async def asked(client: httpx2.AsyncClient, path: str, **body: Any) -> list[SseEvent]:
    """The events up to a question."""
    come = ""
    async with client.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200
        async for part in answer.aiter_text():
            come += part
            if "event: approval_required" in come and come.endswith("\n\n"):
                return parse_events(come)
    raise AssertionError(f"nobody was asked: {come}")


async def said(client: httpx2.AsyncClient, message_id: str, last: str = "") -> list[SseEvent]:
    answer = await client.get(f"/api/chat/stream/{message_id}", headers={"Last-Event-ID": last})
    return parse_events(answer.text)


async def decide(client: httpx2.AsyncClient, message_id: str, approved: bool) -> httpx2.Response:
    return await client.post(f"/api/messages/{message_id}/approvals/call_1", json={"approved": approved})


@pytest.mark.parametrize("how", ["killed", "ended"])
async def test_a_server_that_goes_takes_its_question_along(tmp_path: Path, how: str) -> None:
    async with CountingModel().serve() as upstream:
        async with keeping(tmp_path, upstream) as server, server.client() as client:
            made = (await client.post("/api/conversations", json={"model": "keeper"})).json()["id"]
            seen = await asked(client, "/api/chat/stream", conversation_id=made, message="how much?")
            message_id = seen[0].data["message_id"]
            if how == "killed":
                server.kill()
            else:
                assert await server.end() < 10
        async with keeping(tmp_path, upstream) as server, server.client() as client:
            answer = (await client.get(f"/api/conversations/{made}/messages")).json()[-1]
            assert (answer["status"], answer["error"]["code"]) == ("interrupted", "interrupted")
            last = answer["tool_events"][-1]
            assert (last["event"], last["data"]["code"]) == ("tool_error", "interrupted")
            late = await decide(client, message_id, True)
            assert (late.status_code, late.json()["error"]["code"]) == (409, "approval_over")
            rest = await said(client, message_id, seen[-1].id)
            assert [event.name for event in rest][-2:] == ["tool_error", "error"]
            whole = await said(client, message_id)
            names = ["message", "tool_call", "approval_required", "tool_error", "error"]
            assert [event.name for event in whole] == names
            assert upstream.rounds == 1, "nothing was run, and no model told of it"
            again = await asked(client, f"/api/messages/{message_id}/regenerate")
            other_id = again[0].data["message_id"]
            assert (await decide(client, other_id, True)).status_code == 200
            events = await said(client, other_id)
            assert (events[-1].name, events[-1].data["model"]) == ("done", "keeper")
            assert "42" in join_content(events)
            assert upstream.rounds == 3


async def test_a_call_that_is_denied_is_told_to_the_model(tmp_path: Path) -> None:
    async with (
        CountingModel().serve() as upstream,
        keeping(tmp_path, upstream) as server,
        server.client() as client,
    ):
        made = (await client.post("/api/conversations", json={"model": "keeper"})).json()["id"]
        seen = await asked(client, "/api/chat/stream", conversation_id=made, message="how much?")
        message_id = seen[0].data["message_id"]
        assert (await decide(client, message_id, False)).json()["decision"] == "denied"
        events = await said(client, message_id)
        assert [event.data["code"] for event in events if event.name == "tool_error"] == ["denied"]
        assert "did not allow" in join_content(events)
        assert "42" not in join_content(events)

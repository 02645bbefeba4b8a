"""Assistants over HTTP: chosen like any other model, with the rights of whoever asks, and gone when they leave."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import httpx2
import pytest

from app.core.errors import UpstreamError, UpstreamRateLimited
from app.providers.agent import loader
from app.providers.registry import Registration
from app.services.assistants import assistant, registry
from app.toolsets.base import FunctionToolset, ToolContext
from app.toolsets.registry import list_toolset_registrations
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import with_models
from tests.fakes.scripted_chat import ScriptedChat, answer_round, call_round, chunk
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import make_client, read_error
from tests.support.server import RunningServer, serve_engine

SAID = [{"role": "user", "content": "Hi"}]
BOT = {
    "title": "The bot",
    "description": "Helps",
    "instructions": "Be brief.",
    "model": "scripted/tiny",
    "toolsets": ["mine", "calculator"],
}
SECRET = "sk-secret-0123456789"
SUM = call_round(("calculate", '{"expression": "20 + 22"}'), before="Let me see.")
ANSWER = "Let me see.\n\nIt is 42."


@dataclass
class Mine:
    """What became of a toolset of the tests' own."""

    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    callers: list[str] = field(default_factory=list)
    wrote: int = 0

    def toolset(self, _settings: object) -> FunctionToolset:
        made = FunctionToolset("mine", "of the tests")

        @made.tool
        async def wait(context: ToolContext) -> str:
            """Wait for ever."""
            self.begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.ended.set()
            return ""

        @made.tool
        def who(context: ToolContext) -> str:
            """Who asks."""
            self.callers.append(context.caller.name)
            return str(context.caller.user_id)

        @made.tool(writes=True)
        def write(context: ToolContext) -> str:
            """Change something."""
            self.wrote += 1
            return "written"

        return made


@contextmanager
def assisting(
    rounds: Sequence[Sequence[Any]], **fields: Any
) -> Iterator[tuple[httpx2.Client, ScriptedChat, Mine, RunningServer]]:
    """A server with the assistant `bot`, over a model that follows `rounds`."""
    chat, mine = ScriptedChat(rounds), Mine()
    known = {
        **list_toolset_registrations(),
        "mine": Registration("mine", lambda: mine.toolset, "tests"),
        "nothing": Registration("nothing", lambda: _nothing, "tests"),
        "tacit": Registration("tacit", lambda: _tacit, "tests"),
        "failing": Registration("failing", lambda: _failing, "tests"),
    }
    settings = {"llm": {"discover": False}, "assistants": {"named": {"bot": BOT}}, **fields}
    registrations = replace(with_models(scripted=chat), toolsets=known)
    with (
        serve_engine(FakeEngine(), registrations=registrations, **settings) as served,
        make_client(served) as http,
    ):
        yield http, chat, mine, served


def _nothing(_settings: object) -> None:
    """No toolset."""


def _tacit(_settings: object) -> FunctionToolset:
    made = FunctionToolset("tacit", "of somebody who did not read on")
    made.tool(lambda context: str(context))
    return made


def _failing(_settings: object) -> object:
    class Failing:
        def tools(self) -> list[Any]:
            raise RuntimeError(SECRET)

    return Failing()


def completion(http: httpx2.Client, **body: Any) -> httpx2.Response:
    return http.post("/v1/chat/completions", json={"model": "bot", "messages": SAID, **body})


def told(text: str) -> list[Any]:
    """The objects of a stream."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def text_of(chunks: list[Any]) -> str:
    return "".join(piece["choices"][0]["delta"].get("content") or "" for piece in chunks if piece["choices"])


# -- chosen like any other model


def test_it_stands_in_every_list() -> None:
    with assisting([SUM]) as (http, *_):
        listed = {model["id"]: model for model in http.get("/v1/models").json()["data"]}
        assert (listed["bot"]["owned_by"], listed["bot"]["name"]) == ("bot", "The bot")
        assert http.get("/v1/models/bot").json()["id"] == "bot"
        assert "bot" in http.get("/api/models").json()
        states = {item["name"]: item for item in http.get("/providers/llm").json()["items"]}
        assert (states["bot"]["type"], states["bot"]["status"]) == ("assistant", "ready")
        assert states["bot"]["description"] == "Helps; asks 'scripted/tiny'"
        assert states["bot"]["assistant"] == {"title": "The bot", "description": "Helps"}
        assert states["loft-chat"]["type"] == "assistant"
        assert states["echo"]["assistant"] is None


def test_whole_answers() -> None:
    with assisting([SUM, answer_round("It is 42.")]) as (http, chat, *_):
        answer = completion(http).json()
        assert answer["model"] == "bot"
        assert answer["choices"][0]["message"]["content"] == ANSWER
        assert "tool_calls" not in answer["choices"][0]["message"]
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["usage"]["total_tokens"] == 14
        assert chat.bodies[0]["messages"][0]["content"].startswith("Be brief.\n\n")
        generated = http.post("/llm/generate", json={"provider": "bot", "messages": SAID}).json()
        assert (generated["provider"], generated["model"], generated["text"]) == ("bot", "bot", ANSWER)


def test_streams_are_plain_text() -> None:
    """Whoever speaks to `/v1` sees no tool: they ran on the server."""
    with assisting([SUM, answer_round("It ", "is 42.")]) as (http, *_):
        chunks = told(completion(http, stream=True, stream_options={"include_usage": True}).text)
        assert text_of(chunks) == ANSWER
        assert not any("tool_calls" in str(piece) for piece in chunks)
        reasons = [piece["choices"][0]["finish_reason"] for piece in chunks if piece["choices"]]
        assert reasons == [None] * (len(reasons) - 1) + ["stop"]
        assert chunks[-1]["usage"]["total_tokens"] == 14
        for body in ({"provider": "bot"}, {"config": {"model": "bot"}}):
            text = http.post("/llm/generate", json={**body, "messages": SAID, "stream": True}).text
            events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
            assert "".join(event.get("content", "") for event in events) == ANSWER
            assert events[-1]["status"] == "completed"


def test_titles_and_tags_run_no_tools() -> None:
    """Open WebUI asks the model of a conversation for them after each first answer, unless it is told otherwise."""
    history = "### Chat History:\n<chat_history>\nUSER: 20 + 22?\n</chat_history>"
    for task in ("Generate a concise, 3-5 word title", "Generate 1-3 broad tags"):
        with assisting([answer_round('{"title": "Sums"}')]) as (http, chat, *_):
            said = [{"role": "user", "content": f"### Task:\n{task}\n{history}"}]
            answer = completion(http, messages=said, stream=False, max_tokens=1000).json()
            assert answer["choices"][0]["message"]["content"] == '{"title": "Sums"}'
            [body] = chat.bodies
            assert "tools" not in body
            assert body["messages"] == [{"role": "system", "content": "Be brief."}, *said]


def test_how_to_ask_reaches_its_model() -> None:
    with assisting([answer_round("Hi.")]) as (http, chat, *_):
        completion(http, temperature=0.5, max_tokens=9, seed=7, tools=[], tool_choice="auto", n=1)
        [body] = chat.bodies
        assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.5, 9, 7)
        assert {one["function"]["name"] for one in body["tools"]} == {"wait", "who", "write", "calculate"}
        assert "tool_choice" not in body


NOTE = {"type": "function", "function": {"name": "save_note", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_of_a_clients_tool_comes_back(stream: bool) -> None:
    noted = call_round(("save_note", '{"text": "42"}'))
    with assisting([SUM, noted]) as (http, *_):
        response = completion(http, stream=stream, tools=[NOTE, {"type": "web_search"}])
        assert response.headers["x-prompter-omitted-tools"] == "web_search"
        if stream:
            chunks = told(response.text)
            deltas = [piece["choices"][0]["delta"] for piece in chunks if piece["choices"]]
            [call] = [call for delta in deltas for call in delta.get("tool_calls") or ()]
            assert call.pop("index") == 0
            text, reason = text_of(chunks), chunks[-1]["choices"][0]["finish_reason"]
        else:
            choice = response.json()["choices"][0]
            [call] = choice["message"]["tool_calls"]
            text, reason = choice["message"]["content"], choice["finish_reason"]
        assert call["function"] == {"name": "save_note", "arguments": '{"text": "42"}'}
        assert (text, reason) == ("Let me see.", "tool_calls")


def test_the_header_of_omitted_tools_carries_any_name() -> None:
    with assisting([answer_round("Hi.")]) as (http, *_):
        for stream in (False, True):
            strange = {"type": "custom", "custom": {"name": "a\r\nSet-Cookie: x=1; ñ"}}
            response = completion(http, stream=stream, tools=[strange] * 40)
            assert response.status_code == 200
            names = response.headers["x-prompter-omitted-tools"].split(", ")
            assert (names[0], len(names), names[-1]) == ("a__Set-Cookie__x_1___", 33, "...")
        assert "x-prompter-omitted-tools" not in completion(http, tools=[NOTE]).headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_it_cannot_give_is_refused(body: dict[str, Any], param: str, stream: bool) -> None:
    with assisting([answer_round("Hi.")]) as (http, chat, *_):
        response = completion(http, stream=stream, **body)
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["param"] == param
        assert "'bot'" in error["message"]
        assert not chat.bodies


def test_a_request_cannot_say_which_model_it_asks() -> None:
    with assisting([answer_round("Hi.")]) as (http, chat, *_):
        for config in ({"model": "scripted/tiny"}, {"api_key": "k"}, {"base_url": "https://example.org/v1"}):
            response = http.post(
                "/llm/generate", json={"provider": "bot", "messages": SAID, "config": config}
            )
            assert read_error(response) == (400, "bad_request")
        assert not chat.bodies


# -- what it cannot do


def test_without_pydantic_ai_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (assistant, registry):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    with assisting([answer_round("Hi.")]) as (http, chat, *_):
        assert "bot" in {model["id"] for model in http.get("/v1/models").json()["data"]}
        [item] = [item for item in http.get("/providers/llm").json()["items"] if item["name"] == "bot"]
        assert item["status"] == "not_installed"
        assert "`prompter extras add tools`" in item["description"]
        for stream in (False, True):
            response = completion(http, stream=stream)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "provider_not_ready"
            assert loader.describe_missing() in response.json()["error"]["message"]
        generated = http.post("/llm/generate", json={"provider": "bot", "messages": SAID})
        assert read_error(generated) == (503, "provider_not_ready")
        assert not chat.bodies


@pytest.mark.parametrize(
    ("changed", "state", "words"),
    [
        ({"model": "scripted-"}, "no_model", "its model 'scripted-': there is no model of this name"),
        ({"model": "loft-chat"}, "not_configured", "an assistant"),
        ({"model": "echo"}, "not_configured", "'echo', which knows only text and calls no tools"),
        ({"toolsets": ["none"]}, "not_configured", "needs the toolset 'none'"),
        ({"approval": {"rm": "off"}}, "not_configured", "`approval` names 'rm'"),
        ({"toolsets": ["nothing"]}, "not_configured", "the toolset 'nothing' of 'tests'"),
        ({"toolsets": ["tacit"]}, "not_configured", "letters without accents"),
        ({"toolsets": ["failing"]}, "not_configured", "(RuntimeError)"),
    ],
)
def test_a_definition_that_does_not_fit(
    changed: dict[str, Any], state: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with assisting([answer_round("Hi.")], assistants={"named": {"bot": {**BOT, **changed}}}) as (http, *_):
        [item] = [item for item in http.get("/providers/llm").json()["items"] if item["name"] == "bot"]
        assert (item["status"], words in item["description"]) == (state, True), item
        response = completion(http)
        assert response.status_code == 503
        assert words in response.json()["error"]["message"]
        assert SECRET not in item["description"] + response.text + caplog.text
        assert {each["name"] for each in http.get("/providers/llm").json()["items"]} > {"bot", "loft-chat"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("gemma:2b does not support tools", True),
        ('"auto" tool choice requires --enable-auto-tool-choice', True),
        ("temperature is too high", False),
    ],
)
def test_a_model_that_calls_no_tools_is_named(words: str, hint: bool) -> None:
    with assisting([[UpstreamError(words, upstream_status=400)]]) as (http, *_):
        response = completion(http)
        message = response.json()["error"]["message"]
        assert response.status_code == 400
        assert message.startswith(words)
        assert ("the assistant 'bot' needs a model that can call tools" in message) == hint


def test_without_tools_a_model_of_text_is_enough() -> None:
    with assisting([], assistants={"named": {"bot": {**BOT, "model": "echo", "toolsets": []}}}) as (http, *_):
        assert completion(http).json()["choices"][0]["message"]["content"] == "Hi"


def test_what_writes_is_not_done_where_nobody_can_be_asked() -> None:
    rounds = [call_round(("write", "{}")), answer_round("It was not done.")]
    named = {"bot": {**BOT, "approval": {"write": "allow"}}}
    with assisting(rounds, assistants={"named": named}) as (http, chat, mine, _):
        assert completion(http).json()["choices"][0]["message"]["content"] == "It was not done."
        assert mine.wrote == 0
        assert "approval" in chat.answers[0]["content"]


def test_a_limit_is_told_in_words() -> None:
    limited = {**BOT, "language": "es", "limits": {"rounds": 2}}
    with assisting([SUM], assistants={"named": {"bot": limited}}) as (http, *_):
        answer = completion(http).json()["choices"][0]
        assert answer["message"]["content"].endswith(
            "Me detengo aquí: 2 rondas con mis herramientas no han bastado. Pide menos de una vez."
        )
        assert answer["finish_reason"] == "length"


# -- failures of its model


def test_a_failure_at_once_keeps_its_status() -> None:
    error = UpstreamRateLimited("slow down", retry_after_s=7)
    with assisting([[error]]) as (http, *_):
        for stream in (False, True):
            response = completion(http, stream=stream)
            assert (response.status_code, response.headers["retry-after"]) == (429, "7")


def test_a_failure_in_a_later_round_ends_the_stream() -> None:
    with assisting([SUM, [UpstreamRateLimited("slow down")]]) as (http, *_):
        *before, last = told(completion(http, stream=True).text)
        assert text_of(before) == "Let me see."
        assert last["error"]["code"] == "rate_limit_exceeded"
        assert completion(http).status_code == 429


# -- whose it is, and how it ends


def test_a_client_that_leaves_stops_model_and_tool() -> None:
    with assisting([call_round(("wait", "{}"), before="Wait.")]) as (http, chat, mine, _):
        body = {"model": "bot", "messages": SAID, "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body):
            assert mine.begun.wait(20)
        assert mine.ended.wait(20)
        assert chat.opened == chat.closed


async def test_a_client_that_leaves_a_whole_answer_stops_it_too() -> None:
    with assisting([call_round(("wait", "{}"))]) as (_, _, mine, served):
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
            body = {"model": "bot", "messages": SAID}
            asking = asyncio.create_task(http.post("/v1/chat/completions", json=body))
            assert await asyncio.to_thread(mine.begun.wait, 20)
            asking.cancel()
            await asyncio.wait([asking])
        assert await asyncio.to_thread(mine.ended.wait, 20)


def test_the_end_of_the_server_does_not_wait_for_a_tool() -> None:
    with assisting([call_round(("wait", "{}"), before="Wait.")]) as (http, _, mine, served):
        stream = http.send(
            http.build_request(
                "POST", "/v1/chat/completions", json={"model": "bot", "messages": SAID, "stream": True}
            ),
            stream=True,
        )
        assert mine.begun.wait(20)
        served.server.should_exit = True
        assert mine.ended.wait(10)
        stream.close()


def test_two_people_at_once_have_each_their_own_rights() -> None:
    """What a tool is told of its caller is who asked, however many ask at once."""
    with assisting([call_round(("who", "{}")), answer_round("Done.")], accounts=ACCOUNTS) as (
        http,
        chat,
        mine,
        served,
    ):
        assert completion(http).status_code == 401
        team = Team(served.resources.settings)
        people = [team.add(name) for name in ("ana", "luis")]

        def ask(place: int) -> str:
            person = people[place % 2]
            with make_client(served, headers=make_bearer(team.token(person))) as own:
                said = [{"role": "user", "content": str(person.id)}]
                answer = completion(own, messages=said)
            assert answer.status_code == 200, answer.text
            return answer.text

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(16)))
        answered = [body for body in chat.bodies if body["messages"][-1]["role"] == "tool"]
        assert len(answered) == 16
        for body in answered:
            asked_by = body["messages"][1]["content"]
            assert asked_by in body["messages"][-1]["content"]
        assert sorted(mine.callers) == ["ana"] * 8 + ["luis"] * 8


def test_nothing_of_it_reaches_the_log() -> None:
    secret = "cofre-9417"
    rounds = [call_round(("calculate", json.dumps({"expression": secret}))), answer_round(secret)]
    with assisting(rounds) as (http, *_, served):
        completion(http, messages=[{"role": "user", "content": secret}])
        assert secret not in "\n".join(served.log)


def test_a_first_word_opens_the_stream_before_any_tool_has_answered() -> None:
    """Proxies and clients give up on a response that does not begin."""
    with assisting([call_round(("wait", "{}"))]) as (http, _, mine, _served):
        body = {"model": "bot", "messages": SAID, "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            first = next(lines)
            assert json.loads(first.removeprefix("data: "))["choices"][0]["delta"]["content"] == ""
            assert mine.begun.wait(20)
        assert mine.ended.wait(20)


def test_chunks_of_thought_are_passed_on() -> None:
    thinks = [chunk({"reasoning_content": "Hm."}), *answer_round("Yes.")]
    with assisting([thinks]) as (http, *_):
        chunks = told(completion(http, stream=True).text)
        thoughts = [piece["choices"][0]["delta"].get("reasoning_content") for piece in chunks]
        assert "Hm." in thoughts
        assert completion(http).json()["choices"][0]["message"]["reasoning_content"] == "Hm."

"""Answers from an OpenAI-compatible upstream: whole, failed before and after the first byte, left alone."""

import asyncio
import dataclasses
import logging
import time
from contextlib import aclosing
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from app.core.config import LlmSettings, LlmUpstreamSettings, Settings
from app.core.errors import (
    BadRequest,
    BaseUrlNotAllowed,
    MissingConfig,
    PrompterError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from app.providers.base import ChatMessage, ChatProvider, ChatRequest, LlmConfig
from app.providers.llm.openai_compat import OpenAiCompatProvider
from app.schemas.providers import ProviderState
from tests.fakes.upstream import (
    FakeUpstream,
    Reply,
    chat_reply,
    dropped_reply,
    error_reply,
    json_reply,
    silent_reply,
)
from tests.support.completions import TextAnswer, ask_for_text, complete_text
from tests.support.upstream_chat import MESSAGES
from tests.support.upstream_chat import join_text as join_text

KEY = "sk-server-0123456789abcdef"
PROMPT = "tell nobody about the purple submarine"
ASKED = [ChatMessage("user", PROMPT)]
WHOLE = json_reply(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
)
USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


def provider(upstream: FakeUpstream | None, **llm: Any) -> OpenAiCompatProvider:
    own = (
        LlmUpstreamSettings(base_url=upstream.base_url, api_key=SecretStr(KEY), model="tiny")
        if upstream
        else None
    )
    chosen = LlmSettings(openai_compat=own or LlmUpstreamSettings(), **llm)
    return OpenAiCompatProvider(Settings(_env_file=None, llm=chosen))


async def ask(
    asked: OpenAiCompatProvider, config: LlmConfig | None = None, answer: TextAnswer | None = None
) -> TextAnswer:
    """The whole answer; where it breaks off, `answer` has what came before."""
    try:
        return await ask_for_text(asked, ASKED, config, answer)
    finally:
        await asked.aclose()


async def test_the_fake_speaks_what_the_openai_client_understands() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", "lo", usage=USAGE))
        async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="x") as client:
            stream = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello"
        assert chunks[-1].usage is not None


async def test_an_answer_streams_with_reason_and_usage() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", "lo", usage=USAGE, pause_s=0.02))
        answer = await ask(provider(upstream), LlmConfig(temperature=0.5, max_tokens=7))
        assert answer == TextAnswer(["Hel", "lo"], "stop", USAGE, "tiny")
        sent = upstream.requests[0]
        assert (sent.path, sent.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
        assert sent.json == {
            "model": "tiny",
            "messages": [{"role": "user", "content": PROMPT}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.5,
            "max_tokens": 7,
        }


@pytest.mark.parametrize(
    "reply",
    [
        chat_reply("Hello", done=False),
        chat_reply("Hello", finish_reason=None),
        json_reply({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}),
        Reply([b'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}']),
        Reply(
            [
                b": ping\r\n\r\n",
                b'data: {"choices":[{"delta":{"refusal":"Hello"}}]}\r\n\r\ndata: [DONE]\r\n\r\n',
            ]
        ),
    ],
    ids=["no [DONE]", "[DONE] alone", "no stream at all", "no blank line at the end", "CRLF and a refusal"],
)
async def test_dialects_are_understood(reply: Reply) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(reply)
        answer = await ask(provider(upstream))
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")


async def test_length_is_passed_on() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", finish_reason="length"))
        assert (await ask(provider(upstream))).finish_reason == "length"


@pytest.mark.parametrize(
    ("words", "gone", "come"),
    [
        ("Unrecognized request argument: stream_options", "stream_options", None),
        ("'max_tokens' is not supported, use 'max_completion_tokens'", "max_tokens", "max_completion_tokens"),
    ],
)
async def test_a_body_that_is_refused_is_adapted(words: str, gone: str, come: str | None) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([error_reply(400, words), chat_reply("Hello")])
        assert (await ask(provider(upstream), LlmConfig(max_tokens=5))).text == "Hello"
        body = upstream.requests[1].json
        assert gone not in body
        assert come is None or body[come] == 5


async def test_other_refusals_are_not_tried_again() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(error_reply(400, "the context is too long"))
        with pytest.raises(UpstreamError, match="status 400: the context is too long"):
            await ask(provider(upstream))
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "failures",
    [
        [error_reply(429, "slow down", Retry_After="0")],
        [error_reply(500, "oops"), error_reply(503, "loading")],
        [dropped_reply()],
        [error_reply(408, "late"), dropped_reply()],
    ],
    ids=["429", "500 and 503", "dropped", "408 and dropped"],
)
async def test_what_fails_before_the_first_byte_is_tried_again(failures: list[Reply]) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([*failures, chat_reply("Hello")])
        assert (await ask(provider(upstream))).text == "Hello"
        assert len(upstream.requests) == len(failures) + 1


async def test_it_gives_up_after_three_tries() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([error_reply(500, "out of memory")] * 4)
        with pytest.raises(UpstreamError, match="status 500: out of memory"):
            await ask(provider(upstream))
        assert len(upstream.requests) == 3


async def test_a_long_retry_after_is_told_not_waited_for() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(error_reply(429, "quota used up", Retry_After="3600"))
        with pytest.raises(UpstreamError, match="status 429: quota used up"):
            await ask(provider(upstream))
        assert len(upstream.requests) == 1


async def test_a_closed_port_is_told() -> None:
    async with FakeUpstream().serve() as upstream:
        asked = provider(upstream)
    with pytest.raises(UpstreamError, match="cannot be reached"):
        await ask(asked)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_as_such(status: int) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(error_reply(status, f"Incorrect API key provided: {KEY}"))
        with pytest.raises(UpstreamUnauthorized) as caught:
            await ask(provider(upstream))
        assert KEY not in caught.value.message
        assert len(upstream.requests) == 1


async def test_a_redirect_is_refused() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(Reply(status=302, headers={"Location": "http://169.254.169.254/"}))
        with pytest.raises(UpstreamError, match="redirects"):
            await ask(provider(upstream))
        assert len(upstream.requests) == 1


async def test_silence_before_the_first_byte_times_out() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(silent_reply())
        started = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await ask(provider(upstream, local_first_byte_timeout_s=0.3))
        assert time.monotonic() - started < 2
        await asyncio.wait_for(upstream.left.wait(), 30)


async def test_silence_in_the_middle_times_out() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", finish_reason=None, done=False, ending="hang"))
        with pytest.raises(UpstreamTimeout):
            await ask(provider(upstream, idle_timeout_s=0.3))
        await asyncio.wait_for(upstream.left.wait(), 30)


async def test_the_limit_of_one_answer_is_not_that_of_the_next_on_its_connection() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.keeps_connections = True
        late = dataclasses.replace(chat_reply("late"), wait_s=0.6)
        upstream.script.extend([chat_reply("soon"), late])
        asked = provider(upstream, idle_timeout_s=0.3)
        for expected in ("soon", "late"):
            assert (await ask_for_text(asked, ASKED)).text == expected
        await asked.aclose()
        assert upstream.connections == 1


async def test_keep_alive_comments_are_no_progress() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(Reply([b": still here\n\n"] * 200, pause_s=0.02))
        with pytest.raises(UpstreamTimeout):
            await ask(provider(upstream, local_first_byte_timeout_s=0.5))


async def test_a_whole_answer_survives_a_missing_goodbye() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hello", done=False, ending="hang"))
        answer = await ask(provider(upstream, idle_timeout_s=0.3))
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")


@pytest.mark.parametrize("ending", ["complete", "cut"])
async def test_a_cut_answer_is_an_error(ending: Any) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", finish_reason=None, done=False, ending=ending))
        seen = TextAnswer()
        with pytest.raises(UpstreamError, match="broke off"):
            await ask(provider(upstream), answer=seen)
        assert seen.texts == ["Hel"]
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "broken",
    [
        b'data: {"error":{"message":"GPU on fire","code":500}}\n\n',
        b'data: {"error":"GPU on fire"}\n\n',
        b'{"error":"GPU on fire"}\n',
    ],
)
async def test_an_error_in_the_stream_is_told_after_the_text_before_it(broken: bytes) -> None:
    async with FakeUpstream().serve() as upstream:
        begun = b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'
        upstream.script.append(Reply([begun + broken]))
        seen = TextAnswer()
        with pytest.raises(UpstreamError, match="GPU on fire"):
            await ask(provider(upstream), answer=seen)
        assert seen.texts == ["Hel"]


async def test_rubbish_is_told() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(Reply([b"data: not json\n\n"]))
        with pytest.raises(UpstreamError, match="not JSON"):
            await ask(provider(upstream))


async def test_leaving_closes_the_upstream() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(chat_reply("Hel", finish_reason=None, done=False, ending="hang"))
        asked = provider(upstream)
        async with aclosing(complete_text(asked, ASKED)) as answer:
            assert await anext(answer.texts) == "Hel"
        await asyncio.wait_for(upstream.left.wait(), 30)
        await asked.aclose()


async def test_cancelling_a_wait_closes_the_upstream() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(silent_reply())
        asked = provider(upstream)
        task = asyncio.ensure_future(ask(asked))
        await asyncio.wait_for(upstream.asked.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(upstream.left.wait(), 30)


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (LlmConfig(), "base_url, api_key, model"),
        (LlmConfig(base_url="https://api.example/v1"), "api_key, model"),
        (LlmConfig(base_url="https://api.example/v1", api_key="k"), "model"),
        (LlmConfig(api_key="k", model="m"), "base_url"),
    ],
)
async def test_what_is_missing_is_named(config: LlmConfig, missing: str) -> None:
    with pytest.raises(MissingConfig, match=f"needs {missing};"):
        await ask(provider(None), config)


async def test_the_servers_key_never_goes_to_an_address_of_a_request() -> None:
    async with FakeUpstream().serve() as upstream:
        asked = provider(upstream, allowed_base_urls=[upstream.origin])
        with pytest.raises(MissingConfig, match="needs api_key;"):
            await ask(asked, LlmConfig(base_url=upstream.base_url))
        await ask(asked, LlmConfig(base_url=upstream.base_url, api_key="sk-of-the-request"))
        assert [request.headers["authorization"] for request in upstream.requests] == [
            "Bearer sk-of-the-request"
        ]


async def test_an_address_that_is_not_listed_is_refused() -> None:
    async with FakeUpstream().serve() as upstream:
        with pytest.raises(BaseUrlNotAllowed):
            await ask(provider(None), LlmConfig(base_url=upstream.base_url, api_key="k", model="m"))
        assert upstream.connections == 0


async def test_a_key_that_breaks_headers_is_refused_without_quoting_it() -> None:
    async with FakeUpstream().serve() as upstream:
        with pytest.raises(BadRequest) as caught:
            await ask(provider(upstream), LlmConfig(api_key="sk-one\r\nX-Evil: yes"))
        assert "sk-one" not in caught.value.message
        assert upstream.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        error_reply(500, f"failed on '{PROMPT}' with {KEY}"),
        error_reply(400, f"bad input: {PROMPT}"),
        error_reply(401, f"bad key {KEY}"),
        Reply([f'data: {{"error":"{KEY} said {PROMPT}"}}\n\n'.encode()]),
        dropped_reply(),
        chat_reply("cut", finish_reason=None, done=False),
    ],
)
async def test_neither_key_nor_prompt_is_in_an_error_or_a_log(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([reply] * 3)
        with caplog.at_level(logging.DEBUG), pytest.raises(PrompterError) as caught:
            await ask(provider(upstream))
        logging.getLogger("test").debug("raised", exc_info=caught.value)
        for private in (KEY, PROMPT, "purple submarine"):
            assert private not in caught.value.message
            assert private not in caplog.text


@pytest.mark.parametrize(
    ("models", "state", "words"),
    [
        (json_reply({"data": [{"id": "tiny"}]}), ProviderState.READY, "'tiny' at '127.0.0.1'"),
        (json_reply({"data": [{"id": "other"}]}), ProviderState.READY, "does not list that name"),
        (json_reply({"data": []}), ProviderState.NO_MODEL, "has no model"),
        (error_reply(404, "not found"), ProviderState.READY, "does not list its models"),
        (error_reply(401, f"bad key {KEY}"), ProviderState.UNAUTHORIZED, "did not accept the API key"),
        (error_reply(503, "Loading model"), ProviderState.LOADING, "Loading model"),
        (error_reply(500, "oops"), ProviderState.UNREACHABLE, "status 500"),
        (dropped_reply(), ProviderState.UNREACHABLE, "cannot be reached"),
    ],
)
async def test_states(models: Reply, state: ProviderState, words: str) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = models
        asked = provider(upstream)
        status = await asked.status()
        await asked.aclose()
        assert status.state is state
        assert words in status.description
        assert KEY not in status.description


async def test_the_state_is_remembered_and_asked_once() -> None:
    async with FakeUpstream().serve() as upstream:
        asked = provider(upstream)
        await asyncio.gather(*(asked.status() for _ in range(5)))
        await asked.aclose()
        assert [request.path for request in upstream.requests] == ["/v1/models"]


async def test_a_silent_upstream_is_unreachable_within_three_seconds() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = silent_reply()
        asked = provider(upstream)
        started = time.monotonic()
        assert (await asked.status()).state is ProviderState.UNREACHABLE
        assert time.monotonic() - started < 3
        await asked.aclose()


async def test_not_configured_names_the_settings() -> None:
    status = await provider(None).status()
    assert status.state is ProviderState.NOT_CONFIGURED
    assert "PROMPTER_LLM__OPENAI_COMPAT__BASE_URL" in status.description


async def test_openai_compat_speaks_the_chat_wire_with_its_own_upstream_alone() -> None:
    async with FakeUpstream().serve() as upstream:
        own = {"base_url": upstream.base_url, "api_key": KEY, "model": "tiny"}
        own_provider = OpenAiCompatProvider(Settings(_env_file=None, llm={"openai_compat": own}))
        assert isinstance(own_provider, ChatProvider)
        assert await own_provider.models() == ["tiny"]
        upstream.script.append(WHOLE)
        named = ChatRequest("other", {"messages": MESSAGES, "base_url": "https://elsewhere.example/v1"})
        assert (await own_provider.complete(named))["choices"]
        assert upstream.requests[-1].json["model"] == "other"
        assert (
            join_text(
                [chunk async for chunk in own_provider.stream(ChatRequest("tiny", {"messages": MESSAGES}))]
            )
            == "Hello world"
        )
        await own_provider.aclose()
    empty = OpenAiCompatProvider(Settings(_env_file=None))
    assert await empty.models() == []
    with pytest.raises(MissingConfig):
        await empty.complete(ChatRequest("tiny", {"messages": MESSAGES}))

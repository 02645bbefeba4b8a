"""A provider that knows only text behind the chat wire: what it reads, what it is refused, and what comes of it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.core.errors import BadRequest, EngineFailed, UpstreamError
from app.providers import joining
from app.providers.agent.messages import replace_surrogates
from app.providers.base import (
    ChatMessage,
    ChatProvider,
    ChatRequest,
    LlmChunk,
    LlmConfig,
    ProviderStatus,
    Usage,
)
from app.schemas.providers import ProviderState
from app.services.llm.text_only import TextOnlyChat
from tests.support.completions import SAID, list_deltas, start_completion, stream_events

HELLO = (LlmChunk("Hel"), LlmChunk("lo", "length"))
REQUEST = ChatRequest("", {"messages": SAID})


class FakeText:
    """A provider that knows only text: follows its script, raises the errors in it, and keeps what it was sent."""

    name, type = "text", "test"

    def __init__(self, script: Sequence[Any] = HELLO) -> None:
        self.script = script
        self.closed = False
        self.messages: Sequence[ChatMessage] = ()
        self.config = LlmConfig()

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "a fake")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        self.messages, self.config = messages, config
        try:
            for piece in self.script:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_a_text_only_provider_reads_every_form_of_content() -> None:
    text = FakeText()
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    messages = [
        {"role": "developer", "content": parts},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "tool", "tool_call_id": "c1", "content": parts},
        {"role": "user", "content": []},
    ]
    options = {"temperature": 0.1, "top_p": 0.2, "stop": "x", "seed": 3, "max_completion_tokens": 4}
    events = await stream_events(text, {"messages": messages, **options, "tools": [{}]}, include_usage=True)
    assert [(message.role, message.content) for message in text.messages] == [
        ("system", "two parts"),
        ("user", "hi"),
        ("assistant", ""),
        ("assistant", "no"),
        ("user", "two parts"),
        ("user", ""),
    ]
    assert text.config == LlmConfig(temperature=0.1, max_tokens=4, top_p=0.2, stop=("x",), seed=3)
    assert "".join(each["content"] for each in list_deltas(events)) == "Hello"
    assert events[-3]["choices"][0]["finish_reason"] == "length"
    assert events[-2]["usage"]["estimated"] is True
    assert events[0]["model"] == "fake"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "modalities"),
        ({"messages": [*SAID, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
         "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         "messages[0].content"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_text_only_provider_cannot_do_is_refused(
    body: dict[str, Any], param: str, stream: bool
) -> None:
    completion = await start_completion(FakeText(), body)
    with pytest.raises(BadRequest, match="choose another model") as caught:
        await (completion.open() if stream else completion.whole())
    assert caught.value.param == param


@pytest.mark.parametrize("kind", ["text", "refusal"])
@pytest.mark.parametrize("said", [5, {"a": 1}, ["x"], True])
async def test_a_part_whose_text_is_none_is_refused_where_only_text_is_read(kind: str, said: Any) -> None:
    body = {"messages": [{"role": "user", "content": [{"type": kind, kind: said}]}]}
    completion = await start_completion(FakeText(), body)
    with pytest.raises(BadRequest) as caught:
        await completion.whole()
    assert caught.value.param == "messages[0].content"
    await completion.aclose()


def test_it_is_a_chat_provider() -> None:
    assert isinstance(TextOnlyChat("text", FakeText()), ChatProvider)


async def test_a_whole_answer_has_model_reason_and_usage_of_the_provider() -> None:
    script = [LlmChunk("Hel", model="m-1"), LlmChunk("lo"), LlmChunk("", "stop", Usage(1, 2, 3))]
    chat = TextOnlyChat("text", FakeText(script))
    assert await chat.models() == []
    chunks = [chunk async for chunk in chat.stream(REQUEST)]
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["Hel", "lo", ""]
    assert {chunk["model"] for chunk in chunks} == {"m-1"}
    assert chunks[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    whole = await chat.complete(REQUEST)
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "Hello", "refusal": None}
    assert (whole["choices"][0]["finish_reason"], whole["usage"]) == ("stop", chunks[-1]["usage"])


async def test_a_plugin_gets_the_address_and_the_key_of_a_request() -> None:
    text = FakeText()
    bound = TextOnlyChat("text", text).bind_upstream("https://a.example/v1", "k")
    await bound.complete(ChatRequest("m", {"messages": SAID, "stop": ["x", "y"]}))
    assert text.config == LlmConfig(base_url="https://a.example/v1", api_key="k", model="m", stop=("x", "y"))


async def test_an_error_of_the_plugin_is_named_and_its_stream_is_closed() -> None:
    text = FakeText([LlmChunk("Hel"), ValueError("Say hello to me")])
    with pytest.raises(EngineFailed, match=r"provider 'text' failed \(ValueError\)"):
        await TextOnlyChat("text", text).complete(REQUEST)
    assert text.closed


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ANSWER_CHARS", 100)
    text = FakeText([LlmChunk("x" * 30)] * 10)
    with pytest.raises(UpstreamError, match="the answer of 'text' is over 100 characters"):
        await TextOnlyChat("text", text).complete(REQUEST)
    assert text.closed


async def test_half_a_character_is_replaced() -> None:
    """A plugin may give half of a surrogate pair, which no answer could carry."""
    text = FakeText([LlmChunk("well \ud800 said, señor", "stop")])
    whole = await TextOnlyChat("other", text).complete(REQUEST)
    assert whole["choices"][0]["message"]["content"] == "well ? said, señor"
    assert replace_surrogates("señor, 你好 🎤") == "señor, 你好 🎤"

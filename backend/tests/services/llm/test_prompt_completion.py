"""Text completions as a view on chat completions: bodies, pieces, several prompts, errors in the middle."""

import json
from typing import Any

import pytest

from app.core.config import LlmSettings, Settings
from app.core.errors import BadRequest, UpstreamTruncated
from app.core.metrics import Observer
from app.services.llm.completion import CompletionRequest, CompletionService
from app.services.llm.models import ModelCatalog
from app.services.llm.prompt_completion import PromptCompletion, make_chat_bodies, start_prompt_completion
from app.services.llm.providers import LlmProviders
from tests.fakes.llm_providers import HELLO, FakeChat, delta, make_table


async def start(fake: FakeChat, prompt: Any = "Say hello", **fields: Any) -> PromptCompletion:
    settings = Settings(_env_file=None, llm=LlmSettings(discover=False))
    catalog = ModelCatalog(settings, LlmProviders(settings, make_table(fake=fake)))
    requests = [CompletionRequest("fake", body) for body in make_chat_bodies({"prompt": prompt})]
    return await start_prompt_completion(CompletionService(catalog, Observer()), requests, **fields)


async def read_events(completion: PromptCompletion) -> list[Any]:
    await completion.open()
    sent = b"".join([event async for event in completion.events()]).decode()
    await completion.aclose()
    data = [event.removeprefix("data: ") for event in sent.split("\n\n") if event]
    assert data.pop() == "[DONE]"
    return [json.loads(event) for event in data]


def test_a_prompt_is_a_message_and_what_only_chat_knows_stays_out() -> None:
    fields = {
        "prompt": "Hi",
        "max_tokens": 5,
        "logprobs": 3,
        "echo": True,
        "tools": [{}],
        "messages": [{}],
        "suffix": "",
    }
    assert make_chat_bodies(fields) == [{"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}]
    assert [body["messages"][0]["content"] for body in make_chat_bodies({"prompt": ["a", "b"]})] == ["a", "b"]


def test_no_gap_is_filled() -> None:
    with pytest.raises(BadRequest, match="`suffix`"):
        make_chat_bodies({"prompt": "Hi", "suffix": "there"})


async def test_the_whole_answer() -> None:
    completion = await start(FakeChat())
    answer = await completion.whole()
    assert (answer["object"], answer["id"][:5]) == ("text_completion", "cmpl-")
    assert answer["choices"] == [{"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert answer["usage"]["total_tokens"] == 13
    await completion.aclose()


async def test_the_pieces_and_the_usage() -> None:
    *spoken, counted = await read_events(await start(FakeChat(), include_usage=True))
    assert "".join(event["choices"][0]["text"] for event in spoken) == "Hello"
    assert [event["choices"][0]["finish_reason"] for event in spoken] == [None] * (len(spoken) - 1) + ["stop"]
    assert (counted["choices"], counted["usage"]["total_tokens"]) == ([], 13)


async def test_several_prompts_are_numbered_and_counted_together() -> None:
    fake = FakeChat()
    *spoken, counted = await read_events(
        await start(fake, ["a", "b"], echoed=["a ", "b "], include_usage=True)
    )
    texts = {
        at: "".join(e["choices"][0]["text"] for e in spoken if e["choices"][0]["index"] == at)
        for at in (0, 1)
    }
    assert texts == {0: "a Hello", 1: "b Hello"}
    assert counted["usage"]["total_tokens"] == 26
    assert fake.opened == fake.closed == 2


async def test_an_answer_that_breaks_off_says_so_and_closes_its_model() -> None:
    fake = FakeChat([*HELLO[:1], delta("Hel"), UpstreamTruncated("broke off")])
    *_, told = await read_events(await start(fake))
    assert told["error"]["code"] == "upstream_truncated"
    assert fake.opened == fake.closed

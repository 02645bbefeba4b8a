"""openai-python, blocking and async, on `/v1/responses`: text, tools, thoughts, formats, errors, what comes back."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.clients.conftest import Sdk
from tests.fakes.chat_upstream import PLACES, BackgroundUpstream

TOOL: Any = {
    "type": "function",
    "name": "get_time",
    "description": "The time somewhere.",
    "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]},
    "strict": False,
}


async def ask(sdk: Sdk, behavior: str, given: Any = "Hi", **fields: Any) -> Any:
    return await sdk("responses.create", model=f"fake/{behavior}", input=given, store=False, **fields)


async def stream(sdk: Sdk, behavior: str, given: Any = "Hi", **fields: Any) -> list[Any]:
    return await sdk.all_of(await ask(sdk, behavior, given, stream=True, **fields))


async def test_text(sdk: Sdk) -> None:
    response = await ask(sdk, "tiny", instructions="Be brief")
    assert (response.output_text, response.status, response.model) == (
        "Hello world",
        "completed",
        "fake/tiny",
    )
    assert response.usage.total_tokens == 13


async def test_text_in_pieces(sdk: Sdk) -> None:
    events = await stream(sdk, "tiny")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["Hello", " world"]
    assert events[-1].response.output_text == "Hello world"


@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_come_and_results_go_back(
    sdk: Sdk, upstream: BackgroundUpstream, words: str, streamed: bool
) -> None:
    """The output of the first turn is a part of the input of the second, as the SDK's users write it."""
    if streamed:
        output = (await stream(sdk, "clock", words, tools=[TOOL]))[-1].response.output
    else:
        output = (await ask(sdk, "clock", words, tools=[TOOL])).output
    assert [json.loads(item.arguments)["tz"] for item in output] == list(PLACES)
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"noon in {place}. "}
        for item, place in zip(output, PLACES, strict=True)
    ]
    turn = [{"role": "user", "content": words}, *(item.model_dump(mode="json") for item in output), *results]
    answer = await ask(sdk, "clock", turn, tools=[TOOL])
    assert answer.output_text == "noon in UTC. noon in Europe/Madrid. "
    messages = upstream.about(words)[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_0", "call_1"]


async def test_thoughts_come_back_to_the_model(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    """Stateless, as agents use it: the thoughts come sealed, and go back with the call's result."""
    include = ["reasoning.encrypted_content"]
    first = await ask(sdk, "thinker", words, tools=[TOOL], include=include)
    thought, call = first.output
    assert (thought.type, thought.content[0].text) == ("reasoning", "I need a clock.")
    sealed = {
        "type": "reasoning",
        "id": thought.id,
        "summary": [],
        "encrypted_content": thought.encrypted_content,
    }
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
    turn = [{"role": "user", "content": words}, sealed, call.model_dump(mode="json"), result]
    second = await ask(sdk, "thinker", turn, tools=[TOOL], include=include)
    assert second.output_text == "Noon."
    assert upstream.about(words)[-1]["messages"][1]["reasoning_content"] == "I need a clock."


@pytest.mark.parametrize("behavior", ["thinker", "vllm-thinker", "tag-thinker"])
async def test_thoughts_are_no_text(sdk: Sdk, behavior: str) -> None:
    events = await stream(sdk, behavior, reasoning={"summary": "auto"})
    thoughts = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(thoughts).strip() == "Let me think."
    assert events[-1].response.output_text.strip() == "Noon."


class City(BaseModel):
    city: str


async def test_an_answer_in_a_format(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    response = await sdk("responses.parse", model="fake/json", input=words, text_format=City, store=False)
    assert response.output_parsed == City(city="Madrid")
    assert upstream.about(words)[0]["response_format"]["json_schema"]["name"] == "City"


async def test_an_image(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}
    content = [{"type": "input_text", "text": words}, image]
    await ask(sdk, "tiny", [{"role": "user", "content": content}])
    assert upstream.about(words)[0]["messages"][0]["content"][1]["type"] == "image_url"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("behavior", "raised", "code"),
    [
        ("full", openai.BadRequestError, "context_length_exceeded"),
        ("locked", openai.AuthenticationError, "upstream_unauthorized"),
        ("nobody", openai.NotFoundError, None),
        ("busy", openai.RateLimitError, "rate_limit_exceeded"),
        ("broken", openai.InternalServerError, "upstream_error"),
    ],
)
async def test_each_failure_is_the_exception_that_users_catch(
    sdk: Sdk, behavior: str, raised: type[openai.APIStatusError], code: str | None, streamed: bool
) -> None:
    with pytest.raises(raised) as caught:
        await ask(sdk, behavior, stream=streamed)
    assert code in (None, caught.value.code)


async def test_a_previous_response_is_refused(sdk: Sdk) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(sdk, "tiny", previous_response_id="resp_1")
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


@pytest.mark.parametrize("behavior", ["late", "cut"])
async def test_a_stream_that_breaks_off_says_so(sdk: Sdk, behavior: str) -> None:
    last = (await stream(sdk, behavior))[-1]
    assert last.type == "response.failed"
    assert last.response.error.message


async def test_leaving_a_stream_closes_the_upstream(sdk: Sdk, upstream: BackgroundUpstream) -> None:
    left = await ask(sdk, "endless", stream=True)
    assert upstream.is_open
    await sdk.close(left)
    assert upstream.closed_within(1)

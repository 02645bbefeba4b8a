"""openai-python, blocking and async: each failure is the exception that its users catch, and can be read."""

import time
from typing import Any

import openai
import pytest

from tests.clients.conftest import Sdk
from tests.fakes.chat_upstream import BackgroundUpstream


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "raised", "status"),
    [
        ("bad", openai.BadRequestError, 400),
        ("full", openai.BadRequestError, 400),
        ("locked", openai.AuthenticationError, 401),
        ("gone", openai.NotFoundError, 404),
        ("busy", openai.RateLimitError, 429),
        ("broken", openai.InternalServerError, None),
        ("loading", openai.InternalServerError, 503),
    ],
)
async def test_what_the_upstream_refuses_keeps_its_class(
    sdk: Sdk, model: str, raised: type[openai.APIStatusError], status: int | None, stream: bool
) -> None:
    """Also where a stream was asked for: the status is not 200 before the upstream has begun."""
    with pytest.raises(raised) as caught:
        await sdk.chat(model, stream=stream)
    error = caught.value
    assert type(error) is raised
    assert error.status_code == status or (status is None and error.status_code >= 500)
    assert error.request_id
    told: Any = error.body
    assert isinstance(told["message"], str)
    assert told["message"]
    assert told["message"] in str(error)
    assert {"message", "type", "param", "code"} <= set(told)
    assert told["code"] is None or isinstance(told["code"], str)


async def test_the_refused_field_is_named(sdk: Sdk) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat("bad")
    assert caught.value.param == "temperature"
    assert "temperature is not for me" in caught.value.message


async def test_too_long_a_prompt_has_the_code_that_agents_look_for(sdk: Sdk) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat("full")
    assert caught.value.code == "context_length_exceeded"
    assert "context" in caught.value.message


@pytest.mark.parametrize("stream", [False, True])
async def test_a_limit_is_tried_three_times_and_waits_as_told(
    sdk: Sdk, upstream: BackgroundUpstream, words: str, stream: bool
) -> None:
    """The SDK's two retries and no more: the server adds none of its own."""
    begun_s = time.monotonic()
    with pytest.raises(openai.RateLimitError) as caught:
        await Sdk(sdk.client.with_options(max_retries=2)).chat("busy", words, stream=stream)
    assert caught.value.response.headers["retry-after"] == "1"
    assert len(upstream.about(words)) == 3
    assert 1.5 < time.monotonic() - begun_s < 10


async def test_an_unknown_model_is_told_by_its_code(sdk: Sdk) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    for call, fields in (
        ("models.retrieve", {"model": "nowhere/nobody"}),
        ("chat.completions.create", {"model": "nowhere/nobody", "messages": messages}),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk(call, **fields)
        assert caught.value.code == "model_not_found"
        assert caught.value.param == "model"
        assert "GET /v1/models lists" in caught.value.message
        assert "nobody" not in caught.value.message, "no error repeats what was sent"
        assert caught.value.request_id


@pytest.mark.parametrize(
    "fields",
    [{"messages": "Hi"}, {"messages": []}, {"messages": [{"role": "nobody", "content": "Hi"}]}, {"model": 3}],
    ids=["no list", "none", "unknown role", "no name"],
)
async def test_a_body_that_cannot_be_read_says_why(sdk: Sdk, fields: dict[str, Any]) -> None:
    """400 and not FastAPI's 422, whose reason the SDK would not show."""
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat("tiny", **fields)
    assert caught.value.type == "invalid_request_error"
    [field] = fields
    assert field in caught.value.message or field in str(caught.value.param)


async def test_an_error_within_a_stream_is_raised_there(sdk: Sdk) -> None:
    stream = await sdk.chat("late", stream=True)
    with pytest.raises(openai.APIError) as caught:
        await sdk.all_of(stream)
    assert not isinstance(caught.value, openai.APIStatusError)
    assert "the model fell over" in caught.value.message
    assert caught.value.code


async def test_an_answer_that_breaks_off_is_never_taken_for_whole(sdk: Sdk) -> None:
    stream = await sdk.chat("cut", stream=True)
    with pytest.raises(openai.APIError) as caught:
        await sdk.all_of(stream)
    assert caught.value.code == "upstream_truncated"
    with pytest.raises(openai.InternalServerError):
        await sdk.chat("cut")


@pytest.mark.parametrize(("call", "field"), [("images.generate", "prompt"), ("moderations.create", "input")])
async def test_what_is_not_served_says_so(sdk: Sdk, call: str, field: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk(call, model="fake/tiny", **{field: "Hi"})
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"]


async def test_a_server_that_is_not_there_is_a_connection_error(sdk: Sdk) -> None:
    with pytest.raises(openai.APIConnectionError):
        await Sdk(sdk.client.with_options(base_url="http://127.0.0.1:9/v1")).chat("tiny")

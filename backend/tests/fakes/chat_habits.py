"""How the models of the fake chat service behave: each name is a habit that a client can meet."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes.upstream import Reply, as_json

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
PLACES = ("UTC", "Europe/Madrid")
SSE = {"Content-Type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"
Delta = dict[str, Any]


# -- answers ----------------------------------------------------------------------------------------------------


def answer(
    body: Delta, deltas: Sequence[Delta], finish_reason: str = "stop", pause_s: float = 0.0, **whole: Any
) -> Reply:
    """The same answer as a stream or, made of `whole`, at once: whichever was asked for."""
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **whole}, "finish_reason": finish_reason}
        return as_json({**_head("chat.completion", body), "choices": [choice], "usage": USAGE})
    pieces = [chunk(body, {"role": "assistant", "content": ""}), *(chunk(body, delta) for delta in deltas)]
    pieces.append(chunk(body, {}, finish_reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        pieces.append(_event({**_head("chat.completion.chunk", body), "choices": [], "usage": USAGE}))
    return Reply([*pieces, DONE], headers=SSE, pause_s=pause_s)


def chunk(body: Delta, delta: Delta, finish_reason: str | None = None) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_head("chat.completion.chunk", body), "choices": [choice]})


def error_of(
    status: int, message: str, *, param: str | None = None, code: str | int | None = None, **headers: str
) -> Reply:
    """A refusal in OpenAI's shape."""
    told = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return as_json({"error": told}, status, **headers)


def _head(kind: str, body: Delta) -> Delta:
    return {"id": "chatcmpl-9", "object": kind, "created": 1_795_190_400, "model": body["model"]}


def _event(data: Delta) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


# -- habits -----------------------------------------------------------------------------------------------------


def hello(body: Delta) -> Reply:
    return answer(body, [{"content": "Hello"}, {"content": " world"}], content="Hello world")


def clock(body: Delta) -> Reply:
    """Asks for the time in two places at once, then says what it was told."""
    told = [text_of(message) for message in body["messages"] if message["role"] == "tool"]
    if told:
        return answer(body, [{"content": part} for part in told], content="".join(told))
    deltas: list[Delta] = []
    for index, place in enumerate(PLACES):
        function = {"name": "get_time", "arguments": ""}
        first = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        deltas.append({"content": None, "tool_calls": [first]})
        parts = ('{"tz": "', f'{place}"}}')
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in parts]
    calls = [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": "get_time", "arguments": json.dumps({"tz": place})},
        }
        for i, place in enumerate(PLACES)
    ]
    return answer(body, deltas, "tool_calls", content=None, tool_calls=calls)


def thinker(body: Delta) -> Reply:
    """Thinks aloud, in llama.cpp's field, before it answers or asks for the time."""
    if body.get("tools") and not any(message["role"] == "tool" for message in body["messages"]):
        function = {"name": "get_time", "arguments": '{"tz": "UTC"}'}
        call = {"index": 0, "id": "call_0", "type": "function", "function": function}
        thought = "I need a clock."
        deltas: list[Delta] = [{"reasoning_content": thought}, {"tool_calls": [call]}]
        return answer(body, deltas, "tool_calls", reasoning_content=thought, tool_calls=[call])
    thoughts = [{"reasoning_content": "Let me "}, {"reasoning_content": "think."}]
    deltas = [*thoughts, {"content": "Noon."}]
    return answer(body, deltas, content="Noon.", reasoning_content="Let me think.")


def vllm_thinker(body: Delta) -> Reply:
    """Thinks aloud in vLLM's field."""
    deltas = [{"reasoning": "Let me "}, {"reasoning": "think."}, {"content": "Noon."}]
    return answer(body, deltas, content="Noon.", reasoning="Let me think.")


def writes_json(body: Delta) -> Reply:
    return answer(body, [{"content": '{"city": '}, {"content": '"Madrid"}'}], content='{"city": "Madrid"}')


def fails_late(body: Delta) -> Reply:
    """An error in the stream, after its status."""
    if not body.get("stream"):
        return error_of(500, "the model fell over")
    told = {"message": "the model fell over", "type": "server_error", "code": "overloaded"}
    return Reply([chunk(body, {"content": "Hel"}), _event({"error": told}), DONE], headers=SSE, pause_s=0.02)


def breaks_off(body: Delta) -> Reply:
    """Ends in the middle of a sentence, and the connection ends as if all were well."""
    if not body.get("stream"):
        return Reply([b'{"choices": ['], headers={"Content-Type": "application/json"})
    return Reply([chunk(body, {"content": "Hel"})], headers=SSE, pause_s=0.02)


def endless(body: Delta) -> Reply:
    pieces = [chunk(body, {"content": f"word {n} "}) for n in range(100)]
    return Reply(pieces, headers=SSE, ending="hang", pause_s=0.02)


def silent(_: Delta) -> Reply:
    """Takes the request and never answers."""
    return Reply(silent=True, ending="hang")


def refuses(status: int, message: str, **told: Any) -> Callable[[Delta], Reply]:
    return lambda _: error_of(status, message, **told)


HABITS: dict[str, Callable[[Delta], Reply]] = {
    "tiny": hello,
    "clock": clock,
    "thinker": thinker,
    "vllm-thinker": vllm_thinker,
    "json": writes_json,
    "late": fails_late,
    "cut": breaks_off,
    "endless": endless,
    "silent": silent,
    "bad": refuses(400, "temperature is not for me", param="temperature", code="unsupported_value"),
    "full": refuses(400, "This model's maximum context length is 4096 tokens"),
    "locked": refuses(401, "no such key", code="invalid_api_key"),
    "gone": refuses(404, "the model 'gone' does not exist", code="model_not_found"),
    "busy": refuses(429, "slow down", code="rate_limit_exceeded", Retry_After="1"),
    "broken": refuses(500, "out of memory"),
    "loading": refuses(503, "Loading model", code=503),
    "org/with/slashes:8b": hello,
}
"""Each model and what it does."""


def text_of(message: Delta) -> str:
    """The text of a message, whichever form its content has."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

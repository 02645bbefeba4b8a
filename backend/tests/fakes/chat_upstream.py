"""A fake chat service whose models each show one behaviour: a client chooses it by the model's name."""

import asyncio
import base64
import json
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.fakes.upstream import FakeUpstream, Reply, Request, json_reply

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
PLACES = ("UTC", "Europe/Madrid")
SSE = {"Content-Type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"
Delta = dict[str, Any]


# -- answers ----------------------------------------------------------------------------------------------------


def make_answer(
    body: Delta, deltas: Sequence[Delta], finish_reason: str = "stop", pause_s: float = 0.0, **whole: Any
) -> Reply:
    """An answer: streamed as `deltas`, or whole with the fields `whole`, as the request wants it."""
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **whole}, "finish_reason": finish_reason}
        return json_reply({**_head("chat.completion", body), "choices": [choice], "usage": USAGE})
    pieces = [
        make_chunk(body, {"role": "assistant", "content": ""}),
        *(make_chunk(body, delta) for delta in deltas),
    ]
    pieces.append(make_chunk(body, {}, finish_reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        pieces.append(_event({**_head("chat.completion.chunk", body), "choices": [], "usage": USAGE}))
    return Reply([*pieces, DONE], headers=SSE, pause_s=pause_s)


def make_chunk(body: Delta, delta: Delta, finish_reason: str | None = None) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_head("chat.completion.chunk", body), "choices": [choice]})


def make_error(
    status: int, message: str, *, param: str | None = None, code: str | int | None = None, **headers: str
) -> Reply:
    """A refusal in OpenAI's shape."""
    told = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json_reply({"error": told}, status, **headers)


def _head(kind: str, body: Delta) -> Delta:
    return {"id": "chatcmpl-9", "object": kind, "created": 1_795_190_400, "model": body["model"]}


def _event(data: Delta) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


# -- behaviours -------------------------------------------------------------------------------------------------


def say_hello(body: Delta) -> Reply:
    return make_answer(body, [{"content": "Hello"}, {"content": " world"}], content="Hello world")


def ask_for_time(body: Delta) -> Reply:
    """Calls a tool for the time in two places at once, then repeats the results."""
    told = [get_text(message) for message in body["messages"] if message["role"] == "tool"]
    if told:
        return make_answer(body, [{"content": part} for part in told], content="".join(told))
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
    return make_answer(body, deltas, "tool_calls", content=None, tool_calls=calls)


def think_first(body: Delta) -> Reply:
    """Reasons in llama.cpp's field before it answers or calls a tool."""
    if body.get("tools") and not any(message["role"] == "tool" for message in body["messages"]):
        function = {"name": "get_time", "arguments": '{"tz": "UTC"}'}
        call = {"index": 0, "id": "call_0", "type": "function", "function": function}
        thought = "I need a clock."
        deltas: list[Delta] = [{"reasoning_content": thought}, {"tool_calls": [call]}]
        return make_answer(body, deltas, "tool_calls", reasoning_content=thought, tool_calls=[call])
    thoughts = [{"reasoning_content": "Let me "}, {"reasoning_content": "think."}]
    deltas = [*thoughts, {"content": "Noon."}]
    return make_answer(body, deltas, content="Noon.", reasoning_content="Let me think.")


def think_like_vllm(body: Delta) -> Reply:
    """Reasons in vLLM's field before it answers."""
    deltas = [{"reasoning": "Let me "}, {"reasoning": "think."}, {"content": "Noon."}]
    return make_answer(body, deltas, content="Noon.", reasoning="Let me think.")


def think_in_text(body: Delta) -> Reply:
    """Leaves its thoughts in the text, as a local server does that knows nothing of its model's tags."""
    pieces = ["<thi", "nk>\nLet me ", "think", ".\n</", "think>\n\n", "Noon", "."]
    return make_answer(body, [{"content": piece} for piece in pieces], content="".join(pieces))


def write_json(body: Delta) -> Reply:
    return make_answer(
        body, [{"content": '{"city": '}, {"content": '"Madrid"}'}], content='{"city": "Madrid"}'
    )


def fail_late(body: Delta) -> Reply:
    """Sends an error in the stream, after the status."""
    if not body.get("stream"):
        return make_error(500, "the model fell over")
    told = {"message": "the model fell over", "type": "server_error", "code": "overloaded"}
    return Reply(
        [make_chunk(body, {"content": "Hel"}), _event({"error": told}), DONE], headers=SSE, pause_s=0.02
    )


def break_off(body: Delta) -> Reply:
    """Ends in the middle of a sentence, and closes the connection as after a complete answer."""
    if not body.get("stream"):
        return Reply([b'{"choices": ['], headers={"Content-Type": "application/json"})
    return Reply([make_chunk(body, {"content": "Hel"})], headers=SSE, pause_s=0.02)


def never_end(body: Delta) -> Reply:
    pieces = [make_chunk(body, {"content": f"word {n} "}) for n in range(100)]
    return Reply(pieces, headers=SSE, ending="hang", pause_s=0.02)


def stay_silent(_: Delta) -> Reply:
    """Accepts the request and never answers."""
    return Reply(silent=True, ending="hang")


def embed(body: Delta) -> Reply:
    """An embedding of two numbers for each input, last input first; only the model `tiny` has any."""
    if body["model"] != "tiny":
        return make_error(404, "this model computes no embeddings")
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data: list[Any] = [
        {"object": "embedding", "index": at, "embedding": [at, 0.5]} for at in range(len(inputs))
    ]
    if body.get("encoding_format") == "base64":
        for each in data:
            each["embedding"] = base64.b64encode(struct.pack("<2f", *each["embedding"])).decode()
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return json_reply({"object": "list", "data": data[::-1], "model": "tiny", "usage": usage})


def refuse(status: int, message: str, **told: Any) -> Callable[[Delta], Reply]:
    return lambda _: make_error(status, message, **told)


BEHAVIORS: dict[str, Callable[[Delta], Reply]] = {
    "tiny": say_hello,
    "clock": ask_for_time,
    "thinker": think_first,
    "vllm-thinker": think_like_vllm,
    "tag-thinker": think_in_text,
    "json": write_json,
    "late": fail_late,
    "cut": break_off,
    "endless": never_end,
    "silent": stay_silent,
    "bad": refuse(400, "temperature is not for me", param="temperature", code="unsupported_value"),
    "full": refuse(400, "This model's maximum context length is 4096 tokens"),
    "locked": refuse(401, "no such key", code="invalid_api_key"),
    "gone": refuse(404, "the model 'gone' does not exist", code="model_not_found"),
    "busy": refuse(429, "slow down", code="rate_limit_exceeded", Retry_After="1"),
    "broken": refuse(500, "out of memory"),
    "loading": refuse(503, "Loading model", code=503),
    "org/with/slashes:8b": say_hello,
}
"""Model -> what it does."""


def get_text(message: Delta) -> str:
    """The text of a message, whichever form its content has."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class FakeChatUpstream(FakeUpstream):
    """Behaves by the model's name; `GET /asked` returns all bodies so far, `GET /left` whether a client has left."""

    def __init__(self) -> None:
        super().__init__()
        self.models = json_reply(
            {"object": "list", "data": [{"id": name, "object": "model"} for name in BEHAVIORS]}
        )

    @property
    def bodies(self) -> list[Any]:
        """The bodies of all requests to the models."""
        return [request.json for request in self.requests if request.method == "POST"]

    def about(self, words: str) -> list[Any]:
        """The bodies that contain these words."""
        return [body for body in self.bodies if words in json.dumps(body)]

    def _reply_to(self, request: Request) -> Reply:
        if request.path == "/asked":
            return json_reply(self.bodies)
        if request.path == "/left":
            return json_reply({"left": self.left.is_set()})
        if request.method == "GET":
            return self.models
        body = request.json
        if request.path.endswith("/embeddings"):
            return embed(body)
        behavior = BEHAVIORS.get(body["model"])
        if behavior is None:
            return make_error(404, f"no model {body['model']!r} here", code="model_not_found")
        self.left.clear()
        return behavior(body)


class BackgroundUpstream:
    """A `FakeChatUpstream` in a thread of its own, for clients that block and for other programs."""

    def __init__(self, fake: FakeChatUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self.fake = fake
        self._loop = loop

    @property
    def base_url(self) -> str:
        return self.fake.base_url

    def about(self, words: str) -> list[Any]:
        return self.fake.about(words)

    @property
    def is_open(self) -> bool:
        """Whether no client has left an answer since the last request."""
        return not self.fake.left.is_set()

    def closed_within(self, timeout_s: float) -> bool:
        """Whether the client closes a connection during an answer within this time."""

        async def waited() -> bool:
            try:
                await asyncio.wait_for(self.fake.left.wait(), timeout_s)
            except TimeoutError:
                return False
            return True

        return asyncio.run_coroutine_threadsafe(waited(), self._loop).result(timeout_s + 5)


@contextmanager
def run_in_background(fake: FakeChatUpstream | None = None) -> Iterator[BackgroundUpstream]:
    """Serve until the block ends; a `FakeChatUpstream` unless another one is given."""
    fake, started, ended = fake or FakeChatUpstream(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with fake.serve():
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10), "the upstream did not start within 10 s"
    try:
        yield BackgroundUpstream(fake, loop)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()

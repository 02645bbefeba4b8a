"""A fuzz campaign over the dialects: requests bent at random to a real server, and answers of chunks at random."""

import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.api.dialects.messages_input import read_messages_request
from app.api.dialects.messages_output import MessageWriter, read_message_format
from app.api.dialects.responses_input import read_response_request
from app.api.dialects.responses_output import ResponseWriter, read_response_format
from app.core.errors import UpstreamTruncated
from app.providers.base import ChatRequest
from app.providers.joining import join_chunks
from tests.fakes.llm_providers import FakeChat

CANARY = "canary-7f3a91"
"""Stands in every request; no error may repeat it."""
HEAD = {"id": "chatcmpl-5f0c", "created": 1_795_190_400, "model": "fake/tiny"}
_PIXEL = "iVBORw0KGgo="
_SCHEMA = {"type": "object", "properties": {"cmd": {"type": "string"}}}
RESPONSE: dict[str, Any] = {
    "model": "random/any",
    "instructions": f"You help. {CANARY}",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": CANARY}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": CANARY},
                {"type": "input_image", "image_url": f"data:image/png;base64,{_PIXEL}", "detail": "auto"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "prompter-thoughts-1.SG0u"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": CANARY}]},
        {"type": "function_call", "call_id": "c0", "name": "exec", "arguments": '{"cmd":"ls"}'},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": CANARY},
        {"type": "function_call_output", "call_id": "c0", "output": CANARY},
        {
            "type": "custom_tool_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "ok"}],
        },
    ],
    "tools": [
        {"type": "function", "name": "exec", "description": CANARY, "parameters": _SCHEMA, "strict": False},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "definition": "start: WORD"}},
        {
            "type": "namespace",
            "name": "mcp__x",
            "description": CANARY,
            "tools": [{"type": "custom", "name": "y"}],
        },
        {"type": "web_search"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "text": {"format": {"type": "json_schema", "name": "x", "schema": _SCHEMA}, "verbosity": "low"},
    "store": False,
    "stream": True,
    "metadata": {"a": CANARY},
    "max_output_tokens": 100,
}
MESSAGE: dict[str, Any] = {
    "model": "random/any",
    "max_tokens": 100,
    "system": [{"type": "text", "text": CANARY, "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": CANARY},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": CANARY, "signature": "prompter"},
                {"type": "text", "text": CANARY},
                {"type": "tool_use", "id": "t0", "name": "exec", "input": {"cmd": "ls"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t0", "content": [{"type": "text", "text": CANARY}]},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": _PIXEL},
                },
                {"type": "document", "title": "T", "source": {"type": "text", "data": CANARY}},
                {"type": "text", "text": CANARY},
            ],
        },
        {"role": "system", "content": CANARY},
    ],
    "tools": [
        {"name": "exec", "description": CANARY, "input_schema": _SCHEMA},
        {"type": "web_search_20260318", "name": "web_search"},
    ],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low"},
    "stop_sequences": ["END"],
    "metadata": {"user_id": CANARY},
    "stream": True,
}
ROUTES = {
    "/v1/responses": RESPONSE,
    "/v1/messages": MESSAGE,
    "/v1/messages/count_tokens": MESSAGE,
}
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, 1e308, "", " ", "\x00", "\ud800", "x" * 5000, "🦅", CANARY),
    *(
        [],
        [[]],
        {},
        [None],
        {"type": CANARY},
        {"type": "text"},
        {"type": "input_text", "text": 7},
        [CANARY],
        {"": ""},
    ),
    {"type": "allowed_tools", "tools": [None]},
    {"type": "base64", "media_type": 7, "data": None},
)
_DEEPEST = 300


class RandomChat(FakeChat):
    """A model that answers at random, and breaks off now and then. It keeps no requests."""

    def __init__(self, seed: int) -> None:
        super().__init__(name="random")
        self._rng = random.Random(seed)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        self.opened += 1
        try:
            for chunk in make_chunks(self._rng):
                if self._rng.random() < 0.01:
                    raise UpstreamTruncated("broke off")
                yield chunk
        finally:
            self.closed += 1

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        return await join_chunks(self.stream(request))


@dataclass(slots=True)
class FuzzTally:
    """What came of a campaign."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Every server error, leak and answer of the wrong form, with the request that caused it."""


def bend(rng: random.Random, body: Any) -> Any:
    """A copy of a body with some of its values replaced, left out, doubled or nested."""
    bent = deepcopy(body)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        places = list(_list_places(bent))
        holder, key = rng.choice(places)
        what = rng.randrange(6)
        if what == 0 and isinstance(holder, dict):
            del holder[key]
        elif what == 1 and isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), deepcopy(rng.choice(holder)))
        elif what == 2:
            _, other = rng.choice(places)
            holder[key] = {other: holder[key]} if isinstance(other, str) else [holder[key]]
        elif what == 3 and rng.random() < 0.05:
            for _ in range(rng.randrange(_DEEPEST)):
                holder[key] = [holder[key]]
            return bent
        else:
            holder[key] = deepcopy(rng.choice(_ODD))
    return bent


def _list_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a value that can be replaced: what holds it, and its key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(inside):
        yield value, key
        yield from _list_places(each)


def send_requests(url: str, count: int, seed: int) -> FuzzTally:
    """Send bent requests to a server, to all routes in turn."""
    rng, tally = random.Random(seed), FuzzTally()
    with httpx2.Client(base_url=url, trust_env=False, timeout=30) as client:
        for number in range(count):
            route = list(ROUTES)[number % len(ROUTES)]
            data = json.dumps(bend(rng, ROUTES[route])).encode("utf-8", "surrogatepass")
            response = client.post(route, content=data, headers={"Content-Type": "application/json"})
            tally.statuses[response.status_code] += 1
            if fault := find_fault(route, response):
                tally.faults.append(f"{fault}: {route} {data[:2000]!r}")
    return tally


def find_fault(route: str, response: httpx2.Response) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if response.status_code >= 500 and "broke off" not in response.text:
        return f"status {response.status_code}, {response.text[:500]}"
    if response.status_code != 200:
        if CANARY in response.text:
            return "an error repeats what was sent"
        told = response.json()
        return "" if told.get("error", {}).get("message") else "an error without a message"
    if response.headers["content-type"].startswith("text/event-stream"):
        return find_stream_fault(route, response.content)
    return ""


def find_stream_fault(route: str, data: bytes) -> str:
    """What is wrong with the events of a stream; empty where nothing is."""
    events = [json.loads(raw.partition("data: ")[2]) for raw in data.decode().split("\n\n")[:-1]]
    kinds = [event["type"] for event in events]
    if route == "/v1/responses":
        wanted = [event["sequence_number"] for event in events] == list(range(len(events)))
        ends = kinds[-1] in ("response.completed", "response.incomplete", "response.failed")
        opened, closed = kinds.count("response.output_item.added"), kinds.count("response.output_item.done")
        whole = kinds[-1] == "response.failed" or opened == closed == len(events[-1]["response"]["output"])
        return (
            "" if wanted and ends and whole and kinds[0] == "response.created" else f"a wrong order: {kinds}"
        )
    ends = kinds[-1] in ("message_stop", "error")
    opened, closed = kinds.count("content_block_start"), kinds.count("content_block_stop")
    whole = kinds[-1] == "error" or opened == closed
    starts = [event["index"] for event in events if event["type"] == "content_block_start"]
    is_right = ends and whole and kinds[0] == "message_start" and starts == list(range(len(starts)))
    return "" if is_right else f"a wrong order: {kinds}"


def make_chunks(rng: random.Random) -> list[dict[str, Any]]:
    """Canonical chunks in an order that no model would choose."""
    chunks: list[dict[str, Any]] = []
    named: set[int] = set()
    for _ in range(rng.randrange(30)):
        delta: dict[str, Any] = {"content": rng.choice((None, "", " ", "\n", "Hi", "🦅"))}
        if rng.random() < 0.3:
            delta["reasoning_content"] = delta["reasoning"] = rng.choice(("Hm.", " ", "x" * 100))
        if rng.random() < 0.1:
            delta["refusal"] = "No."
        if rng.random() < 0.5:
            index = rng.randrange(4)
            call: dict[str, Any] = {
                "index": index,
                "function": {"arguments": rng.choice(("", "{", "}", '{"a":1}'))},
            }
            if index not in named:
                named.add(index)
                call |= {"id": rng.choice(("c0", "", f"c{index}")), "type": "function"}
                call["function"]["name"] = rng.choice(("exec", "apply_patch", "unheard_of"))
            delta["tool_calls"] = [call]
        choice = {"index": rng.choice((0, 0, 0, 1)), "delta": delta, "finish_reason": None}
        chunks.append({"choices": [choice]})
    end = rng.choice(("stop", "length", "tool_calls", "content_filter", "function_call"))
    chunks.append({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": end}]})
    if rng.random() < 0.5:
        counts = {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": None,
        }
        chunks.append({"choices": [], "usage": counts})
    return chunks


def write_answers(count: int, seed: int) -> FuzzTally:
    """Write answers of chunks at random in both dialects, whole ones and some that break off."""
    rng, tally = random.Random(seed), FuzzTally()
    response_form = read_response_format(RESPONSE, read_response_request(RESPONSE))
    message_form = read_message_format(MESSAGE, read_messages_request(MESSAGE))
    for number in range(count):
        chunks = make_chunks(rng)
        for route, writer in (
            ("/v1/responses", ResponseWriter(HEAD, response_form)),
            ("/v1/messages", MessageWriter(HEAD, message_form)),
        ):
            copies = json.loads(json.dumps(chunks))
            pieces = [writer.write(each) for each in copies]
            pieces.append(writer.fail(UpstreamTruncated("broke off")) if number % 7 == 0 else writer.finish())
            tally.statuses[200] += 1
            if fault := find_stream_fault(route, b"".join(pieces)):
                tally.faults.append(f"{fault}: {chunks}")
    return tally

"""Chat completions of one fake upstream: the chunks that arrive, and the error that ends them."""

import copy
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from app.core.config import VendorName
from app.core.errors import PrompterError
from app.providers.base import ChatRequest
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.chunk_normalizer import ChunkNormalizer
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.profiles import Profile
from app.providers.upstream.vendors import VENDORS
from tests.fakes.upstream import FakeUpstream, Reply

KEY = "sk-server-0123456789abcdef"
PROMPT = "tell nobody about the purple submarine"
MESSAGES = [{"role": "user", "content": PROMPT}]


@asynccontextmanager
async def open_chat(
    upstream: FakeUpstream, vendor: VendorName = "other", **fields: Any
) -> AsyncIterator[ChatUpstream]:
    """A `ChatUpstream` for the fake; `fields` are those of its profile (`idle_timeout_s=0.2`)."""
    client = UpstreamClient(5)
    endpoint = Endpoint(parse_base_url(upstream.base_url), KEY, Reach.OPERATOR)
    profile = Profile(
        name=vendor,
        vendor=VENDORS[vendor],
        endpoint=endpoint,
        model="tiny",
        models=(),
        connect_timeout_s=5,
        first_byte_timeout_s=5,
        idle_timeout_s=5,
    )
    try:
        yield ChatUpstream(client, replace(profile, **fields))
    finally:
        await client.aclose()


def make_request(**fields: Any) -> ChatRequest:
    return ChatRequest("tiny", {"messages": MESSAGES, **fields})


async def stream_chunks(
    chat: ChatUpstream, **fields: Any
) -> tuple[list[dict[str, Any]], PrompterError | None]:
    """The chunks that arrived, and the error that ended them."""
    chunks: list[dict[str, Any]] = []
    try:
        async with aclosing(chat.stream(make_request(**fields))) as source:
            async for chunk in source:
                chunks.append(chunk)  # noqa: PERF401  # kept one by one: an error ends the loop
    except PrompterError as error:
        return chunks, error
    return chunks, None


async def stream_replies(
    *replies: Reply, vendor: VendorName = "other", **fields: Any
) -> tuple[list[dict[str, Any]], PrompterError | None]:
    """The chunks and the error of a fake that sends these replies; the chunks are checked to be canonical."""
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend(replies)
        async with open_chat(upstream, vendor, **fields) as chat:
            chunks, error = await stream_chunks(chat)
    assert_canonical(chunks, whole=error is None)
    return chunks, error


async def complete_reply(reply: Reply, vendor: VendorName = "other", **fields: Any) -> dict[str, Any]:
    """The whole answer of a fake that sends this reply."""
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(reply)
        async with open_chat(upstream, vendor, **fields) as chat:
            return await chat.complete(make_request())


def normalize_chunks(*chunks: Any) -> list[dict[str, Any]]:
    """All chunks that the normalizer returns for an answer of these chunks, its closing ones included."""
    answer = ChunkNormalizer("tiny")
    taken = [answer.normalize(copy.deepcopy(chunk)) for chunk in chunks]
    found = [chunk for chunk in taken if chunk is not None] + answer.finish()
    assert_canonical(found, whole=True)
    return found


def make_chunk(delta: Any, finish_reason: Any = None, **fields: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    return {"choices": [{"delta": delta, "finish_reason": finish_reason, **fields}]}


def join_text(chunks: list[dict[str, Any]], field: str = "content", index: int = 0) -> str:
    """The text of one choice."""
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(delta.get(field) or "" for delta in deltas)


def list_finish_reasons(chunks: list[dict[str, Any]]) -> list[str]:
    """The finish reasons, in order."""
    found = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    return [reason for reason in found if reason is not None]


def join_tool_calls(chunks: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The tool calls, joined as clients join them: id, name, arguments."""
    joined: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", []):
                parts = joined.setdefault(call["index"], ["", "", ""])
                parts[0] += call.get("id", "")
                parts[1] += call["function"].get("name", "")
                parts[2] += call["function"]["arguments"]
    return [(parts[0], parts[1], parts[2]) for _, parts in sorted(joined.items())]


def get_usage(chunks: list[dict[str, Any]]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = chunks[-1].get("usage") if chunks else None
    return found


def assert_canonical(chunks: list[dict[str, Any]], *, whole: bool) -> None:
    """Check what `ChatProvider` promises of its chunks for every upstream."""
    ended: set[int] = set()
    begun: set[int] = set()
    told: set[tuple[int, int]] = set()
    for place, chunk in enumerate(chunks):
        assert chunk["object"] == "chat.completion.chunk"
        assert {name: chunk[name] for name in ("id", "created", "model")} == {
            name: chunks[0][name] for name in ("id", "created", "model")
        }
        assert isinstance(chunk["choices"], list)
        if "usage" in chunk:
            assert (place, chunk["choices"]) == (len(chunks) - 1, [])
            counts = [chunk["usage"][f"{name}_tokens"] for name in ("prompt", "completion", "total")]
            assert all(type(count) is int for count in counts)
        for choice in chunk["choices"]:
            index, delta = choice["index"], choice["delta"]
            assert index not in ended, "nothing follows a finish reason"
            assert delta["content"] is None or isinstance(delta["content"], str)
            assert delta.get("role") == (None if index in begun else "assistant")
            begun.add(index)
            assert delta.get("reasoning_content") == delta.get("reasoning")
            if "tool_calls" in delta:
                assert delta["tool_calls"]
            for call in delta.get("tool_calls", []):
                assert isinstance(call["function"]["arguments"], str)
                known = (index, call["index"]) in told
                assert known == ("name" not in call["function"]) == ("id" not in call)
                told.add((index, call["index"]))
            if choice["finish_reason"] is not None:
                assert choice["finish_reason"] in (
                    "stop",
                    "length",
                    "tool_calls",
                    "content_filter",
                    "function_call",
                )
                ended.add(index)
    assert not whole or (begun == ended and begun), "every choice has its end"

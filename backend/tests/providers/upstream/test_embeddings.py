"""Embeddings of one upstream: the order of the inputs, wrong answers, and errors that repeat nothing."""

from typing import Any

import pytest

from app.core.errors import BadRequest, UpstreamError, UpstreamRateLimited, UpstreamTimeout
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.embeddings import request_embeddings
from tests.fakes.upstream import FakeUpstream, Reply, json_reply

WORDS = "tell nobody about the purple submarine"


async def request(*replies: Reply, timeout_s: float = 5, **body: Any) -> tuple[list[dict[str, Any]], object]:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend(replies)
        client = UpstreamClient(5)
        endpoint = Endpoint(parse_base_url(upstream.base_url), "sk-0123456789abcdef", Reach.OPERATOR)
        try:
            asked = {"input": WORDS, **body}
            return await request_embeddings(client, endpoint, "tiny", asked, timeout_s=timeout_s, tries=1)
        finally:
            await client.aclose()


def listed(*entries: dict[str, Any], **fields: Any) -> Reply:
    return json_reply({"data": list(entries), **fields})


async def test_the_order_is_that_of_the_inputs() -> None:
    reply = listed(
        {"index": 1, "embedding": [1.5]}, {"index": 0, "embedding": "AAAA"}, usage={"total_tokens": 3}
    )
    found, usage = await request(reply)
    assert [(each["index"], each["embedding"]) for each in found] == [(0, "AAAA"), (1, [1.5])]
    assert usage == {"total_tokens": 3}


async def test_entries_without_numbers_are_in_order() -> None:
    found, _ = await request(listed({"embedding": [1]}, {"embedding": [2]}))
    assert [each["index"] for each in found] == [0, 1]


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"data": []}),
        json_reply({"embeddings": [[1]]}),
        json_reply([1]),
        listed({"embedding": []}),
        listed({"embedding": ["x"]}),
        Reply([b"<html>"], headers={"Content-Type": "text/html"}),
    ],
)
async def test_an_answer_without_embeddings(reply: Reply) -> None:
    with pytest.raises(UpstreamError):
        await request(reply)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_service_without_the_route(status: int) -> None:
    with pytest.raises(BadRequest, match="computes no embeddings") as refused:
        await request(json_reply({"error": {"message": f"cannot read {WORDS}"}}, status))
    assert WORDS not in refused.value.message


async def test_other_refusals_keep_their_kind() -> None:
    with pytest.raises(UpstreamRateLimited):
        await request(json_reply({"error": {"message": "slow down"}}, 429))
    with pytest.raises(UpstreamTimeout):
        await request(Reply(silent=True, ending="hang"), timeout_s=0.2)

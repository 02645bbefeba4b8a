"""Embeddings of one upstream: one request, and its answer in OpenAI's form."""

from collections.abc import Mapping
from typing import Any

import anyio

from app.core.errors import BadRequest, UpstreamError
from app.providers.upstream.client import Endpoint, UpstreamClient, make_redactor
from app.providers.upstream.codec import JsonTooDeep, parse_json
from app.providers.upstream.errors import make_no_api_error, read_refusal, upstream_errors

_PATH = "/embeddings"
_MAX_RETRY_WAIT_S = 0.5  # as for chat: a longer wait is the client's
_MAX_ANSWER_BYTES = 64 << 20
"""2048 inputs of 1024 numbers each, written out, are some 45 MB."""
_NO_ROUTE = frozenset({404, 405, 501})


async def request_embeddings(
    client: UpstreamClient,
    endpoint: Endpoint,
    model: str,
    body: Mapping[str, Any],
    *,
    timeout_s: float,
    tries: int,
) -> tuple[list[dict[str, Any]], object]:
    """The embeddings in the order of the inputs, and the usage as the upstream gives it.

    Raises:
        BadRequest: the upstream has no embeddings with this model.
        UpstreamError: and its kinds.
    """
    host = endpoint.label
    by_s = anyio.current_time() + timeout_s
    async with client.request(
        "POST",
        endpoint,
        _PATH,
        timeout_s=timeout_s,
        tries=tries,
        max_retry_wait_s=_MAX_RETRY_WAIT_S,
        json={**body, "model": model},
    ) as reply:
        with upstream_errors(host), anyio.fail_after(max(0.0, by_s - anyio.current_time())):
            refusal = await read_refusal(reply, make_redactor(endpoint, *_texts(body["input"])))
            answer = b"" if refusal else await reply.read_body(_MAX_ANSWER_BYTES + 1)
    if refusal is not None and refusal.status in _NO_ROUTE:
        words = f": {refusal.detail}" if refusal.detail else ""
        raise BadRequest(
            f"the upstream {host!r} computes no embeddings with this model (status {refusal.status}){words}",
            param="model",
        )
    if refusal is not None:
        raise refusal.to_error(host)
    if len(answer) > _MAX_ANSWER_BYTES:
        raise UpstreamError(f"the answer of {host!r} is over {_MAX_ANSWER_BYTES} bytes; send fewer inputs")
    return _read_embeddings(answer, host)


def _texts(inputs: Any) -> list[str]:
    return [each for each in (inputs if isinstance(inputs, list) else [inputs]) if isinstance(each, str)]


def _read_embeddings(answer: bytes, host: str) -> tuple[list[dict[str, Any]], object]:
    try:
        data = parse_json(answer)
    except (JsonTooDeep, ValueError) as error:
        raise make_no_api_error(host) from error
    listed = data.get("data") if isinstance(data, dict) else None
    entries = listed if isinstance(listed, list) else []
    if not entries or not all(
        isinstance(each, dict) and _is_embedding(each.get("embedding")) for each in entries
    ):
        raise UpstreamError(f"the upstream {host!r} answered without embeddings; check the model")
    found = [
        {"object": "embedding", "index": _index(each, at), "embedding": each["embedding"]}
        for at, each in enumerate(entries)
    ]
    return sorted(found, key=lambda each: each["index"]), data.get("usage")


def _index(entry: dict[str, Any], at: int) -> int:
    return entry["index"] if type(entry.get("index")) is int else at


def _is_embedding(value: object) -> bool:
    """Numbers, or their base64. The first number speaks for all: there may be a million."""
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, list) and bool(value) and type(value[0]) in (int, float)

"""The HTTP client for all upstreams: builds requests, retries before the first byte of an answer, keeps time limits."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import orjson

from app.core.errors import BadRequest, UpstreamError
from app.providers.upstream.addresses import BaseUrl, Reach
from app.providers.upstream.errors import CONNECT_ERRORS, Redactor, parse_retry_after_s, upstream_errors
from app.providers.upstream.transport import GuardedTransport, Reply, Resolver, resolve_host

USER_AGENT = "prompter"
"""Names a PROMPTer to the services it asks. One that is asked by another, or by itself, does not ask on for users."""
_BACKOFF_S = 0.25
_MAX_RETRY_WAIT_S = 5.0
_RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an upstream and its key. The key is sent to this base URL alone."""

    base: BaseUrl
    api_key: str = field(repr=False)
    reach: Reach
    reuses_connections: bool = True
    """Whether a connection may serve a second request."""
    name: str = ""
    """The name of a connection, for errors; empty for all others."""
    sends_x_api_key: bool = False
    """Whether the key goes into `x-api-key`, with the version that Anthropic's own API wants, and not into a bearer."""

    @property
    def told_name(self) -> str:
        """What states call the upstream, which only its users read."""
        return self.name or self.base.host

    @property
    def label(self) -> str:
        """What errors call the upstream: its host where the settings name it; they do not repeat a request."""
        if self.name:
            return self.name
        return "base_url" if self.reach is Reach.PUBLIC else self.base.host


class UpstreamClient:
    """Sends requests to endpoints over one pool of connections for each reach, opened when first needed.

    `resolver` looks up host names; tests hand in their own.
    """

    def __init__(self, connect_timeout_s: float, resolver: Resolver = resolve_host) -> None:
        self._transports = {
            reach: GuardedTransport(reach, connect_timeout_s=connect_timeout_s, resolver=resolver)
            for reach in Reach
        }

    @asynccontextmanager
    async def request(
        self,
        method: str,
        endpoint: Endpoint,
        path: str,
        *,
        timeout_s: float,
        tries: int,
        max_retry_wait_s: float = _MAX_RETRY_WAIT_S,
        **body: Any,
    ) -> AsyncIterator[Reply]:
        """Send a request and yield the reply, whatever its status; leaving the block closes it.

        `body` is `json`, or `data` and `files`, as httpx2 takes them. A broken connection, 408, 429 and some 5xx are
        tried again, up to `tries` times within `timeout_s`; nothing of an answer is read by then. A refusal that asks
        to wait longer than `max_retry_wait_s` is yielded as it is.

        Raises:
            BaseUrlNotAllowed, UpstreamError, UpstreamTimeout
        """
        build_request = _build_requests(method, endpoint, path, body)
        with upstream_errors(endpoint.label), anyio.fail_after(timeout_s):
            reply = await self._send_with_retries(
                self._transports[endpoint.reach], build_request, tries, max_retry_wait_s
            )
        try:
            if reply.headers.get("content-encoding", "identity") != "identity":
                # The request asked for plain bytes; unpacking a stranger's data could take any amount of memory.
                raise UpstreamError(
                    f"the upstream {endpoint.label!r} answered compressed, which was not asked for"
                )
            yield reply
        finally:
            await reply.aclose()

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def _send_with_retries(
        self,
        transport: GuardedTransport,
        build_request: Callable[[], httpx2.Request],
        tries: int,
        max_retry_wait_s: float,
    ) -> Reply:
        for left in range(tries - 1, 0, -1):
            wait_s = _BACKOFF_S * 2 ** (tries - 1 - left)
            try:
                reply = await transport.send(build_request())
            except CONNECT_ERRORS:
                await anyio.sleep(wait_s)
                continue
            requested_wait_s = parse_retry_after_s(reply.headers) or 0.0
            if reply.status not in _RETRY_STATUSES or requested_wait_s > max_retry_wait_s:
                return reply
            await reply.aclose()
            await anyio.sleep(max(wait_s, requested_wait_s))
        return await transport.send(build_request())


def make_redactor(endpoint: Endpoint, *texts: str) -> Redactor:
    """Return the redactor of error messages about this endpoint: they hold neither its key nor `texts`."""
    return Redactor(endpoint.api_key, texts)


def _build_requests(
    method: str, endpoint: Endpoint, path: str, body: dict[str, Any]
) -> Callable[[], httpx2.Request]:
    """Return a function that builds the request; a request can be sent only once, so each try needs its own."""
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
    if not endpoint.reuses_connections:
        headers["Connection"] = "close"
    if endpoint.api_key and endpoint.sends_x_api_key:
        headers |= {"x-api-key": endpoint.api_key, "anthropic-version": "2023-06-01"}
    elif endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    if "json" in body:
        headers["Content-Type"] = "application/json"
        body = {"content": _encode_json(body["json"])}
    return lambda: httpx2.Request(method, endpoint.base.join(path), headers=headers, **body)


def _encode_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        pass  # half a surrogate pair, an integer beyond 64 bits, 255 levels: valid JSON that orjson does not write
    try:
        return json.dumps(value).encode("ascii")
    except RecursionError as error:
        raise BadRequest("the request nests too deeply; send simpler fields") from error

"""Chat completions of one upstream: streamed or whole, canonical, in time, and never cut off unnoticed."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from app.core.errors import PrompterError, UpstreamError
from app.providers.base import ChatRequest
from app.providers.upstream.chunks import ChunkNormalizer, NoAnswer, normalize_completion
from app.providers.upstream.client import UpstreamClient, make_redactor
from app.providers.upstream.codec import JsonTooDeep, SseDecoder, parse_json
from app.providers.upstream.errors import (
    Redactor,
    make_truncated_error,
    read_midstream_refusal,
    read_refusal,
    upstream_errors,
)
from app.providers.upstream.fields import AnswerFailed
from app.providers.upstream.profiles import Profile
from app.providers.upstream.request import Quirk, apply_quirk, collect_texts, prepare_body, quirk_from
from app.providers.upstream.transport import Reply

_PATH = "/chat/completions"
_TRIES = 2  # clients try again themselves: their tries times ours is what a failing upstream gets
_MAX_RETRY_WAIT_S = 0.5  # a client is told how long to wait and does; waiting here would double its tries
_MAX_ADAPTATIONS = 2
_MAX_ANSWER_BYTES = 32 << 20
_MAX_EVENT_BYTES = 16 << 20  # a picture comes in one event
_COMPLETION_TIMEOUT_FACTOR = 10.0
_MAX_QUIRKS = 1000


class ChatUpstream:
    """One profile over one client. What an upstream was found to refuse is not sent to it again."""

    def __init__(self, client: UpstreamClient, profile: Profile, *, tries: int = _TRIES) -> None:
        self._client = client
        self._profile = profile
        self._tries = tries
        self._quirks: dict[tuple[Quirk, str], None] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """As `ChatProvider.stream`; the first byte, and each event after it, has a time limit, the whole has none.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError and its kinds: failures in mid-answer
                after everything that came before.
        """
        host = self._profile.require_endpoint().base.host
        answer = ChunkNormalizer(request.model)
        first_by_s = anyio.current_time() + self._profile.first_byte_timeout_s
        async with self._open(request, by_s=first_by_s, stream=True) as reply:
            reply.limit_wait(max(0.0, first_by_s - anyio.current_time()))
            events = _EventReader(reply)
            failure: PrompterError | None = None
            try:
                # Outside the loop, since entering it for every event would cost more than reading one.
                with upstream_errors(host, answer_begun=True):
                    while not failure and (found := await events.next()):
                        chunks, failure = self._read(found, answer, request, last=events.ended)
                        for chunk in chunks:
                            yield chunk
                        # Comments do not come here: a keep-alive is no progress.
                        reply.limit_wait(self._profile.idle_timeout_s)
            except UpstreamError:
                if not answer.is_finished:
                    raise
                # The answer was whole; only the usage or the goodbye is lost.
            if failure:
                raise failure
            if events.done:
                with suppress(UpstreamError), upstream_errors(host):
                    await reply.drain()
        if not (events.done or answer.is_finished):
            raise make_truncated_error(host)
        for chunk in answer.finish():
            yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """As `ChatProvider.complete`. Its first byte comes when all is written: ten times the usual limit.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError and its kinds
        """
        host = self._profile.require_endpoint().base.host
        by_s = anyio.current_time() + self._profile.first_byte_timeout_s * _COMPLETION_TIMEOUT_FACTOR
        async with self._open(request, by_s=by_s, stream=False) as reply:
            reply.limit_wait(max(0.0, by_s - anyio.current_time()))
            with upstream_errors(host, answer_begun=True):
                body = await reply.read_body(_MAX_ANSWER_BYTES + 1)
        if len(body) > _MAX_ANSWER_BYTES:
            raise UpstreamError(f"the answer of {host!r} is over {_MAX_ANSWER_BYTES} bytes; ask for less")
        data = _parse_event(body, host, last=True)
        if data.get("error") or data.get("object") == "error":
            raise read_midstream_refusal(data, self._redactor(request)).to_error(host)
        try:
            return normalize_completion(data, request.model)
        except NoAnswer as error:
            raise UpstreamError(f"the upstream {host!r} answered without a choice; check base_url") from error
        except AnswerFailed as error:
            raise self._failed(host, error, request) from error

    def _read(
        self, events: list[bytes], answer: ChunkNormalizer, request: ChatRequest, *, last: bool
    ) -> tuple[list[dict[str, Any]], PrompterError | None]:
        """The chunks of events that came together, and the failure that ended them: what came before counts."""
        host = self._profile.require_endpoint().base.host
        chunks: list[dict[str, Any]] = []
        for event in events:
            try:
                data = _parse_event(event, host, last=last)
                if data.get("error") or data.get("object") == "error":
                    return chunks, read_midstream_refusal(data, self._redactor(request)).to_error(host)
                chunk = answer.normalize(data)
            except UpstreamError as error:
                return chunks, None if answer.is_finished else error
            except AnswerFailed as error:
                return chunks, self._failed(host, error, request)
            if chunk is not None:
                chunks.append(chunk)
        return chunks, None

    @asynccontextmanager
    async def _open(self, request: ChatRequest, *, by_s: float, stream: bool) -> AsyncIterator[Reply]:
        """The reply to read from; a body that this upstream refuses is adapted and sent again."""
        endpoint = self._profile.require_endpoint()
        host, model = endpoint.base.host, request.model
        body = prepare_body(self._profile.vendor.adapt(request.body, model), model, stream=stream)
        for known, of_model in self._quirks:
            if of_model in ("", model):
                body = apply_quirk(body, known)
        learned: list[Quirk] = []
        while True:
            within_s = max(0.0, by_s - anyio.current_time())
            async with self._client.request(
                "POST",
                endpoint,
                _PATH,
                timeout_s=within_s,
                tries=self._tries,
                max_retry_wait_s=_MAX_RETRY_WAIT_S,
                json=body,
            ) as reply:
                within_s = max(0.0, by_s - anyio.current_time())
                with upstream_errors(host), anyio.fail_after(within_s):
                    refusal = await read_refusal(
                        reply, self._redactor(request) if reply.status >= 300 else _NOTHING_TO_REDACT
                    )
                if refusal is None:
                    self._remember(learned, model)
                    yield reply
                    return
            error = refusal.to_error(host)
            may_learn = refusal.status in (400, 422) and isinstance(error, UpstreamError)
            quirk = quirk_from(body, refusal.words) if may_learn else None
            if quirk is None or quirk in learned or len(learned) == _MAX_ADAPTATIONS:
                raise error
            learned.append(quirk)
            body = apply_quirk(body, quirk)

    def _remember(self, learned: list[Quirk], model: str) -> None:
        for quirk in learned:
            # A server refuses `stream_options` for every model; the name of the token limit depends on the model.
            self._quirks[quirk, "" if quirk == Quirk.NO_STREAM_OPTIONS else model] = None
            if len(self._quirks) > _MAX_QUIRKS:
                self._quirks.clear()

    def _redactor(self, request: ChatRequest) -> Redactor:
        return make_redactor(self._profile.require_endpoint(), *collect_texts(request.body))

    def _failed(self, host: str, error: AnswerFailed, request: ChatRequest) -> UpstreamError:
        words = self._redactor(request).redact(str(error))
        return UpstreamError(f"the upstream {host!r} failed in the middle of its answer: {words}")


_NOTHING_TO_REDACT = Redactor()


def _parse_event(event: bytes, host: str, *, last: bool) -> dict[str, Any]:
    """The object of one event, an empty one where it is something else.

    Raises:
        UpstreamTruncated: it ends in the middle, and nothing follows.
        UpstreamError: it is not JSON, or too deep.
    """
    try:
        data = parse_json(event)
    except JsonTooDeep as error:
        raise UpstreamError(
            f"the upstream {host!r} sent an answer that nests too deeply; ask for a simpler one"
        ) from error
    except ValueError as error:
        if last and event.lstrip()[:1] in (b"", b"{"):
            raise make_truncated_error(host) from error
        raise UpstreamError(
            f"the upstream {host!r} sent an event that is not JSON; check base_url"
        ) from error
    return data if isinstance(data, dict) else {}


class _EventReader:
    """The events of a reply as they come."""

    def __init__(self, reply: Reply) -> None:
        self.done = False
        """`[DONE]` was seen: nothing follows."""
        self.ended = False
        """The body is over."""
        self._reply = reply
        self._decoder = SseDecoder(_MAX_EVENT_BYTES)
        self._is_whole = reply.headers.get("content-type", "").startswith("application/json")

    async def next(self) -> list[bytes]:
        """One event or more, none at the end. Keep-alive comments are read over: they are no progress."""
        if self.ended or self.done:
            return []
        if self._is_whole:  # it ignored `stream`: one answer, not events
            self.ended = True
            whole = await self._reply.read_body(_MAX_ANSWER_BYTES)
            return [whole] if whole else []
        while (part := await self._reply.read_part()) is not None:
            if events := self._decoder.feed(part):
                return self._until_done(events)
        self.ended = True
        return self._until_done(self._decoder.finish())

    def _until_done(self, events: list[bytes]) -> list[bytes]:
        for place, event in enumerate(events):
            if event.startswith(b"[DONE]"):
                self.done = True
                return events[:place]
        return events

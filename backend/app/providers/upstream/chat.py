"""Chat completions of one upstream, streamed or whole: normalized, with time limits, and never cut off unnoticed."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from app.core.errors import PrompterError, UpstreamError
from app.providers.base import ChatRequest
from app.providers.upstream.chunk_normalizer import ChunkNormalizer, NoAnswer, normalize_completion
from app.providers.upstream.client import UpstreamClient, make_redactor
from app.providers.upstream.codec import JsonTooDeep, SseDecoder, parse_json
from app.providers.upstream.errors import (
    Redactor,
    Refusal,
    make_no_api_error,
    make_truncated_error,
    read_midstream_refusal,
    read_refusal,
    upstream_errors,
)
from app.providers.upstream.field_normalizers import AnswerFailed
from app.providers.upstream.profiles import Profile
from app.providers.upstream.request import (
    Quirk,
    apply_quirk,
    collect_texts,
    is_over_limit,
    prepare_body,
    quirk_from,
)
from app.providers.upstream.transport import Reply

_PATH = "/chat/completions"
_TRIES = 2  # clients try again themselves, so a failing upstream gets their tries times ours
_MAX_RETRY_WAIT_S = 0.5  # a longer wait is the client's: our answer tells it how long
_MAX_ADAPTATIONS = 2
_MAX_ANSWER_BYTES = 32 << 20
_MAX_EVENT_BYTES = 16 << 20  # an image comes in one event
_COMPLETION_TIMEOUT_FACTOR = 10.0
_MAX_QUIRKS = 1000
_EVENT_STARTS = (b"data", b"event", b"id", b"retry", b":", b"{")
"""How a stream of server-sent events begins, or an error in place of one."""
_HEAD_BYTES = max(map(len, _EVENT_STARTS))
_BLANK = b" \t\r\n\xef\xbb\xbf"
"""White space, and a byte order mark."""


class ChatUpstream:
    """Asks one profile's upstream for chat completions, and remembers the quirks that it showed."""

    def __init__(self, client: UpstreamClient, profile: Profile, *, tries: int = _TRIES) -> None:
        self._client = client
        self._profile = profile
        self._tries = tries
        self._quirks: dict[tuple[Quirk, str], None] = {}
        """Each with the model that has it, or "" for every model."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """As `ChatProvider.stream`; the first byte and each event after it have a time limit, the whole has none.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError: an answer that fails in the middle raises
                after the chunks that came before.
        """
        host = self._profile.require_endpoint().label
        normalizer = ChunkNormalizer(request.model, keeps_think_tags=self._keeps_think_tags(request))
        first_by_s = anyio.current_time() + self._profile.first_byte_timeout_s
        async with self._open(request, by_s=first_by_s, stream=True) as reply:
            reply.limit_wait(max(0.0, first_by_s - anyio.current_time()))
            events = _EventReader(reply)
            failure: PrompterError | None = None
            try:
                # Around the loop: entering the context manager costs more than reading an event.
                with upstream_errors(host, answer_begun=True):
                    while not failure and (found := await events.next()):
                        chunks, failure = self._normalize_events(
                            found, normalizer, request, is_last=events.is_at_end, is_whole=events.is_whole
                        )
                        for chunk in chunks:
                            yield chunk
                        # A keep-alive comment gives no event, so it does not extend the limit.
                        reply.limit_wait(self._profile.idle_timeout_s)
            except UpstreamError:
                if not normalizer.is_finished:
                    raise
                # The answer is complete; only its usage or `[DONE]` is missing.
            if failure:
                raise failure
            if events.is_done:
                with suppress(UpstreamError), upstream_errors(host):
                    await reply.drain()
        if not (events.is_done or normalizer.is_finished):
            is_foreign = events.is_foreign and not normalizer.has_begun
            raise make_no_api_error(host) if is_foreign else make_truncated_error(host)
        if not normalizer.has_begun:
            raise _make_no_answer_error(host)
        for chunk in normalizer.finish():
            yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """As `ChatProvider.complete`. Its first byte comes when all is written, so it has ten times the usual limit.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError
        """
        host = self._profile.require_endpoint().label
        by_s = anyio.current_time() + self._profile.first_byte_timeout_s * _COMPLETION_TIMEOUT_FACTOR
        async with self._open(request, by_s=by_s, stream=False) as reply:
            reply.limit_wait(max(0.0, by_s - anyio.current_time()))
            with upstream_errors(host, answer_begun=True):
                body = await reply.read_body(_MAX_ANSWER_BYTES + 1)
        if len(body) > _MAX_ANSWER_BYTES:
            raise UpstreamError(f"the answer of {host!r} is over {_MAX_ANSWER_BYTES} bytes; ask for less")
        data = _parse_event(body, host, is_last=True, is_whole=True)
        if data.get("error") or data.get("object") == "error":
            raise read_midstream_refusal(data, self._make_redactor(request)).to_error(host)
        try:
            return normalize_completion(data, request.model, keeps_think_tags=self._keeps_think_tags(request))
        except NoAnswer as error:
            raise _make_no_answer_error(host) from error
        except AnswerFailed as error:
            raise self._make_error(host, error, request) from error

    def _normalize_events(
        self,
        events: list[bytes],
        normalizer: ChunkNormalizer,
        request: ChatRequest,
        *,
        is_last: bool,
        is_whole: bool,
    ) -> tuple[list[dict[str, Any]], PrompterError | None]:
        """Return the chunks of events that came together, and the failure after them, if any."""
        host = self._profile.require_endpoint().label
        chunks: list[dict[str, Any]] = []
        for event in events:
            try:
                data = _parse_event(event, host, is_last=is_last, is_whole=is_whole)
                if data.get("error") or data.get("object") == "error":
                    return chunks, read_midstream_refusal(data, self._make_redactor(request)).to_error(host)
                chunk = normalizer.normalize(data)
            except UpstreamError as error:
                return chunks, None if normalizer.is_finished else error
            except AnswerFailed as error:
                return chunks, self._make_error(host, error, request)
            if chunk is not None:
                chunks.append(chunk)
        return chunks, None

    @asynccontextmanager
    async def _open(self, request: ChatRequest, *, by_s: float, stream: bool) -> AsyncIterator[Reply]:
        """Yield the reply to read; a body that this upstream refuses is sent again without what it refused."""
        endpoint = self._profile.require_endpoint()
        host, model = endpoint.label, request.model
        body = prepare_body(self._profile.vendor.adapt_body(request.body, model), model, stream=stream)
        for quirk, quirk_model in self._quirks:
            if quirk_model in ("", model):
                body = apply_quirk(body, quirk)
        new_quirks: list[Quirk] = []
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
                        reply, self._make_redactor(request) if reply.status >= 300 else _NOTHING_TO_REDACT
                    )
                if refusal is None:
                    self._remember(new_quirks, model)
                    yield reply
                    return
            error = refusal.to_error(host)
            found = _find_quirk(request, body, refusal, error) if refusal.status in (400, 422) else None
            if found is None or found in new_quirks or len(new_quirks) == _MAX_ADAPTATIONS:
                raise error
            new_quirks.append(found)
            body = apply_quirk(body, found)

    def _remember(self, quirks: list[Quirk], model: str) -> None:
        for quirk in quirks:
            if quirk is Quirk.NO_SUCH_LIMIT:
                continue
            # A server refuses `stream_options` for every model; the name of the token limit depends on the model.
            self._quirks[quirk, "" if quirk == Quirk.NO_STREAM_OPTIONS else model] = None
            if len(self._quirks) > _MAX_QUIRKS:
                self._quirks.clear()

    def _keeps_think_tags(self, request: ChatRequest) -> bool:
        return request.reads_think_tags and self._profile.keeps_think_tags

    def _make_redactor(self, request: ChatRequest) -> Redactor:
        return make_redactor(self._profile.require_endpoint(), *collect_texts(request.body))

    def _make_error(self, host: str, error: AnswerFailed, request: ChatRequest) -> UpstreamError:
        words = self._make_redactor(request).redact(str(error))
        return UpstreamError(f"the upstream {host!r} failed in the middle of its answer: {words}")


_NOTHING_TO_REDACT = Redactor()


def _find_quirk(
    request: ChatRequest, body: Mapping[str, Any], refusal: Refusal, error: PrompterError
) -> Quirk | None:
    """Return the quirk that a refusal reveals, None where no change of the body would help."""
    if request.may_drop_limit and is_over_limit(body, refusal.words):
        return Quirk.NO_SUCH_LIMIT
    return quirk_from(body, refusal.words) if isinstance(error, UpstreamError) else None


def _parse_event(event: bytes, host: str, *, is_last: bool, is_whole: bool) -> dict[str, Any]:
    """Return the JSON object of one event, an empty one where it is another value.

    `is_last` says that nothing follows, `is_whole` that the event is a whole body.

    Raises:
        UpstreamTruncated: the last event ends in the middle.
        UpstreamError: it is not JSON, or nests too deeply.
    """
    try:
        data = parse_json(event)
    except JsonTooDeep as error:
        raise UpstreamError(
            f"the upstream {host!r} sent an answer that nests too deeply; ask for a simpler one"
        ) from error
    except ValueError as error:
        if is_last and event.lstrip()[:1] in (b"", b"{"):
            raise make_truncated_error(host) from error
        if is_whole:
            raise make_no_api_error(host) from error
        raise UpstreamError(
            f"the upstream {host!r} sent an event that is not JSON; check base_url"
        ) from error
    return data if isinstance(data, dict) else {}


def _make_no_answer_error(host: str) -> UpstreamError:
    return UpstreamError(f"the upstream {host!r} answered without a choice; check base_url, and ask again")


class _EventReader:
    """Reads the events of a reply as they come."""

    def __init__(self, reply: Reply) -> None:
        self.is_done = False
        """Whether `[DONE]` came: nothing follows it."""
        self.is_at_end = False
        """Whether the body is over."""
        self.is_foreign = False
        """Whether the body is something else than a stream of events, as far as it was read."""
        self._reply = reply
        self._decoder = SseDecoder(_MAX_EVENT_BYTES)
        self._head = b""
        """How the body begins, as far as it can tell what the body is."""
        self.is_whole = reply.headers.get("content-type", "").startswith("application/json")

    async def next(self) -> list[bytes]:
        """Return one event or more, none at the end; keep-alive comments are skipped."""
        if self.is_at_end or self.is_done:
            return []
        if self.is_whole:  # the upstream ignored `stream` and sends one answer
            self.is_at_end = True
            whole = await self._reply.read_body(_MAX_ANSWER_BYTES)
            return [whole] if whole else []
        while (part := await self._reply.read_part()) is not None:
            if len(self._head) < _HEAD_BYTES:
                self._head = (self._head + part).lstrip(_BLANK)[:_HEAD_BYTES]
                self.is_foreign = not any(
                    self._head.startswith(start[: len(self._head)]) for start in _EVENT_STARTS
                )
                if self._head.startswith(b"<"):
                    break  # a page may be long
            if events := self._decoder.feed(part):
                return self._cut_at_done(events)
        self.is_at_end = True
        return self._cut_at_done(self._decoder.finish())

    def _cut_at_done(self, events: list[bytes]) -> list[bytes]:
        for place, event in enumerate(events):
            if event.startswith(b"[DONE]"):
                self.is_done = True
                return events[:place]
        return events

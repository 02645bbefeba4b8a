"""Chat completions of one upstream: streamed or whole, canonical, in time, and never cut off unnoticed."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from app.core.errors import PrompterError, UpstreamError
from app.providers.base import ChatRequest
from app.providers.upstream.chunks import Canonical, NoAnswer, completion_of
from app.providers.upstream.client import UpstreamClient, private_of
from app.providers.upstream.codec import SseDecoder, TooDeep, json_of
from app.providers.upstream.errors import (
    Private,
    read_refusal,
    refusal_midway,
    truncated,
    upstream_errors,
)
from app.providers.upstream.fields import AnswerFailed
from app.providers.upstream.profiles import Profile
from app.providers.upstream.request import Lesson, lesson_of, said_in, sent_body, taught
from app.providers.upstream.transport import Reply

_PATH = "/chat/completions"
_TRIES = 2  # clients try again themselves: their tries times ours is what a failing upstream gets
_LONGEST_WAIT_S = 0.5  # a client is told how long to wait and does; waiting here would double its tries
_ADAPTATIONS = 2
_ANSWER_BYTES = 32 << 20
_EVENT_BYTES = 16 << 20  # a picture comes in one event
_WHOLE_FACTOR = 10.0
_LESSONS = 1000


class ChatUpstream:
    """One profile over one client. What an upstream was found to refuse is not sent to it again."""

    def __init__(self, client: UpstreamClient, profile: Profile, *, tries: int = _TRIES) -> None:
        self._client = client
        self._profile = profile
        self._tries = tries
        self._lessons: dict[tuple[Lesson, str], None] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """As `ChatProvider.stream`; the first byte, and each event after it, has a time limit, the whole has none.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError and its kinds: failures in mid-answer
                after everything that came before.
        """
        host = self._profile.required().base.host
        answer = Canonical(request.model)
        first_by_s = anyio.current_time() + self._profile.first_byte_timeout_s
        async with self._open(request, by_s=first_by_s, stream=True) as reply:
            reply.expect_within(max(0.0, first_by_s - anyio.current_time()))
            events = _Events(reply)
            failure: PrompterError | None = None
            try:
                # Outside the loop, since entering it for every event would cost more than reading one.
                with upstream_errors(host, begun=True):
                    while not failure and (found := await events.next()):
                        chunks, failure = self._read(found, answer, request, last=events.ended)
                        for chunk in chunks:
                            yield chunk
                        # Comments do not come here: a keep-alive is no progress.
                        reply.expect_within(self._profile.idle_timeout_s)
            except UpstreamError:
                if not answer.finished:
                    raise
                # The answer was whole; only the usage or the goodbye is lost.
            if failure:
                raise failure
            if events.done:
                with suppress(UpstreamError), upstream_errors(host):
                    await reply.drain()
        if not (events.done or answer.finished):
            raise truncated(host)
        for chunk in answer.end():
            yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """As `ChatProvider.complete`. Its first byte comes when all is written: ten times the usual limit.

        Raises:
            MissingConfig, BaseUrlNotAllowed, ContextTooLong, UpstreamError and its kinds
        """
        host = self._profile.required().base.host
        by_s = anyio.current_time() + self._profile.first_byte_timeout_s * _WHOLE_FACTOR
        async with self._open(request, by_s=by_s, stream=False) as reply:
            reply.expect_within(max(0.0, by_s - anyio.current_time()))
            with upstream_errors(host, begun=True):
                body = await reply.body(_ANSWER_BYTES + 1)
        if len(body) > _ANSWER_BYTES:
            raise UpstreamError(f"the answer of {host!r} is over {_ANSWER_BYTES} bytes; ask for less")
        data = _parsed(body, host, last=True)
        if data.get("error") or data.get("object") == "error":
            raise refusal_midway(data, self._private(request)).error(host)
        try:
            return completion_of(data, request.model)
        except NoAnswer as error:
            raise UpstreamError(f"the upstream {host!r} answered without a choice; check base_url") from error
        except AnswerFailed as error:
            raise self._failed(host, error, request) from error

    def _read(
        self, events: list[bytes], answer: Canonical, request: ChatRequest, *, last: bool
    ) -> tuple[list[dict[str, Any]], PrompterError | None]:
        """The chunks of events that came together, and the failure that ended them: what came before counts."""
        host = self._profile.required().base.host
        chunks: list[dict[str, Any]] = []
        for event in events:
            try:
                data = _parsed(event, host, last=last)
                if data.get("error") or data.get("object") == "error":
                    return chunks, refusal_midway(data, self._private(request)).error(host)
                chunk = answer.take(data)
            except UpstreamError as error:
                return chunks, None if answer.finished else error
            except AnswerFailed as error:
                return chunks, self._failed(host, error, request)
            if chunk is not None:
                chunks.append(chunk)
        return chunks, None

    @asynccontextmanager
    async def _open(self, request: ChatRequest, *, by_s: float, stream: bool) -> AsyncIterator[Reply]:
        """The reply to read from; a body that this upstream refuses is adapted and sent again."""
        endpoint = self._profile.required()
        host, model = endpoint.base.host, request.model
        body = sent_body(self._profile.kind.adapt(request.body, model), model, stream=stream)
        for known, of_model in self._lessons:
            if of_model in ("", model):
                body = taught(body, known)
        learned: list[Lesson] = []
        while True:
            within_s = max(0.0, by_s - anyio.current_time())
            async with self._client.ask(
                "POST",
                endpoint,
                _PATH,
                answer_within_s=within_s,
                tries=self._tries,
                longest_wait_s=_LONGEST_WAIT_S,
                json=body,
            ) as reply:
                within_s = max(0.0, by_s - anyio.current_time())
                with upstream_errors(host), anyio.fail_after(within_s):
                    refusal = await read_refusal(
                        reply, self._private(request) if reply.status >= 300 else _NOBODY
                    )
                if refusal is None:
                    self._remember(learned, model)
                    yield reply
                    return
            error = refusal.error(host)
            may_learn = refusal.status in (400, 422) and isinstance(error, UpstreamError)
            lesson = lesson_of(body, refusal.words) if may_learn else None
            if lesson is None or lesson in learned or len(learned) == _ADAPTATIONS:
                raise error
            learned.append(lesson)
            body = taught(body, lesson)

    def _remember(self, learned: list[Lesson], model: str) -> None:
        for lesson in learned:
            # Whether usage may be asked for is the server's own habit, the names of fields are the model's.
            self._lessons[lesson, "" if lesson == "no usage" else model] = None
            if len(self._lessons) > _LESSONS:
                self._lessons.clear()

    def _private(self, request: ChatRequest) -> Private:
        return private_of(self._profile.required(), *said_in(request.body))

    def _failed(self, host: str, error: AnswerFailed, request: ChatRequest) -> UpstreamError:
        words = self._private(request).safe(str(error))
        return UpstreamError(f"the upstream {host!r} failed in the middle of its answer: {words}")


_NOBODY = Private()


def _parsed(event: bytes, host: str, *, last: bool) -> dict[str, Any]:
    """The object of one event, an empty one where it is something else.

    Raises:
        UpstreamTruncated: it ends in the middle, and nothing follows.
        UpstreamError: it is not JSON, or too deep.
    """
    try:
        data = json_of(event)
    except TooDeep as error:
        raise UpstreamError(
            f"the upstream {host!r} sent an answer that nests too deeply; ask for a simpler one"
        ) from error
    except ValueError as error:
        if last and event.lstrip()[:1] in (b"", b"{"):
            raise truncated(host) from error
        raise UpstreamError(
            f"the upstream {host!r} sent an event that is not JSON; check base_url"
        ) from error
    return data if isinstance(data, dict) else {}


class _Events:
    """The events of a reply as they come."""

    def __init__(self, reply: Reply) -> None:
        self.done = False
        """`[DONE]` was seen: nothing follows."""
        self.ended = False
        """The body is over."""
        self._reply = reply
        self._decoder = SseDecoder(_EVENT_BYTES)
        self._is_whole = reply.headers.get("content-type", "").startswith("application/json")

    async def next(self) -> list[bytes]:
        """One event or more, none at the end. Keep-alive comments are read over: they are no progress."""
        if self.ended or self.done:
            return []
        if self._is_whole:  # it ignored `stream`: one answer, not events
            self.ended = True
            whole = await self._reply.body(_ANSWER_BYTES)
            return [whole] if whole else []
        while (part := await self._reply.part()) is not None:
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

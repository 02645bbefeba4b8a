"""The uvicorn server of `prompter serve`: what it announces, how it shuts down, its bounded HTTP parser, its pings."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from asyncio import TimerHandle, Transport
from collections import deque
from contextlib import suppress
from types import FrameType
from typing import Any

import anyio
import uvicorn
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.cli.announcement import describe_access, describe_answers, describe_page, describe_wyoming
from app.cli.common import FAILED, INTERRUPTED, OK, exit_now, note_console
from app.core.config import Settings
from app.core.line import EXTENSION
from app.core.security import SECURITY_HEADERS

LOADING_TIMEOUT_S = 30
"""Longest wait for the default speech engine to load before it is described."""

SIGNAL_CHECK_S = 0.05
"""Time between two checks for a signal."""

LEFTOVER_S = 1.0
"""How long tasks that are left when all else has ended may take to end (s)."""
END_S = 10.0
"""How long all that stores nothing may take at the end (s)."""

logger = logging.getLogger(__name__)


class AnnouncingServer(uvicorn.Server):
    """Prints the address and the provider of answers at once, and the speech engine when it is loaded.

    The first Ctrl-C or SIGTERM lets every dictation send its last finals. uvicorn, which would close the sockets first,
    shuts down after that. A second Ctrl-C ends the process at once. Code of other packages can delay the end by
    `LEFTOVER_S` where it refuses to be cancelled, and by `compute_end_limit_s` where it blocks the event loop or does
    not close.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self._is_stopping = False
        self._end_begins = threading.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as uvicorn calls it
        if self._is_stopping and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
            return
        self._captured_signals.append(sig)
        self._is_stopping = True
        self._end_begins.set()

    async def main_loop(self) -> None:
        logging.getLogger("uvicorn.error").addFilter(is_worth_logging)
        threading.Thread(target=self._limit_end, daemon=True).start()
        async with anyio.create_task_group() as group:
            group.start_soon(self._announce)
            group.start_soon(self._drain)
            await super().main_loop()
            group.cancel_scope.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn; a forced shutdown waits for nothing, not even for a running call of an engine."""
        await super().shutdown(sockets)
        if self.force_exit:
            exit_now(INTERRUPTED)
        left = await _cancel_leftovers()
        if left:  # Python would wait for them for ever
            logger.warning("%d tasks of tools or other packages refused to end and were left", left)
            exit_now(OK)

    def _limit_end(self) -> None:
        """In a thread of its own: the event loop may be blocked."""
        self._end_begins.wait()
        limit_s = compute_end_limit_s(self._settings.limits.stop_s)
        time.sleep(limit_s)
        logger.error("the server did not end within %g s; it ends without waiting any longer", limit_s)
        exit_now(FAILED)

    async def _drain(self) -> None:
        while not self._is_stopping:  # noqa: ASYNC110 - a signal handler may not touch the loop's events
            await anyio.sleep(SIGNAL_CHECK_S)
        resources = _find_resources(self.config.loaded_app)
        async with anyio.create_task_group() as group:
            group.start_soon(resources.sessions.drain)
            group.start_soon(resources.answers.drain)
        self.should_exit = True

    async def _announce(self) -> None:
        resources = _find_resources(self.config.loaded_app)
        say = self._say
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - compared, not bound
        address = f"{'https' if self._settings.tls_cert else 'http'}://{shown}:{self._settings.port}"
        say(f"listening at {address} (description of the API: {address}/docs); Ctrl-C ends it")
        wyoming = describe_wyoming(self._settings, resources.wyoming.port)
        for line in (*describe_page(), *describe_access(self._settings), *wyoming):
            say(line)
        provider, status = await resources.llm.probe_default()
        for line in describe_answers(self._settings, provider, status.state, status.description):
            say(line)
        with anyio.move_on_after(LOADING_TIMEOUT_S):
            while not resources.stt.is_warm:  # noqa: ASYNC110 - the server has no use for an event
                await anyio.sleep(0.05)
        for line in await resources.stt.describe_default():
            say(line)

    def _say(self, line: str) -> None:
        """Print a line of the start; into the log where that is JSON, so that every line is an object."""
        if self._settings.log_format == "json":
            logger.info("%s", line.strip())
        else:
            note_console().print(line, markup=False)


def compute_end_limit_s(stop_s: float) -> float:
    """How long the whole end may take: dictations have `stop_s` to end, then their last finals as long to be stored."""
    return 2 * stop_s + END_S


async def _cancel_leftovers() -> int:
    """Cancel the tasks that are left; how many of them do not end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return 0
    for task in tasks:
        task.cancel()
    _, left = await asyncio.wait(tasks, timeout=LEFTOVER_S)
    return len(left)


def _find_resources(loaded_app: Any) -> Any:
    """Return the application's resources from inside the middleware that uvicorn puts around it."""
    app = loaded_app
    while not hasattr(app, "state"):
        app = app.app
    return app.state.resources


_EXPECTED_LINE = "graceful shutdown exceeded"
"""What uvicorn says of an answer that Ctrl-C cuts short."""


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a log record is about more than what is meant to happen."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError) and _EXPECTED_LINE not in str(record.msg)


_TOO_LONG = b"the request's address and headers hold too much (limits.header_bytes); send less"
_SECURITY = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items()).encode()
_CLOSING = _SECURITY + b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
_MALFORMED = b"HTTP/1.1 400 Bad Request\r\n" + _CLOSING
_REFUSAL = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSING % (len(_TOO_LONG), _TOO_LONG)


LINGER_S = 2.0
LINGER_BYTES = 1 << 20
"""How long, and for how much more input, a refused connection stays open so that its client can read the refusal."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 to an address and headers that are too long, and closes a connection that sends them slowly.

    A connection that is refused while its client still sends is closed for writing alone at first, and its input is
    discarded: a socket that is closed with unread input resets the connection, and the client loses the answer
    (RFC 9112, section 9.6).
    """

    def __init__(self, *arguments: Any, header_bytes: int, header_s: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_bytes = header_bytes
        self._header_s = header_s
        self._head_bytes = 0
        """Bytes of the headers that are not complete yet."""
        self._in_head = True
        self._deadline: TimerHandle | None = None
        self._discarded_bytes: int | None = None
        """Input discarded since the refusal; None before it."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarded_bytes is not None:
            self._discard(data)
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self._header_bytes and self._may_refuse:
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a header after a chunked body is a trailer, which nobody reads
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._cancel_deadline()
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > self._header_bytes:
            self._refuse()
            raise ValueError(_TOO_LONG)  # ends the parser, which reports the error
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        is_old = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, _answer_without_chunks(app, cycle) if is_old else app)

    def send_400_response(self, msg: str) -> None:
        if self._may_refuse:
            text = msg.encode("ascii")
            self._refuse(_MALFORMED % (len(text), text))

    def _start_head(self) -> None:
        self._in_head = True
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._header_s, self.transport.close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    @property
    def _may_refuse(self) -> bool:
        return self._discarded_bytes is None and not self.transport.is_closing()

    def _refuse(self, answer: bytes = _REFUSAL) -> None:
        """Answer, then discard what the client still sends until it has had the time to read."""
        self._cancel_deadline()
        self._discarded_bytes = 0
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application may still write, but nothing follows the refusal
            self.cycle.message_event.set()
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def _discard(self, data: bytes) -> None:
        assert self._discarded_bytes is not None
        self._discarded_bytes += len(data)
        if self._discarded_bytes > LINGER_BYTES:
            self.transport.close()


def _answer_without_chunks(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Let the end of the connection end a body of unknown length: HTTP/1.0 has no chunks, and uvicorn sends them."""

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        is_unframed = False

        async def send_unframed(message: ASGISendEvent) -> None:
            nonlocal is_unframed
            if message["type"] == "http.response.start":
                is_unframed = not any(
                    name.lower() == b"content-length" for name, _ in message.get("headers", ())
                )
                if is_unframed:
                    cycle.chunked_encoding = False
            elif message["type"] == "http.response.body" and is_unframed:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unframed)

    return answer


PROGRESS_S = 20.0
PROGRESS_BYTES_PER_S = 16 << 10
"""A message that has a place at the gate and comes more slowly than this over that time is given up (s, bytes/s)."""
TOO_SLOW = 1008


USUAL_BYTES = 256 << 10
"""What every socket that may receive large messages holds of one without a place: 4 s of PCM16 at 24 kHz in base64."""


class LargeMessageGate:
    """Lets a few sockets at once receive a message beyond the usual size; TCP holds the others back meanwhile.

    So the memory of all sockets together is bounded, and no client gets an error.
    """

    def __init__(self, places: int) -> None:
        self.free = places
        self._waiting: deque[ProbingWebSocketProtocol] = deque()

    def enter(self, protocol: "ProbingWebSocketProtocol") -> bool:
        """Take a place; False where none is free: then `let_in` of the protocol is called when there is one."""
        if not self.free:
            self._waiting.append(protocol)
            return False
        self.free -= 1
        return True

    @property
    def waiting(self) -> int:
        """Sockets that wait for a place."""
        return len(self._waiting)

    def leave(self) -> None:
        """Give a place back, to the next that waits."""
        if self._waiting:
            self._waiting.popleft().let_in()
        else:
            self.free += 1

    def forget(self, protocol: "ProbingWebSocketProtocol") -> None:
        """A socket that waited is gone."""
        with suppress(ValueError):
            self._waiting.remove(protocol)


PROBES_KEPT = 64
"""Pings whose answers are recognised, the newest ones: with one a second, a line may be a minute slow."""


class ProbingWebSocketProtocol(WebSocketsSansIOProtocol):
    """The `Line` of its socket: it recognises the answers to all pings, late ones included.

    An answer goes through every proxy on the way, and comes behind all that the client has sent before it. Of a client
    that has never answered, which no standard allows, TCP's acknowledgement counts.
    """

    def __init__(self, *arguments: Any, gate: LargeMessageGate, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._gate = gate
        self._usual_bytes = min(USUAL_BYTES, self.config.ws_max_size)
        self._allows_large = self._has_place = self._waits = False
        self._received_bytes = 0
        """Since the last look at its progress."""
        self._progress_timer: TimerHandle | None = None
        self._probes: deque[tuple[bytes, float]] = deque(maxlen=PROBES_KEPT)
        self._probed_at = -1.0
        self._answered: float | None = None
        """When the newest probe that was answered had been sent."""

    # -- large messages

    def allow_messages(self, max_bytes: int) -> None:
        self._allows_large = max_bytes > self._usual_bytes
        self.conn.max_message_size = max(max_bytes, self.config.ws_max_size)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._allows_large:
            self._received_bytes += len(data)
            if not self._has_place and not self._waits and self._incomplete_bytes > self._usual_bytes:
                self._take_place()

    def handle_cont(self, event: Any) -> None:
        """Join the parts of a message as they come: a list of many small ones would take many times their size."""
        if not isinstance(self.frames[0], bytearray):
            self.frames = [bytearray().join(self.frames)]  # type: ignore[list-item]  # until the message is whole
        self.frames[0] += event.data
        if event.fin:
            self.frames = [bytes(self.frames[0])]
            self.send_receive_event_to_app()

    async def receive(self) -> Any:
        """The next message: that before it has been handled."""
        if self._has_place and self.queue.empty() and self._incomplete_bytes <= self._usual_bytes:
            self._give_place_back()
        return await super().receive()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gate.forget(self)
        self._give_place_back()

    def let_in(self) -> None:
        """There is a place at the gate."""
        self._waits = False
        self._hold_place()
        if not self.read_paused:
            self.transport.resume_reading()

    @property
    def _incomplete_bytes(self) -> int:
        """What has come of a message that is not complete."""
        return len(self.conn.reader.buffer) + (self.conn.current_size or 0)

    def _take_place(self) -> None:
        if self._gate.enter(self):
            self._hold_place()
        else:
            self._waits = True
            self.transport.pause_reading()

    def _hold_place(self) -> None:
        self._has_place = True
        self._received_bytes = 0
        self._progress_timer = self.loop.call_later(PROGRESS_S, self._check_progress)

    def _give_place_back(self) -> None:
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None
        if self._has_place:
            self._has_place = False
            self._gate.leave()

    def _check_progress(self) -> None:
        """Give a message up that does not come on; one that has come and is being handled takes its time."""
        is_incomplete = self._incomplete_bytes > self._usual_bytes and not self.read_paused
        if is_incomplete and self._received_bytes < PROGRESS_S * PROGRESS_BYTES_PER_S:
            self.conn.fail(TOO_SLOW, "a large message came too slowly")
            self.handle_parser_exception()
            return
        self._received_bytes = 0
        self._progress_timer = self.loop.call_later(PROGRESS_S, self._check_progress)

    # -- the line

    @property
    def is_lost(self) -> bool:
        return self.disconnected

    async def run_asgi(self) -> None:
        self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]  # typed for HTTP responses
        app = self.app

        async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            await app(scope, receive, send)
            if self.initial_response is not None and self.close_sent:
                self.handshake_complete = True  # refused with a reason, which uvicorn takes for a fault

        self.app = answer
        await super().run_asgi()

    def start_keepalive(self) -> None:
        super().start_keepalive()
        self.probe()  # so that it is known early whether this client answers

    def send_keepalive_ping(self) -> None:
        super().send_keepalive_ping()
        if self.pending_ping_payload is not None:
            self._note_probe(self.pending_ping_payload)

    def handle_pong(self, event: Any) -> None:
        payload = bytes(event.data)
        for at, (sent, sent_at) in enumerate(self._probes):
            if sent == payload:
                self._answered = sent_at
                for _ in range(at + 1):
                    self._probes.popleft()
                break
        super().handle_pong(event)

    def probe(self) -> None:
        if self.close_sent or not self.handshake_complete or self.transport.is_closing():
            return
        payload = os.urandom(4)
        self.conn.send_ping(payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._note_probe(payload)

    def is_alive_since(self, since_s: float) -> bool:
        if not self.queue.empty():
            return False
        if self._answered is None:
            return self._probed_at >= since_s and not self._count_unacknowledged()
        return self._answered >= since_s

    def _note_probe(self, payload: bytes) -> None:
        self._probed_at = time.monotonic()
        self._probes.append((payload, self._probed_at))

    def _count_unacknowledged(self) -> int:
        """Bytes that the client's machine has not acknowledged; 0 where the system does not say."""
        sock = self.transport.get_extra_info("socket")
        if sys.platform != "linux" or sock is None:
            return 0
        from fcntl import ioctl
        from termios import TIOCOUTQ

        try:
            unsent = ioctl(sock.fileno(), TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        return self.transport.get_write_buffer_size() + int.from_bytes(unsent, sys.byteorder)

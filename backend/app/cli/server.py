"""The uvicorn server of `prompter serve`: its announcements, its bounded HTTP parser, its orderly end."""

import asyncio
import logging
import signal
import socket
from asyncio import TimerHandle, Transport
from types import FrameType
from typing import Any

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.cli.common import INTERRUPTED, leave, notes
from app.cli.config_sources import without_password
from app.core.config import Settings
from app.core.security import is_loopback
from app.weights.gguf import GgufFile, find_default_gguf

LOADING_S = 30
"""How long the description of the default engine waits; while it loads the engine only says that it loads."""


SIGNAL_S = 0.05
"""How often the server looks whether it has been told to end."""


class AnnouncingServer(uvicorn.Server):
    """Prints the address and what answers prompts at once, and the speech engine as soon as it is loaded.

    The first Ctrl-C or SIGTERM lets every dictation tell what was said; uvicorn, which would close its socket first,
    shuts down after that. A second Ctrl-C ends the process at once.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self._told_to_end = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as uvicorn calls it
        if self._told_to_end and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
            return
        self._captured_signals.append(sig)
        self._told_to_end = True

    async def main_loop(self) -> None:
        logging.getLogger("uvicorn.error").addFilter(_not_a_cancellation)
        async with anyio.create_task_group() as group:
            group.start_soon(self._announce)
            group.start_soon(self._end_gently)
            await super().main_loop()
            group.cancel_scope.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; when forced, nothing is waited for: not even an engine's running call."""
        await super().shutdown(sockets)
        if self.force_exit:
            leave(INTERRUPTED)

    async def _end_gently(self) -> None:
        while not self._told_to_end:  # noqa: ASYNC110 - a signal handler may not touch the loop's events
            await anyio.sleep(SIGNAL_S)
        resources = _resources(self.config.loaded_app)
        async with anyio.create_task_group() as group:
            group.start_soon(resources.sessions.drain)
            group.start_soon(resources.answers.drain)
        self.should_exit = True

    async def _announce(self) -> None:
        resources = _resources(self.config.loaded_app)
        console = notes()
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - compared, not bound
        address = f"{'https' if self._settings.tls_cert else 'http'}://{shown}:{self._settings.port}"
        console.print(f"listening at {address} (description of the API: {address}/docs); Ctrl-C ends it")
        for line in self._who_may_enter():
            console.print(line, markup=False)
        for line in self._who_answers(await resources.llm.find_default()):
            console.print(line, markup=False)
        with anyio.move_on_after(LOADING_S):
            while not resources.stt.is_warm:  # noqa: ASYNC110 - the server has no use for an event
                await anyio.sleep(0.05)
        for line in await resources.stt.describe_default():
            console.print(line, markup=False)

    def _who_may_enter(self) -> list[str]:
        if self._settings.accounts.mode == "none":
            return []
        lines = ["accounts: everybody logs in; add people with: prompter users add NAME"]
        if not self._settings.tls_cert and not is_loopback(self._settings.host):
            lines.append(
                "  passwords travel in the clear, and browsers give no microphone: use --tls-cert and --tls-key, or a "
                "reverse proxy with https"
            )
        return lines

    def _who_answers(self, provider: str) -> list[str]:
        upstream = self._settings.llm.openai_compat
        if provider == "openai_compat":
            return [f"prompts are answered by: {upstream.model!r} at {without_password(upstream.base_url)}"]
        if provider == "llama_local" and isinstance(file := find_default_gguf(self._settings), GgufFile):
            return [f"prompts are answered by: llama.cpp inside, with {file.path.name}"]
        if provider != "echo":
            return [f"prompts are answered by: {provider}"]
        return [
            "prompts are answered by: echo, which only repeats them",
            "  for a model, set OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL or the same in .env,",
            "  or put a GGUF file into the models folder, with the extra `llama` installed",
        ]


def _resources(loaded_app: Any) -> Any:
    """The application's resources, from under the middleware that uvicorn has put around it."""
    app = loaded_app
    while not hasattr(app, "state"):
        app = app.app
    return app.state.resources


def _not_a_cancellation(record: logging.LogRecord) -> bool:
    """Whether a record tells of more than an answer that Ctrl-C cut short."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError) and "graceful shutdown exceeded" not in str(
        record.msg
    )


_TOO_MUCH = b"the request's address and headers hold too much (limits.header_bytes); send less"
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s"
) % (len(_TOO_MUCH), _TOO_MUCH)


class BoundedHttpProtocol(HttpToolsProtocol):
    """A head that is too long gets 431; a connection that does not finish its first one, or the next, is closed."""

    def __init__(self, *arguments: Any, header_bytes: int, header_s: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_bytes = header_bytes
        self._header_s = header_s
        self._head_bytes = 0
        """Of a head that is not complete."""
        self._in_head = True
        self._late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self._header_bytes and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # behind a chunked body it would be a trailer, which nobody reads
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._cancel()
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > self._header_bytes:
            self._refuse()
            raise ValueError(_TOO_MUCH)  # ends the parser, which tells its caller
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _begin_head(self) -> None:
        self._in_head = True
        if self._late is None:
            self._late = self.loop.call_later(self._header_s, self.transport.close)

    def _cancel(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self) -> None:
        self._cancel()
        self.transport.write(_REFUSAL)
        self.transport.close()

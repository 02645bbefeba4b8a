"""uvicorn's HTTP protocol with bounds on what comes before a body: neither it nor its parser has one."""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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

"""HTTP servers of fakes: requests on a free port, answered from the memory of the fake that owns the server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


class QuietHandler(BaseHTTPRequestHandler):
    """Handles requests without a log; `owner` is the fake that answers them."""

    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> object:
        return cast("_Server", self.server).owner

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: object

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: tests let clients hang up."""


@contextmanager
def serve_http(handler: type[QuietHandler], owner: object) -> Iterator[str]:
    """Serve until the block ends; yields the address."""
    server = _Server(("127.0.0.1", 0), handler)
    server.owner = owner
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""What the server below the application knows and decides of a WebSocket: an ASGI extension of `prompter serve`."""

from typing import Any, Protocol, cast

from starlette.types import Scope

EXTENSION = "prompter.line"
"""Where `scope["extensions"]` holds the `Line`."""


class Line(Protocol):
    """Tells a client that is there and says nothing from one that the network has lost, and bounds its messages."""

    def allow_messages(self, max_bytes: int) -> None:
        """Take larger messages than usual on this socket, one of a few at a time; before it is accepted."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended, also where the application has not been told."""
        ...

    def probe(self) -> None:
        """Ask the client's machine for a sign of life; never waits."""
        ...

    def is_alive_since(self, since_s: float) -> bool:
        """Whether the client's machine has answered a probe that was sent after this moment of `time.monotonic`.

        False while something that it sent before the answer waits to be received by the application.
        """
        ...


def find_line(scope: Scope) -> Line | None:
    """The line of a socket; None under a server that does not know it."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return cast("Line | None", extensions.get(EXTENSION))

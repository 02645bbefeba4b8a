"""The errors of the client.

ClientError
+ Unreachable       no server answers at the address
+ Refused           the server refused: a wrong request, not allowed, not ready, full
+ ServerFailed      the server failed: its engine, an upstream, or itself
+ ConnectionLost    the socket closed before the dictation was over
+ AudioError        a recording cannot be read
"""


class ClientError(Exception):
    """Base of all errors that PromptClient raises."""


class Unreachable(ClientError):
    """No server answers at the address."""


class AudioError(ClientError):
    """A recording that cannot be read."""


class ServerError(ClientError):
    """The server answered with an error; `code` is its stable code, as documented."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Refused(ServerError):
    """The server refused: a wrong request, not allowed, not ready, full."""


class ServerFailed(ServerError):
    """The server failed: its engine, an upstream, or itself."""


class ConnectionLost(ServerError):
    """The socket closed before the dictation was over; `close_code` is that of the socket (1006: no close frame)."""

    def __init__(self, message: str, close_code: int, code: str = "") -> None:
        super().__init__(message, code)
        self.close_code = close_code


_CLOSE_MEANINGS = {
    1000: "the server ended the dictation early",
    1001: "the server is going away; dictate again",
    1006: "the connection broke off; dictate again",
    1008: "the server does not allow this",
    1009: "a message was too big for the server",
    1011: "the speech engine failed; dictate again or choose another provider",
    1012: "the server is restarting; dictate again in a moment",
    1013: "the server is full; dictate again in a moment",
    4408: "the server waited too long for audio and closed the socket",
}


def make_close_error(close_code: int, reason: str, code: str = "") -> ServerError:
    """Return the error of a socket that closed; `reason` is the server's last message, empty where it sent none."""
    message = reason or _CLOSE_MEANINGS.get(
        close_code, f"the server closed the socket with code {close_code}"
    )
    if close_code in (1008, 1013):
        return Refused(message, code)
    if close_code == 1011:
        return ServerFailed(message, code)
    return ConnectionLost(message, close_code, code)


def make_status_error(status: int, message: str, code: str = "") -> ServerError:
    """Return the error of an HTTP answer with a status of 400 or more."""
    kind = Refused if status < 500 or status == 503 else ServerFailed
    return kind(message or f"the server answered with status {status}", code)

"""Authentication of a socket by its first message, for clients that cannot send a token in the handshake."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import anyio
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.bearer import MAX_TOKEN_LENGTH, choose_subprotocol
from app.api.middleware.permissions import Rule, check_rule
from app.core.errors import MessageTooBig, PrompterError, ServerFull, Unauthorized
from app.core.security import Caller
from app.services.accounts.accounts import Accounts

MAX_WAIT_S = 10.0
"""How long a socket may take to send its first message."""
MAX_BYTES = 8192
"""Size of the first message."""
_TRY_LATER = 1013
_EXPECTED = 'expected {"type": "auth", "token": …} as the first message'


class FirstMessageAuth:
    """Authenticates sockets by their first message; bounded in sockets, time and bytes."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._waiting = 0

    async def serve(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, accounts: Accounts, rule: Rule
    ) -> None:
        """Accept the socket, and hand it to the application when its caller is known."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": choose_subprotocol(scope)})
        try:
            caller = await self._authenticate(receive, accounts, rule)
        except PrompterError as refusal:
            words = _encode_refusal(refusal)
            with suppress(OSError, RuntimeError):  # the client has left, or the server has closed by itself
                await send({"type": "websocket.send", "text": words})
                code = refusal.close_code or _TRY_LATER
                await send({"type": "websocket.close", "code": code, "reason": refusal.code})
            return
        if caller is not None:
            scope["state"].update(caller=caller, live_auth=accounts.watch_caller(caller))
            await app(scope, *_replay_handshake(receive, send))

    async def _authenticate(self, receive: Receive, accounts: Accounts, rule: Rule) -> Caller | None:
        """Wait for the first message and return its caller; None if the client has left.

        Raises:
            Unauthorized: the message or its token is not valid, or does not come in time.
            Forbidden: the caller may not use the socket.
            MessageTooBig: the message has too many bytes.
            ServerFull: too many sockets wait.
            StorageUnavailable: the database cannot be read.
        """
        if self._waiting >= self._max_waiting:
            raise ServerFull(f"{self._max_waiting} sockets wait for their first message; try again in 10 s")
        self._waiting += 1
        message: Message | None = None
        try:
            with anyio.move_on_after(MAX_WAIT_S):
                message = await receive()
        finally:
            self._waiting -= 1
        if message is None:
            raise Unauthorized(f"{_EXPECTED}, within {MAX_WAIT_S:g} s")
        if message["type"] == "websocket.disconnect":
            return None
        caller = await accounts.authenticate(_parse_token(message))
        check_rule(rule, caller, at_the_machine=False)
        return caller


def _parse_token(message: Message) -> str:
    data: str | bytes = message.get("text") or message.get("bytes") or b""
    if len(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise MessageTooBig(f"{_EXPECTED}, of at most {MAX_BYTES} bytes")
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    token = body.get("token") if isinstance(body, dict) and body.get("type") == "auth" else None
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
        raise Unauthorized(_EXPECTED)
    return token


def _encode_refusal(refusal: PrompterError) -> str:
    event = {"type": "error", "code": refusal.code, "message": refusal.message, "fatal": True}
    return orjson.dumps({**event, "session_id": None, "seq": 1}).decode()


def _replay_handshake(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Let the application accept a socket that is open already. Plain functions, because messages are frequent."""
    connected = accepted = False

    def receive_again() -> Awaitable[Message]:
        nonlocal connected
        if connected:
            return receive()
        connected = True
        return _return({"type": "websocket.connect"})

    def send_on(message: Message) -> Awaitable[None]:
        nonlocal accepted
        if accepted or message["type"] != "websocket.accept":
            return send(message)
        accepted = True
        return _return(None)

    return receive_again, send_on


async def _return(value: Any) -> Any:
    return value

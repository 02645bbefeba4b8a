"""A socket without credentials in its handshake says in its first message who it is, or is closed."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import anyio
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.bearer import LONGEST, choose_subprotocol
from app.api.middleware.permissions import Rule, check_rule
from app.core.errors import MessageTooBig, PrompterError, ServerFull, Unauthorized
from app.core.security import Caller
from app.services.accounts.accounts import Accounts

PATIENCE_S = 10.0
MOST_BYTES = 8192
_TRY_LATER = 1013
_EXPECTED = 'expected {"type": "auth", "token": …} as the first message'


class FirstMessageAuth:
    """Sockets that have not said yet who they are: so many at once, for so long, in so few bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0

    async def hold(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, accounts: Accounts, rule: Rule
    ) -> None:
        """Accept the socket, and hand it to the application once its caller is known."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": choose_subprotocol(scope)})
        try:
            caller = await self._introduced(receive, accounts, rule)
        except PrompterError as refusal:
            with suppress(OSError):  # it has left
                await send({"type": "websocket.send", "text": _told(refusal)})
                code = refusal.close_code or _TRY_LATER
                await send({"type": "websocket.close", "code": code, "reason": refusal.code})
            return
        if caller is not None:
            scope["state"].update(caller=caller, standing=accounts.standing(caller))
            await app(scope, *_from_the_start(receive, send))

    async def _introduced(self, receive: Receive, accounts: Accounts, rule: Rule) -> Caller | None:
        """Who it is; None if it left.

        Raises:
            Unauthorized, Forbidden, MessageTooBig, ServerFull, StorageUnavailable
        """
        if self._waiting >= self._most:
            raise ServerFull(f"{self._most} sockets wait for their first message; try again in 10 s")
        self._waiting += 1
        message: Message | None = None
        try:
            with anyio.move_on_after(PATIENCE_S):
                message = await receive()
        finally:
            self._waiting -= 1
        if message is None:
            raise Unauthorized(f"{_EXPECTED}, within {PATIENCE_S:g} s")
        if message["type"] == "websocket.disconnect":
            return None
        caller = await accounts.caller(_token(message))
        check_rule(rule, caller, at_the_machine=False)
        return caller


def _token(message: Message) -> str:
    data: str | bytes = message.get("text") or message.get("bytes") or b""
    if len(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise MessageTooBig(f"{_EXPECTED}, of at most {MOST_BYTES} bytes")
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    token = body.get("token") if isinstance(body, dict) and body.get("type") == "auth" else None
    if not isinstance(token, str) or len(token) > LONGEST:
        raise Unauthorized(_EXPECTED)
    return token


def _told(refusal: PrompterError) -> str:
    event = {"type": "error", "code": refusal.code, "message": refusal.message, "fatal": True}
    return orjson.dumps({**event, "session_id": None, "seq": 1}).decode()


def _from_the_start(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Let the application accept a socket that is open already. Plain functions: messages come often."""
    connected = accepted = False

    def receive_again() -> Awaitable[Message]:
        nonlocal connected
        if connected:
            return receive()
        connected = True
        return _given({"type": "websocket.connect"})

    def send_on(message: Message) -> Awaitable[None]:
        nonlocal accepted
        if accepted or message["type"] != "websocket.accept":
            return send(message)
        accepted = True
        return _given(None)

    return receive_again, send_on


async def _given(value: Any) -> Any:
    return value

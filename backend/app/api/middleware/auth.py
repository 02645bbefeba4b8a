"""The gate behind the guard: finds out who asks, and lets nobody through whom the table does not."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import explain_missing_path, make_error_response
from app.api.middleware.bearer import read_token
from app.api.middleware.permissions import Rule, check_rule, find_rule
from app.api.middleware.socket_auth import FirstMessageAuth
from app.core.config import Settings
from app.core.errors import NotFound, PrompterError, Unauthorized
from app.core.security import LOCAL_CALLER, LOOPBACK_NAMES, Caller, is_loopback, parse_host
from app.services.accounts.accounts import Accounts

_FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})


class AuthMiddleware:
    """ASGI middleware. Behind it every request and socket has `state.caller`, and a socket `state.standing`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._open = settings.accounts.mode == "none"
        self._introductions = FirstMessageAuth(settings.limits.sockets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        accounts: Accounts = scope["app"].state.resources.accounts
        try:
            rule, caller = (None, LOCAL_CALLER) if self._open else await _admit(scope, accounts)
        except PrompterError as refusal:
            if scope["type"] == "websocket":
                await receive()
            await make_error_response(refusal, scope)(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif caller is not None:
            scope["state"]["standing"] = accounts.standing(caller)
            await self._app(scope, receive, send)
        else:
            assert rule is not None, "a socket that has a rule may say later who it is"
            await self._introductions.hold(self._app, scope, receive, send, accounts, rule)


async def _admit(scope: Scope, accounts: Accounts) -> tuple[Rule | None, Caller | None]:
    """The rule, and who asks: None for whoever need not say, and for a socket that says it in its first message."""
    token = read_token(scope)
    rule, methods = find_rule(scope)
    if rule is not None and rule.who == "everyone":
        # A token that has run out keeps nobody from logging in, and no probe from its answer.
        return rule, None
    caller = None if token is None else await accounts.caller(token)
    if rule is None:
        if caller is None:
            raise Unauthorized("this needs `Authorization: Bearer` with an access token or an API key")
        takes = f"; this address takes {', '.join(methods)}" if methods else ""
        hint = explain_missing_path(scope.get("method", "a socket at"), scope["path"])
        raise NotFound(hint or f"nothing answers here{takes}")
    if caller is not None or scope["type"] == "http":
        check_rule(rule, caller, _at_the_machine(scope))
    return rule, caller


def _at_the_machine(scope: Scope) -> bool:
    """Whether a peer is on this machine, and speaks for itself: a proxy there speaks for anybody."""
    peer = (scope.get("client") or ("", 0))[0]
    host = parse_host(Headers(scope=scope).get("host", ""))
    return (
        is_loopback(peer)
        and host in LOOPBACK_NAMES
        and not any(name in _FORWARDED for name, _ in scope["headers"])
    )

"""Authentication: finds the caller of a request or socket, and checks the permissions of the route."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import explain_missing_path, make_error_response, refuse_socket
from app.api.middleware.bearer import read_token
from app.api.middleware.permissions import Rule, check_rule, find_rule
from app.api.middleware.socket_auth import FirstMessageAuth
from app.core.config import Settings
from app.core.errors import NotFound, PrompterError, Unauthorized
from app.core.security import LOCAL_CALLER, LOOPBACK_NAMES, Caller, is_loopback, parse_host
from app.services.accounts.accounts import Accounts
from app.services.accounts.client_secrets import looks_like_client_secret

_FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})


class AuthMiddleware:
    """ASGI middleware behind `NetworkMiddleware`. It sets `state.caller`, and for a socket `state.live_auth`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._is_open = settings.accounts.mode == "none"
        self._first_message_auth = FirstMessageAuth(settings.limits.sockets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        accounts: Accounts = scope["app"].state.resources.accounts
        try:
            rule, caller = (None, LOCAL_CALLER) if self._is_open else await _authorize(scope, accounts)
        except PrompterError as refusal:
            if scope["type"] == "websocket":
                await refuse_socket(refusal, scope, receive, send)
            else:
                await make_error_response(refusal, scope)(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif caller is not None:
            scope["state"]["live_auth"] = accounts.watch_caller(caller)
            await self._app(scope, receive, send)
        else:
            assert rule is not None, (
                "a socket without a caller has a rule: it authenticates by its first message"
            )
            await self._first_message_auth.serve(self._app, scope, receive, send, accounts, rule)


async def _authorize(scope: Scope, accounts: Accounts) -> tuple[Rule | None, Caller | None]:
    """Return the rule of the route, and the caller: None if anybody may call, or if a first message will tell.

    Raises:
        BadRequest, Unauthorized, Forbidden: the caller is unknown, or may not use the route.
        NotFound: there is no such route.
    """
    token = read_token(scope)
    rule, methods = find_rule(scope)
    if rule is not None and rule.who == "everyone":
        # An expired token must not stop its user from logging in, nor a probe.
        return rule, None
    if token is not None and rule is not None and rule.by_client_secret and looks_like_client_secret(token):
        caller: Caller | None = await accounts.authenticate_secret(token)
    else:
        caller = None if token is None else await accounts.authenticate(token)
    if rule is None:
        if caller is None:
            raise Unauthorized("this needs `Authorization: Bearer` with an access token or an API key")
        takes = f"; this address takes {', '.join(methods)}" if methods else ""
        hint = explain_missing_path(scope.get("method", "a socket at"), scope["path"])
        raise NotFound(hint or f"nothing answers here{takes}")
    if caller is not None or not rule.by_first_message:
        check_rule(rule, caller, _is_at_the_machine(scope))
    return rule, caller


def _is_at_the_machine(scope: Scope) -> bool:
    """Whether the client itself runs on this machine; a proxy here forwards requests of anybody."""
    peer = (scope.get("client") or ("", 0))[0]
    host = parse_host(Headers(scope=scope).get("host", ""))
    return (
        is_loopback(peer)
        and host in LOOPBACK_NAMES
        and not any(name in _FORWARDED for name, _ in scope["headers"])
    )

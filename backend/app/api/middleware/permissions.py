"""The table of permissions: every route, and who may use it. A route that is not in it is open to nobody."""

from dataclasses import dataclass
from typing import Literal

from starlette._utils import get_route_path
from starlette.routing import compile_path
from starlette.types import Scope as AsgiScope

from app.core.errors import Forbidden, Unauthorized
from app.core.security import Caller, Scope

SOCKET = "WEBSOCKET"
"""Takes the place of the method in the rule of a socket."""
Who = Literal["everyone", "caller", "person", "admin", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may use one route; `path` is written as in its router."""

    methods: tuple[str, ...]
    path: str
    who: Who
    """`everyone`: also without a token. `caller`: a log-in or key. `person`: a log-in. `admin`: the log-in of an admin,
    or whoever uses a server without accounts. `operator`: an admin, an admin's key with the scope `metrics`, or a
    client on this machine."""
    scopes: frozenset[Scope] = frozenset()
    """A key needs one of these scopes; if there are none, every key will do."""
    by_first_message: bool = False
    """Whether a socket without a token waits for one in its first message."""
    by_client_secret: bool = False
    """Whether a client secret opens it; no other route knows those."""


def _rule(route: str, who: Who, *scopes: Scope, **more: bool) -> Rule:
    methods, _, path = route.partition(" ")
    return Rule(methods=tuple(methods.split(",")), path=path, who=who, scopes=frozenset(scopes), **more)


RULES: tuple[Rule, ...] = (
    # for the log-in page, and for probes
    _rule("GET /", "everyone"),
    _rule("GET /assets/{path:path}", "everyone"),
    _rule("GET /health", "everyone"),
    _rule("GET /health/ready", "everyone"),
    _rule("GET /docs", "everyone"),
    _rule("GET /docs/static/{path:path}", "everyone"),
    _rule("GET /openapi.json", "everyone"),
    _rule("POST /api/auth/login", "everyone"),
    _rule("POST /api/auth/refresh", "everyone"),
    # what users show to whoever has a link
    _rule("GET /s/style.css", "everyone"),
    _rule("GET /s/{token}", "everyone"),
    _rule("GET /s/{token}/files/{number}", "everyone"),
    # accounts: a leaked key must not be able to make more keys
    _rule("POST /api/auth/logout", "person"),
    _rule("GET /api/auth/me", "caller"),
    _rule("GET,POST /api/keys", "person"),
    _rule("DELETE /api/keys/{key_id}", "person"),
    # models that users connect: a leaked key must not be able to plant one, or to spend another's
    _rule("GET,POST /api/connections", "person"),
    _rule("POST /api/connections/test", "person"),
    _rule("PATCH,DELETE /api/connections/{connection_id}", "person"),
    _rule("POST /api/connections/{connection_id}/test", "person"),
    # shared links: a leaked key must not be able to publish, or to read the addresses
    _rule("GET,POST /api/shares", "person"),
    _rule("DELETE /api/shares/{share_id}", "person"),
    # what a user decides: a leaked key must not be able to have audio kept
    _rule("GET /api/settings", "caller", "chat"),
    _rule("PATCH /api/settings", "person"),
    # speech
    _rule(f"{SOCKET} /ws/stt", "caller", "stt", by_first_message=True),
    _rule(f"{SOCKET} /v1/realtime", "caller", "stt", by_client_secret=True),
    _rule("POST /v1/realtime/client_secrets", "caller", "stt"),
    _rule("POST /v1/audio/transcriptions", "caller", "stt"),
    _rule("POST /v1/audio/translations", "caller", "stt"),
    # language models
    _rule("POST /llm/generate", "caller", "llm"),
    _rule("POST /v1/chat/completions", "caller", "llm"),
    _rule("POST /v1/responses", "caller", "llm"),
    _rule("POST /v1/messages", "caller", "llm"),
    _rule("POST /v1/messages/count_tokens", "caller", "llm"),
    _rule("POST /v1/completions", "caller", "llm"),
    _rule("POST /v1/embeddings", "caller", "llm"),
    # text to speech
    _rule("POST /v1/audio/speech", "caller", "stt", "llm"),
    # lists of engines and models
    _rule("GET /providers/stt", "caller"),
    _rule("GET /providers/llm", "caller"),
    _rule("GET /v1/models", "caller"),
    _rule("GET /v1/models/{model_id:path}", "caller"),
    _rule("GET /v1/audio/models", "caller"),
    _rule("GET /v1/audio/voices", "caller"),
    # stored data: conversations, and dictations, which a key for speech alone cannot read
    _rule("GET /api/models", "caller", "chat"),
    _rule("GET /api/models/abilities", "caller", "chat"),
    _rule("POST /api/attachments", "caller", "chat"),
    _rule("GET,DELETE /api/attachments/{attachment_id}", "caller", "chat"),
    _rule("GET /api/attachments/{attachment_id}/content", "caller", "chat"),
    _rule("GET /api/attachments/{attachment_id}/thumbnail", "caller", "chat"),
    _rule("GET /api/attachments/{attachment_id}/text", "caller", "chat"),
    _rule("GET,POST /api/conversations", "caller", "chat"),
    _rule("GET,PATCH,DELETE /api/conversations/{conversation_id}", "caller", "chat"),
    _rule("GET /api/conversations/{conversation_id}/messages", "caller", "chat"),
    _rule("POST /api/conversations/{conversation_id}/stop", "caller", "chat"),
    _rule("GET /api/conversations/{conversation_id}/export", "caller", "chat"),
    _rule("GET /api/export", "caller", "chat"),
    _rule("POST /api/messages/{message_id}/regenerate", "caller", "chat"),
    _rule("POST /api/messages/{message_id}/edit", "caller", "chat"),
    _rule("POST /api/messages/{message_id}/fork", "caller", "chat"),
    _rule("POST /api/messages/{message_id}/approvals/{call_id}", "caller", "chat"),
    _rule("GET /api/search", "caller", "chat"),
    _rule("GET,POST /api/import", "caller", "chat"),
    _rule("GET,DELETE /api/import/{import_id}", "caller", "chat"),
    _rule("POST /api/chat/stream", "caller", "chat"),
    _rule("GET /api/chat/stream/{message_id}", "caller", "chat"),
    _rule("POST /api/chat/realtime/sessions", "caller", "chat"),
    _rule("POST /api/chat/realtime/sessions/{session_id}/stream", "caller", "chat"),
    _rule("GET /api/dictations", "caller", "chat"),
    _rule("GET,PATCH,DELETE /api/dictations/{dictation_id}", "caller", "chat"),
    _rule("POST /api/dictations/{dictation_id}/redo", "caller", "chat"),
    _rule("GET /api/dictations/{dictation_id}/versions", "caller", "chat"),
    _rule("GET,DELETE /api/dictations/{dictation_id}/versions/{version_id}", "caller", "chat"),
    _rule("GET,DELETE /api/dictations/{dictation_id}/audio", "caller", "chat"),
    # weights: what there is, for everybody; what changes the machine, for who runs it
    _rule("GET /api/checkpoints", "caller"),
    _rule("POST,DELETE /api/checkpoints/{name}/fetch", "admin"),
    _rule("DELETE /api/checkpoints/{name}", "admin"),
    # operations
    _rule("GET /metrics", "operator"),
)

_COMPILED = tuple((rule, compile_path(rule.path)[0]) for rule in RULES)


def find_rule(scope: AsgiScope) -> tuple[Rule | None, tuple[str, ...]]:
    """Return the rule of a request, and the methods that its path allows.

    The path is matched by the router's own function on the router's own form of the path, so that both always agree.
    """
    path = get_route_path(scope)
    method = SOCKET if scope["type"] == "websocket" else scope["method"]
    matching = [rule for rule, regex in _COMPILED if regex.match(path)]
    for rule in matching:
        if method in rule.methods or (method == "HEAD" and "GET" in rule.methods):
            return rule, rule.methods
    methods = {known for rule in matching for known in rule.methods if known != SOCKET}
    return None, tuple(sorted(methods))


def check_rule(rule: Rule, caller: Caller | None, at_the_machine: bool) -> None:
    """Check whether a caller may use a route. `at_the_machine`: the client runs on this machine and may watch it.

    Raises:
        Unauthorized: the route needs a caller, and there is none.
        Forbidden: the caller may not use the route.
    """
    if rule.who == "everyone" or (rule.who == "operator" and at_the_machine):
        return
    if caller is None:
        raise Unauthorized("this needs `Authorization: Bearer` with an access token or an API key")
    if rule.who == "operator":
        _check_operator(caller)
    elif caller.via == "key" and rule.who in ("person", "admin"):
        raise Forbidden("this needs somebody who has logged in; an API key is not enough")
    elif rule.who == "admin" and caller.role != "admin":
        raise Forbidden("this needs a user with the role 'admin'")
    elif caller.via == "key" and rule.scopes and not rule.scopes & caller.scopes:
        raise Forbidden(f"this key lacks the scope {' or '.join(map(repr, sorted(rule.scopes)))}")


def _check_operator(caller: Caller) -> None:
    if caller.via == "key" and "metrics" not in caller.scopes:
        raise Forbidden("this key lacks the scope 'metrics'")
    if caller.role != "admin":
        raise Forbidden("this needs a user with the role 'admin'")

"""Route x caller: generated from the application, so that a new route without its rule fails here."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import delete
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.middleware.permissions import RULES, SOCKET, Rule, find_rule
from app.core.config import Settings, StorageSettings
from app.core.security import Scope
from app.main import create_app
from app.storage import approvals, messages
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import DictationRow, DictationVersionRow
from app.storage.users import Users
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine
from tests.support.accounts import ACCOUNTS, Person, Team, make_bearer
from tests.support.attachments import make_picture
from tests.support.kept_audio import RATE_HZ, keep_audio
from tests.support.realtime_client import connect_realtime_client
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client

pytestmark = pytest.mark.once

OPEN_TO_ALL = {
    "GET /",
    "GET /assets/{path:path}",
    "GET /health",
    "GET /health/ready",
    "GET /docs",
    "GET /docs/static/{path:path}",
    "GET /openapi.json",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "GET /s/style.css",
    "GET /s/{token}",
    "GET /s/{token}/files/{number}",
}
"""What nobody is asked for; written out here a second time, so that it does not grow by a slip."""


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """(method, path as its router writes it) of everything that answers."""
    for route in routes:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/{{path:path}}"
        elif isinstance(route, WebSocketRoute):
            yield SOCKET, route.path
        elif isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path
        else:
            included: Any = route
            assert not included.include_context.prefix, "routers carry their prefix themselves"
            yield from routes_of(included.original_router.routes)


APP = create_app(Settings(_env_file=None))
DESCRIBED = {(method.upper(), path) for path, ways in APP.openapi()["paths"].items() for method in ways}
ALL_ROUTES = sorted({*routes_of(APP.router.routes)})


def named(method: str, path: str) -> str:
    return f"{method} {path}"


def scope_of(method: str, path: str) -> dict[str, Any]:
    kind = "websocket" if method == SOCKET else "http"
    return {"type": kind, "method": method, "path": path, "root_path": ""}


def rule_of(method: str, path: str) -> Rule:
    rule, _ = find_rule(scope_of(method, sample(path)))
    assert rule is not None, f"{method} {path} has no rule: add it to app/api/access/rules.py"
    return rule


SAMPLES = {"version_id": "0197a3b2-0000-7000-8000-00000000abcd"}
"""What stands in the place of a parameter, where `x` will not do."""


def sample(path: str, **given: str) -> str:
    """A path with something in the place of each parameter."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: given.get(match[1], SAMPLES.get(match[1], "x")), path)


def test_nothing_is_left_out() -> None:
    """What the API description lists is among the routes that this test goes through."""
    unformatted = {(method, re.sub(r":\w+\}", "}", path)) for method, path in ALL_ROUTES}
    assert unformatted >= DESCRIBED
    assert (SOCKET, "/ws/stt") in ALL_ROUTES
    assert len(ALL_ROUTES) > 15


@pytest.mark.parametrize(("method", "path"), ALL_ROUTES)
def test_every_route_has_a_rule_of_its_own(method: str, path: str) -> None:
    """Written as the router writes it: no rule for many covers a route that nobody thought of."""
    assert rule_of(method, path).path == path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.path)
def test_only_these_are_open_to_everyone(rule: Rule) -> None:
    for method in rule.methods:
        assert (rule.who == "everyone") == (named(method, rule.path) in OPEN_TO_ALL)


# -- with real callers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """A server, and all kinds of callers."""

    served: RunningServer
    team: Team
    owner: Person
    tokens: dict[str, str]
    """By kind of caller; `nobody` sends none."""
    keys: dict[Scope, str]
    """Each with one scope; the owner's, but for `metrics`, which is the admin's."""


async def turn_audio_on(database: Database, user_id: UUID) -> None:
    async with database.write() as session:
        await Users(session).change(user_id, keep_audio=True)


@contextmanager
def open_cast(**storage: Any) -> Iterator[Cast]:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS, **storage) as served:
        team = Team(served.resources.settings)
        admin, owner, other = team.add("admin", "admin"), team.add("owner"), team.add("other")
        gone = team.add("gone")
        disabled = {"disabled": team.token(gone), "disabled key": team.key(gone, "stt", "llm", "chat")[0]}
        team.disable(gone)
        logged_out, family = team.session(owner)
        team.end_session(family)
        revoked, key_id = team.key(owner, "stt", "llm", "chat")
        team.revoke_key(owner, key_id)
        tokens = {
            "owner": team.token(owner),
            "other": team.token(other),
            "admin": team.token(admin),
            **disabled,
            "expired": team.session(owner, ago=timedelta(minutes=16))[0],
            "logged out": logged_out,
            "tampered": team.token(owner)[:-4] + "AAAA",
            "expired key": team.key(owner, "stt", "llm", "chat", expired=True)[0],
            "revoked key": revoked,
            "unknown key": "pk_" + "a" * 43,
            "rubbish": "rubbish",
        }
        team.do(lambda database: turn_audio_on(database, owner.id))
        owners: tuple[Scope, ...] = ("stt", "llm", "chat")
        keys = {scope: team.key(owner, scope)[0] for scope in owners}
        keys["metrics"] = team.key(admin, "metrics")[0]
        yield Cast(served, team, owner, tokens, keys)


@pytest.fixture(scope="module")
def cast() -> Iterator[Cast]:
    with open_cast() as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest) -> Iterator[Cast]:
    """A cast for each kind of database: whose something is, is a matter of SQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("cast")
        return
    template = request.getfixturevalue("postgres_template")
    url = request.getfixturevalue("postgres_server").create(template)
    with open_cast(storage=StorageSettings(url=url)) as opened:
        yield opened


REFUSED = ("disabled", "disabled key", "expired", "logged out", "tampered", "expired key", "revoked key",
           "unknown key", "rubbish")  # fmt: skip


def ask(
    cast: Cast, method: str, path: str, token: str | None, body: dict[str, Any] | None = None
) -> httpx2.Response:
    """From a peer that is not at the machine itself, as far as the server can tell."""
    headers = {"X-Forwarded-For": "127.0.0.1", **({} if token is None else make_bearer(token))}
    with httpx2.Client(base_url=cast.served.url, trust_env=False, headers=headers) as http:
        body = {} if body is None and method in ("POST", "PATCH", "PUT") else body
        return http.request(method, path, json=body)


def assert_refused(response: httpx2.Response, status: int) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == {401: "unauthorized", 403: "forbidden"}[status]
    if response.request.url.path.startswith("/v1/"):
        assert error["type"] == {401: "authentication_error", 403: "permission_error"}[status]
    else:
        assert error["request_id"] == response.headers["x-request-id"]
    assert ("www-authenticate" in response.headers) == (status == 401)


def assert_through(response: httpx2.Response) -> None:
    """The door has answered, whatever it says to an empty body."""
    assert response.status_code not in (401, 403, 405), response.text
    assert "nothing answers here" not in response.text


HTTP_ROUTES = [(method, path) for method, path in ALL_ROUTES if method != SOCKET]
GUARDED = [route for route in HTTP_ROUTES if named(*route) not in OPEN_TO_ALL]


@pytest.mark.parametrize(("method", "path"), [route for route in HTTP_ROUTES if route not in GUARDED])
def test_an_open_route_asks_nobody(cast: Cast, method: str, path: str) -> None:
    """And a token that has run out keeps nobody from it."""
    for token in (None, cast.tokens["expired"], cast.tokens["rubbish"], cast.tokens["owner"]):
        response = ask(cast, method, sample(path), token)
        if path == "/api/auth/refresh":
            assert "nothing to renew" in response.text
        else:
            assert_through(response)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_guarded_route_knows_its_callers(cast: Cast, method: str, path: str) -> None:
    rule, where = rule_of(method, path), sample(path)
    assert_refused(ask(cast, method, where, None), 401)
    for kind in REFUSED:
        assert_refused(ask(cast, method, where, cast.tokens[kind]), 401)
    for scope, key in cast.keys.items():
        response = ask(cast, method, where, key)
        allowed = {
            "person": False,
            "admin": False,
            "operator": scope == "metrics",
            "caller": not rule.scopes or scope in rule.scopes,
        }[rule.who]
        assert_through(response) if allowed else assert_refused(response, 403)
    for kind in ("owner", "admin"):
        token = cast.team.token(cast.owner) if path == "/api/auth/logout" else cast.tokens[kind]
        response = ask(cast, method, where, token)
        is_admins = rule.who in ("operator", "admin") and kind == "owner"
        assert_refused(response, 403) if is_admins else assert_through(response)


def test_the_scopes_of_these_tests_are_all_there_are(cast: Cast) -> None:
    assert set(cast.keys) == set(get_args(Scope))


# -- what belongs to one user does not exist for another


def _key(cast: Cast) -> str:
    return str(cast.team.key(cast.owner, "stt")[1])


def _conversation(cast: Cast) -> str:
    return str(_asked(cast, "/api/conversations", {"title": "mine"}).json()["id"])


def _session(cast: Cast) -> str:
    return str(_asked(cast, "/api/chat/realtime/sessions", {"title": "mine"}).json()["id"])


def _answer(cast: Cast) -> str:
    return _said(cast, "message_id")


def _question(cast: Cast) -> str:
    return _said(cast, "user_message_id")


def _said(cast: Cast, which: str) -> str:
    said = {"conversation_id": _conversation(cast), "message": "mine", "model": "echo"}
    match = re.search(rf'"{which}": ?"([0-9a-f-]{{36}})"', _asked(cast, "/api/chat/stream", said).text)
    assert match
    return match[1]


def _dictation(cast: Cast) -> str:
    row = DictationRow(id=new_id(), user_id=cast.owner.id, ended_at=utc_now())

    async def add(database: Database) -> None:
        async with database.write() as session:
            session.add(row)

    dictation_id = str(row.id)
    cast.team.do(add)
    return dictation_id


VERSION_ID = UUID(SAMPLES["version_id"])


def _version(cast: Cast) -> str:
    """A dictation with the version `VERSION_ID`."""
    dictation_id = UUID(_dictation(cast))

    async def add(database: Database) -> None:
        async with database.write() as session:
            await session.execute(delete(DictationVersionRow).where(DictationVersionRow.id == VERSION_ID))
            session.add(DictationVersionRow(id=VERSION_ID, dictation_id=dictation_id, status="done"))

    cast.team.do(add)
    return str(dictation_id)


def _kept(cast: Cast) -> str:
    """A dictation whose audio is kept."""
    dictation_id = UUID(_dictation(cast))
    keep_audio(cast.served.resources, cast.owner.id, dictation_id, bytes(RATE_HZ))
    return str(dictation_id)


def _approval(cast: Cast) -> str:
    """An answer that asks about the call `x`."""
    conversation_id = UUID(_conversation(cast))

    async def add(database: Database) -> str:
        async with database.write() as session:
            turn = await messages.append_turn(
                session, cast.owner.id, conversation_id, "mine", run_id=database.run_id
            )
            await approvals.ask(session, turn.assistant.id, "x", utc_now() + timedelta(hours=1))
            return str(turn.assistant.id)

    return cast.team.do(add)


def _asked(cast: Cast, path: str, body: dict[str, Any]) -> httpx2.Response:
    with httpx2.Client(
        base_url=cast.served.url, trust_env=False, headers=make_bearer(cast.tokens["owner"])
    ) as http:
        return http.post(path, json=body)


def _attachment(cast: Cast) -> str:
    """A picture, which has a thumbnail, or for one route a text."""
    return _attach(cast, make_picture(), "mine.jpg")


def _attached_text(cast: Cast) -> str:
    return _attach(cast, b"mine", "mine.txt")


def _attach(cast: Cast, data: bytes, name: str) -> str:
    with httpx2.Client(
        base_url=cast.served.url, trust_env=False, headers=make_bearer(cast.tokens["owner"])
    ) as http:
        return str(http.post("/api/attachments", files={"file": (name, data)}).json()["id"])


def _connection(cast: Cast) -> str:
    body = {"base_url": "https://models.example/v1", "api_key": "sk-of-the-owner-0123456789"}
    return str(_asked(cast, "/api/connections", body).json()["id"])


def _unreachable_connection(cast: Cast) -> str:
    """One whose trial ends at once: nothing listens there."""
    body = {"base_url": "http://127.0.0.1:9931/v1"}
    return str(_asked(cast, "/api/connections", body).json()["id"])


def _share(cast: Cast) -> str:
    said = {"conversation_id": _conversation(cast), "message": "mine", "model": "echo"}
    _asked(cast, "/api/chat/stream", said)
    return str(_asked(cast, "/api/shares", {"conversation_id": said["conversation_id"]}).json()["id"])


def _import(cast: Cast) -> str:
    """An import that has ended: a user has one at a time."""
    file = {"file": ("conversations.json", b"[]")}
    with httpx2.Client(
        base_url=cast.served.url, trust_env=False, headers=make_bearer(cast.tokens["owner"])
    ) as http:
        made = http.post("/api/import", files=file).json()
        while made["state"] in ("waiting", "working"):
            made = http.get(f"/api/import/{made['id']}").json()
    return str(made["id"])


MAKERS: dict[str, Callable[[Cast], str]] = {
    "key_id": _key,
    "conversation_id": _conversation,
    "session_id": _session,
    "message_id": _answer,
    "dictation_id": _dictation,
    "GET /api/dictations/{dictation_id}/versions/{version_id}": _version,
    "DELETE /api/dictations/{dictation_id}/versions/{version_id}": _version,
    "POST /api/dictations/{dictation_id}/redo": _kept,
    "GET /api/dictations/{dictation_id}/audio": _kept,
    "attachment_id": _attachment,
    "GET /api/attachments/{attachment_id}/text": _attached_text,
    "connection_id": _connection,
    "share_id": _share,
    "import_id": _import,
    "POST /api/connections/{connection_id}/test": _unreachable_connection,
    "POST /api/messages/{message_id}/edit": _question,
    "POST /api/messages/{message_id}/approvals/{call_id}": _approval,
}
"""By a path's parameter, or for one route alone: how one of the owner's is made. A new one has to say it here."""
NOBODYS = {"path", "model_id", "name"}
"""Parameters that name nothing of anybody's."""
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /api/conversations/{conversation_id}": {"title": "changed"},
    "PATCH /api/connections/{connection_id}": {"title": "changed"},
    "PATCH /api/dictations/{dictation_id}": {"current_version": None},
    "POST /api/messages/{message_id}/edit": {"message": "changed", "model": "echo"},
    "POST /api/messages/{message_id}/approvals/{call_id}": {"approved": True},
    "POST /api/chat/realtime/sessions/{session_id}/stream": {"content": "hello", "model": "echo"},
}
"""Bodies that a route needs before it looks for what its path names."""
OWNED = [
    (method, path, match[1])
    for method, path in GUARDED
    if (match := re.search(r"\{(\w+)", path)) and match[1] not in NOBODYS
]


@pytest.mark.parametrize(("method", "path", "parameter"), OWNED)
def test_what_is_anothers_is_not_there(stored: Cast, method: str, path: str, parameter: str) -> None:
    """In the very words in which nothing is there; and it is there for its owner afterwards."""
    make = MAKERS.get(named(method, path)) or MAKERS.get(parameter)
    assert make, f"{path}: tell in MAKERS how a {parameter} is made"
    body, ids = BODIES.get(named(method, path)), {"theirs": make(stored), "nobodys": str(new_id())}
    for kind in ("other", "admin"):
        said = set()
        for one in ids.values():
            answer = ask(stored, method, sample(path, **{parameter: one}), stored.tokens[kind], body)
            assert answer.status_code == 404, answer.text
            said.add(answer.json()["error"]["message"].replace(one, "…"))
        assert len(said) == 1
    mine = ask(stored, method, sample(path, **{parameter: ids["theirs"]}), stored.tokens["owner"], body)
    assert mine.status_code < 400, mine.text


def test_nor_where_a_body_names_it(stored: Cast) -> None:
    body = {"conversation_id": _conversation(stored), "message": "hello", "model": "echo"}
    assert ask(stored, "POST", "/api/chat/stream", stored.tokens["other"], body).status_code == 404
    assert ask(stored, "POST", "/api/chat/stream", stored.tokens["owner"], body).status_code == 200
    assert ask(stored, "POST", "/api/shares", stored.tokens["other"], body).status_code == 404
    assert ask(stored, "POST", "/api/shares", stored.tokens["admin"], body).status_code == 404


def test_nor_where_a_query_or_a_list_names_it(stored: Cast) -> None:
    conversation, file = _conversation(stored), _attachment(stored)
    for kind in ("other", "admin", "owner"):
        is_mine, token = kind == "owner", stored.tokens[kind]
        exported = ask(stored, "GET", f"/api/export?ids={conversation}", token)
        assert exported.status_code == (200 if is_mine else 404)
        whole = ask(stored, "GET", "/api/export", token)
        assert (conversation in whole.text) is is_mine
        own = ask(stored, "POST", "/api/conversations", token, {"title": "own"}).json()["id"]
        about = {"message": "look", "model": "echo", "attachments_as_text": True}
        body = {**about, "conversation_id": own, "attachments": [file]}
        sent = ask(stored, "POST", "/api/chat/stream", token, body)
        assert sent.status_code == (200 if is_mine else 404), sent.text


@pytest.mark.parametrize(
    "path",
    [
        *("/api/conversations", "/api/dictations", "/api/keys", "/api/connections", "/api/shares"),
        "/api/import",
    ],
)
def test_lists_hold_ones_own_alone(stored: Cast, path: str) -> None:
    made = {
        "/api/conversations": _conversation,
        "/api/dictations": _dictation,
        "/api/keys": _key,
        "/api/connections": _connection,
        "/api/shares": _share,
        "/api/import": _import,
    }[path](stored)
    assert made in ask(stored, "GET", path, stored.tokens["owner"]).text
    for kind in ("other", "admin"):
        assert made not in ask(stored, "GET", path, stored.tokens[kind]).text


# -- sockets

SOCKETS = [path for method, path in ALL_ROUTES if method == SOCKET]


async def use_socket(url: str, path: str, token: str | None) -> None:
    """Open a socket, and have it answer a message."""
    headers = {} if token is None else make_bearer(token)
    if path == "/v1/realtime":
        async with connect_realtime_client(url, path, additional_headers=headers) as realtime:
            await realtime.send("input_audio_buffer.clear")
            await realtime.until("input_audio_buffer.cleared")
        return
    async with connect_speech_client(url, path=path, additional_headers=headers) as client:
        await client.check_alive()


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_socket_knows_its_callers(cast: Cast, path: str) -> None:
    rule = rule_of(SOCKET, path)
    refused = dict.fromkeys(REFUSED, 401)
    tokens = {**cast.tokens, **{f"key {scope}": key for scope, key in cast.keys.items()}}
    refused |= {f"key {scope}": 403 for scope in cast.keys if scope not in rule.scopes}
    for kind, token in tokens.items():
        if kind not in refused:
            await use_socket(cast.served.url, path, token)
            continue
        with pytest.raises(InvalidStatus) as refusal:
            await use_socket(cast.served.url, path, token)
        assert refusal.value.response.status_code == refused[kind], kind
    if not rule.by_first_message:
        with pytest.raises(InvalidStatus) as refusal:
            await use_socket(cast.served.url, path, None)
        assert refusal.value.response.status_code == 401
        return
    async with connect_speech_client(cast.served.url, path=path) as nobody:
        await nobody.send("ping")
        with pytest.raises(ConnectionClosed) as closed:
            await nobody.until("never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


# -- tricks with paths

TRICKS = [
    "//api/keys",
    "/api//keys",
    "/api/keys/",
    "/api/keys/.",
    "/./api/keys",
    "/health/../api/keys",
    "/docs/static/../../api/keys",
    "/docs/static/..%2f..%2fapi/keys",
    "/docs/static/%2e%2e/%2e%2e/api/keys",
    "/api%2fkeys",
    "/api%2Fkeys",
    "/%61pi/keys",
    "/api/keys%00",
    "/api/keys%0a",
    "/health%2f..%2fapi%2fkeys",
    "/api/keys;x=/health",
    "/api/keys%3f/health",
    "/api/keys?/health",
    "/api/keys#/health",
    "/API/KEYS",
    "/api\\keys",
    "http://127.0.0.1/api/keys",
    "http://evil.example/api/keys",
]


async def raw(url: str, target: str, *headers: str, method: str = "GET") -> int:
    """The status of a request whose target and headers are sent as they are."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.append(f"Host: {host}:{port}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("target", TRICKS)
async def test_no_spelling_of_a_path_gets_around_the_table(cast: Cast, target: str) -> None:
    """Nobody gets in by any, and whoever is let in anyway gets no redirect to somewhere else."""
    assert await raw(cast.served.url, target) in (400, 401, 404)
    owner = f"Authorization: Bearer {cast.tokens['owner']}"
    assert await raw(cast.served.url, target, owner) in (200, 400, 404)


@pytest.mark.parametrize(
    "method", ["PUT", "TRACE", "OPTIONS", "get", "CONNECT", "FROBNICATE", "DELETE", "HEAD"]
)
async def test_no_method_gets_around_the_table(cast: Cast, method: str) -> None:
    assert await raw(cast.served.url, "/api/keys", method=method) in (400, 401, 405)


@pytest.mark.parametrize(
    "header",
    ["X-Original-URL: /health", "X-Rewrite-URL: /health", "X-HTTP-Method-Override: POST", "X-Forwarded-Prefix: /health",
     "X-Forwarded-Path: /health", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Prompter-User: admin"],
)  # fmt: skip
async def test_no_header_gets_around_the_table(cast: Cast, header: str) -> None:
    assert await raw(cast.served.url, "/api/keys", header) == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "health", "127.0.0.1/health?", "a@127.0.0.1"]
)
async def test_no_host_gets_around_the_guard(cast: Cast, host: str) -> None:
    owner = f"Authorization: Bearer {cast.tokens['owner']}"
    assert await raw(cast.served.url, "/api/keys", f"Host: {host}", owner) in (400, 403)


# -- tricks with the header


async def test_the_scheme_is_read_in_any_case_and_nothing_else_is(cast: Cast) -> None:
    token, url = cast.tokens["owner"], cast.served.url
    for good in (f"Bearer {token}", f"bearer {token}", f"BEARER   {token}", f"  Bearer {token}  "):
        assert await raw(url, "/api/auth/me", f"Authorization: {good}") == 200
    for bad in (token, f"Basic {token}", f"Bearer{token}", f"Bearer: {token}", f"Bearer {token}, Bearer {token}",
                f"Bearer {token} x", f'Bearer "{token}"', "Bearer", "Bearer ", f"Bearer \x80{token}", f"Token {token}",
                f"Bearer {token}\t.", "Bearer " + "a" * 4097):  # fmt: skip
        assert await raw(url, "/api/auth/me", f"Authorization: {bad}") in (400, 401), bad


async def test_two_authorizations_are_none(cast: Cast) -> None:
    owner, admin = (f"Authorization: Bearer {cast.tokens[kind]}" for kind in ("owner", "admin"))
    for pair in ((owner, admin), (owner, owner), (owner, "Authorization: "), ("authorization: x", owner)):
        assert await raw(cast.served.url, "/api/auth/me", *pair) == 401


async def test_a_token_of_100_kb_is_refused_at_once(cast: Cast) -> None:
    assert await raw(cast.served.url, "/api/auth/me", "Authorization: Bearer " + "a" * 100_000) in (
        400,
        401,
        431,
    )
    assert await raw(cast.served.url, "/api/auth/me", f"Authorization: Bearer {cast.tokens['owner']}") == 200


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "TOKEN"])
async def test_a_token_in_the_address_is_refused(cast: Cast, name: str) -> None:
    """Even beside a good one: it has been written into a log somewhere."""
    owner = f"Authorization: Bearer {cast.tokens['owner']}"
    assert await raw(cast.served.url, f"/api/auth/me?{name}={cast.tokens['owner']}") == 400
    assert await raw(cast.served.url, f"/api/auth/me?{name}=x", owner) == 400


# -- metrics


async def test_metrics_are_for_the_machine_admins_and_their_keys(cast: Cast) -> None:
    url = cast.served.url
    assert await raw(url, "/metrics") == 200
    for behind_a_proxy in (
        "X-Forwarded-For: 192.0.2.7",
        "Via: 1.1 box",
        "Forwarded: for=192.0.2.7",
        "X-Real-IP: 1.1.1.1",
    ):
        assert await raw(url, "/metrics", behind_a_proxy) == 401
    owner, admin, key = (
        f"Authorization: Bearer {token}"
        for token in (cast.tokens["owner"], cast.tokens["admin"], cast.keys["metrics"])
    )
    assert await raw(url, "/metrics", "Via: 1.1 box", owner) == 403
    assert await raw(url, "/metrics", "Via: 1.1 box", admin) == 200
    assert await raw(url, "/metrics", "Via: 1.1 box", key) == 200

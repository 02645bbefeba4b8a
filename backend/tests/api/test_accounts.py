"""Logging in, renewing, logging out and API keys, over HTTP against a real server."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import openai
import pytest
from sqlalchemy import select, update

from app.services.accounts.passwords import Passwords
from app.storage.database import Database
from app.storage.tables import ApiKeyRow, RefreshTokenRow, UserRow
from tests.fakes.engine import FakeEngine
from tests.support.accounts import ACCOUNTS, PASSWORD, Person, Team, log_in, make_bearer
from tests.support.server import RunningServer, serve_engine

pytestmark = pytest.mark.once

COOKIE_HEADER = {"X-Prompter-Refresh": "1"}
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    fields: dict[str, Any] = {
        "accounts": {**ACCOUNTS, "login_attempts": 1000},
        "allowed_origins": [ORIGIN],
    }
    with serve_engine(FakeEngine(), **fields) as served:
        yield served


@pytest.fixture(scope="module")
def team(served: RunningServer) -> Team:
    return Team(served.resources.settings)


@pytest.fixture(scope="module")
def ada(team: Team) -> Person:
    return team.add("Ada", "admin")


@pytest.fixture(scope="module")
def bob(team: Team, ada: Person) -> Person:
    return team.add("bob")


@pytest.fixture
def http(served: RunningServer, ada: Person, bob: Person) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, trust_env=False) as http:
        yield http


def refused(response: httpx2.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    return str(response.json()["error"]["message"])


# -- logging in


@pytest.mark.parametrize("name", ["Ada", "ada", "ADA", "Ａｄａ"])
def test_a_name_is_found_in_any_case(http: httpx2.Client, name: str) -> None:
    made = log_in(http, name)
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    body = made.json()
    assert (body["token_type"], body["user"]["name"], body["user"]["role"]) == ("bearer", "Ada", "admin")
    assert 890 <= body["expires_in"] <= 900
    me = http.get("/api/auth/me", headers=make_bearer(body["access_token"])).json()
    assert me["id"] == body["user"]["id"]
    assert (me["mode"], me["via"], me["scopes"]) == ("accounts", "session", ["chat", "llm", "metrics", "stt"])
    assert "set-cookie" not in made.headers


def test_every_refusal_has_the_same_words(http: httpx2.Client, team: Team) -> None:
    """Unknown, wrong, disabled, without a password: nobody learns who has an account."""
    carol = team.add("carol")
    team.disable(carol)
    answers = [
        log_in(http, "bob", "wrong password"),
        log_in(http, "nobody"),
        log_in(http, "carol"),
        log_in(http, "local", ""),
        log_in(http, "", ""),
        log_in(http, "bob", "x" * 2000),
        log_in(http, "bob\x00"),
        log_in(http, "bob", PASSWORD + " "),
    ]
    assert {refused(answer, 401, "unauthorized") for answer in answers} == {
        "the name or the password is wrong"
    }


@pytest.mark.parametrize(
    "body",
    ["{}", "[]", '{"name": "bob"}', '{"name": 1, "password": 2}', '{"name": null, "password": null}', "{",
     '{"name": "bob", "password": ["correct horse battery staple"]}', '{"name": "\\ud800", "password": "\\udfff"}',
     '{"name": "' + "x" * 201 + '", "password": ""}', '{"name": "bob", "password": "' + "x" * 5000 + '"}'],
)  # fmt: skip
def test_a_body_that_is_none_is_refused_without_repeating_it(
    http: httpx2.Client, served: RunningServer, body: str
) -> None:
    response = http.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 401)
    assert "xxx" not in response.text
    assert "correct horse" not in response.text


def test_a_hash_of_older_parameters_is_bettered(http: httpx2.Client, team: Team) -> None:
    dora = team.add("dora")

    async def stored(database: Database) -> str:
        async with database.read() as session:
            return str(await session.scalar(select(UserRow.password_hash).where(UserRow.id == dora.id)))

    before = team.do(stored)
    assert log_in(http, "dora").status_code == 200
    after = team.do(stored)
    assert "m=64," in before
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in after
    assert log_in(http, "dora").status_code == 200
    assert team.do(stored) == after


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    http: httpx2.Client, team: Team, record_property: Any
) -> None:
    """Medians of CPU-bound requests, taken by turns; the bound is far from their noise, and from a missing hash."""

    async def best_hash(database: Database) -> None:
        password_hash = await Passwords().hash(PASSWORD)
        async with database.write() as session:
            await session.execute(
                update(UserRow).where(UserRow.name_key == "bob").values(password_hash=password_hash)
            )

    team.do(best_hash)
    took: dict[str, list[float]] = {"bob": [], "nobody": []}
    for _ in range(12):
        for name, times in took.items():
            started_s = time.perf_counter()
            refused(log_in(http, name, "wrong password"), 401, "unauthorized")
            times.append(time.perf_counter() - started_s)
    wrong, unknown = (statistics.median(times) for times in took.values())
    record_property("wrong_ms", wrong * 1000)
    record_property("unknown_ms", unknown * 1000)
    assert 0.6 < unknown / wrong < 1.7
    assert unknown > 0.01


# -- the throttle


def test_who_guesses_has_to_wait() -> None:
    """By account, whoever asks and whatever the password; others and the other routes are not held up."""
    with serve_engine(FakeEngine(), accounts={**ACCOUNTS, "login_attempts": 3}) as served:
        team = Team(served.resources.settings)
        team.add("eve")
        team.add("mallory")
        token = team.token(team.add("frank"))
        with httpx2.Client(base_url=served.url, trust_env=False) as http:
            for _ in range(8):
                assert log_in(http, "mallory").status_code == 200, "who knows the password is not counted"
            for _ in range(3):
                refused(log_in(http, "eve", "a wrong guess"), 401, "unauthorized")
            for name, password in (("eve", "a wrong guess"), ("EVE", PASSWORD), ("eve", PASSWORD)):
                late = log_in(http, name, password)
                assert "too many wrong passwords" in refused(late, 429, "too_many_attempts")
                assert 90 <= int(late.headers["retry-after"]) <= 100
            for _ in range(3):
                refused(log_in(http, "no such user"), 401, "unauthorized")
            refused(log_in(http, "no such user"), 429, "too_many_attempts")
            assert log_in(http, "mallory").status_code == 200
            # Six of the address's twelve are gone.
            statuses = [log_in(http, f"guess {n}", "x").status_code for n in range(8)]
            assert statuses == [401] * 6 + [429] * 2
            refused(log_in(http, "mallory"), 429, "too_many_attempts")
            assert http.get("/api/auth/me", headers=make_bearer(token)).status_code == 200


async def test_many_guesses_at_once_get_no_more() -> None:
    """Counted before their outcome is known."""
    with serve_engine(FakeEngine(), accounts={**ACCOUNTS, "login_attempts": 2}) as served:
        Team(served.resources.settings).add("eve")
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(
            base_url=served.url, trust_env=False, limits=limits, timeout=60
        ) as http:
            tries = [
                http.post("/api/auth/login", json={"name": "eve", "password": f"guess {n}"})
                for n in range(100)
            ]
            statuses = [answer.status_code for answer in await asyncio.gather(*tries)]
    assert (statuses.count(401), statuses.count(429)) == (2, 98)


# -- renewing and logging out


def tokens_of(http: httpx2.Client, name: str = "bob") -> dict[str, Any]:
    made: dict[str, Any] = log_in(http, name).json()
    return made


def renew(http: httpx2.Client, token: object) -> httpx2.Response:
    return http.post("/api/auth/refresh", json={"refresh_token": token})


def test_a_log_in_is_renewed_again_and_again(http: httpx2.Client) -> None:
    made = tokens_of(http)
    seen = {made["refresh_token"]}
    for _ in range(5):
        made = renew(http, made["refresh_token"]).json()
        assert made["refresh_token"] not in seen
        seen.add(made["refresh_token"])
        assert http.get("/api/auth/me", headers=make_bearer(made["access_token"])).status_code == 200


def test_a_refresh_token_that_comes_twice_ends_its_log_in(http: httpx2.Client) -> None:
    """And no other one of the same user."""
    other, stolen = tokens_of(http), tokens_of(http)
    renewed = renew(http, stolen["refresh_token"]).json()
    assert http.get("/api/auth/me", headers=make_bearer(renewed["access_token"])).status_code == 200
    refused(renew(http, stolen["refresh_token"]), 401, "unauthorized")
    refused(renew(http, renewed["refresh_token"]), 401, "unauthorized")
    for token in (stolen["access_token"], renewed["access_token"]):
        refused(http.get("/api/auth/me", headers=make_bearer(token)), 401, "unauthorized")
    assert renew(http, other["refresh_token"]).status_code == 200


def test_a_renewal_whose_answer_was_lost_can_be_sent_again(http: httpx2.Client) -> None:
    """With its key, as browsers repeat a POST on a connection that was reset; a thief has not got the key."""
    for in_cookie in (False, True):
        token = tokens_of(http)["refresh_token"]
        key = {"Idempotency-Key": "of-this-page"}

        def send(
            token: str, headers: dict[str, str] | None = None, in_cookie: bool = in_cookie
        ) -> httpx2.Response:
            headers = headers or {}
            if not in_cookie:
                return http.post("/api/auth/refresh", json={"refresh_token": token}, headers=headers)
            http.cookies.clear()
            cookie = {"Cookie": f"prompter_refresh={token}"}
            return http.post("/api/auth/refresh", headers={**cookie, **COOKIE_HEADER, **headers})

        def new_of(response: httpx2.Response, in_cookie: bool = in_cookie) -> str:
            assert response.status_code == 200, response.text
            return response.cookies["prompter_refresh"] if in_cookie else response.json()["refresh_token"]

        lost, had = send(token, key), send(token, key)
        # The first answer's token is not valid beside the second's; the next renewal may have the same key.
        again = send(new_of(had), key)
        newest = new_of(again)
        refused(send(token, {"Idempotency-Key": "of-a-thief"}), 401, "unauthorized")
        refused(send(newest), 401, "unauthorized")
        refused(send(new_of(lost)), 401, "unauthorized")
        # A repeat after its answer was used is not one whose answer was lost.
        token = tokens_of(http)["refresh_token"]
        used = new_of(send(token, key))
        newest = new_of(send(used))
        refused(send(token, key), 401, "unauthorized")
        refused(send(newest), 401, "unauthorized")


async def test_of_two_renewals_at_once_one_wins_at_most(served: RunningServer, http: httpx2.Client) -> None:
    made = tokens_of(http)
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as many:
        body = {"refresh_token": made["refresh_token"]}
        answers = await asyncio.gather(*(many.post("/api/auth/refresh", json=body) for _ in range(8)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    refused(renew(http, won[0]["refresh_token"]), 401, "unauthorized")


def test_a_log_out_works_at_once(http: httpx2.Client) -> None:
    mine, other = tokens_of(http), tokens_of(http)
    out = http.post("/api/auth/logout", headers=make_bearer(mine["access_token"]))
    assert out.json() == {"status": "logged_out"}
    refused(http.get("/api/auth/me", headers=make_bearer(mine["access_token"])), 401, "unauthorized")
    refused(renew(http, mine["refresh_token"]), 401, "unauthorized")
    assert http.get("/api/auth/me", headers=make_bearer(other["access_token"])).status_code == 200


def test_tokens_of_the_wrong_kind(http: httpx2.Client) -> None:
    made = tokens_of(http)
    refused(http.get("/api/auth/me", headers=make_bearer(made["refresh_token"])), 401, "unauthorized")
    for wrong in (made["access_token"], "rt_", "rt_" + "a" * 43, "", "pk_" + "a" * 43):
        refused(renew(http, wrong), 401, "unauthorized")
    for unreadable in (7, ["rt_x"], "rt_" + "a" * 5000):
        refused(renew(http, unreadable), 400, "bad_request")
    refused(http.post("/api/auth/refresh"), 401, "unauthorized")
    assert renew(http, made["refresh_token"]).status_code == 200


def test_an_expired_refresh_token(http: httpx2.Client, team: Team, bob: Person) -> None:
    made = tokens_of(http)

    async def expire(database: Database) -> None:
        async with database.write() as session:
            over = datetime.now(UTC) - timedelta(seconds=1)
            mine = RefreshTokenRow.user_id == bob.id
            await session.execute(update(RefreshTokenRow).where(mine).values(expires_at=over))

    team.do(expire)
    refused(renew(http, made["refresh_token"]), 401, "unauthorized")
    refused(http.get("/api/auth/me", headers=make_bearer(made["access_token"])), 401, "unauthorized")


def test_nothing_that_opens_anything_is_stored(http: httpx2.Client, team: Team, ada: Person) -> None:
    made = tokens_of(http)
    key, _ = team.key(ada, "stt")
    folder = team.do(_folder)
    kept = b"".join(path.read_bytes() for path in folder.glob("prompter.db*"))
    assert key[:11].encode() in kept, "this looks where keys are kept"
    for secret in (key, key[11:], made["refresh_token"], made["access_token"], PASSWORD):
        assert secret.encode() not in kept


async def _folder(database: Database) -> Any:
    from pathlib import Path

    return Path(str(database.url.database)).parent


def test_another_password_ends_every_log_in_and_no_key(http: httpx2.Client, team: Team) -> None:
    gina = team.add("gina")
    made, (key, _) = tokens_of(http, "gina"), team.key(gina, "llm")
    team.administer(lambda accounts: accounts.set_password("gina", "another good password"))
    refused(http.get("/api/auth/me", headers=make_bearer(made["access_token"])), 401, "unauthorized")
    refused(renew(http, made["refresh_token"]), 401, "unauthorized")
    refused(log_in(http, "gina"), 401, "unauthorized")
    assert log_in(http, "gina", "another good password").status_code == 200
    assert http.get("/api/auth/me", headers=make_bearer(key)).status_code == 200


# -- the browser's cookie


def test_a_browser_keeps_its_refresh_token_in_a_cookie(http: httpx2.Client) -> None:
    made = log_in(http, "bob", cookie=True)
    assert made.json()["refresh_token"] is None
    cookie = made.headers["set-cookie"]
    for part in ("prompter_refresh=rt_", "HttpOnly", "Path=/api/auth", "SameSite=strict", "Max-Age=25"):
        assert part in cookie
    assert "Secure" not in cookie, "over plain http it would not be kept"
    without = http.post("/api/auth/refresh")
    assert "X-Prompter-Refresh" in refused(without, 403, "forbidden")
    renewed = http.post("/api/auth/refresh", headers=COOKIE_HEADER)
    assert renewed.json()["refresh_token"] is None
    assert renewed.headers["set-cookie"].startswith("prompter_refresh=rt_")
    out = http.post("/api/auth/logout", headers=make_bearer(renewed.json()["access_token"]))
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert not http.cookies
    refused(http.post("/api/auth/refresh", headers=COOKIE_HEADER), 401, "unauthorized")


def test_the_cookie_opens_nothing_by_itself(http: httpx2.Client) -> None:
    log_in(http, "bob", cookie=True)
    cookie = {"Cookie": f"prompter_refresh={http.cookies['prompter_refresh']}"}
    for path in ("/api/auth/me", "/api/keys", "/providers/stt"):
        refused(http.get(path, headers=cookie), 401, "unauthorized")


def test_behind_https_the_cookie_is_for_https_alone(http: httpx2.Client) -> None:
    """As a proxy on this machine tells it."""
    made = http.post(
        "/api/auth/login",
        json={"name": "bob", "password": PASSWORD, "cookie": True},
        headers={"X-Forwarded-Proto": "https"},
    )
    assert "; Secure" in made.headers["set-cookie"]


# -- other origins


def test_pages_of_listed_origins_may_ask(http: httpx2.Client) -> None:
    preflight = http.options(
        "/api/auth/me",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,x-prompter-refresh,x-stainless-os,x-of-another-sdk",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "x-of-another-sdk" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    answer = http.get("/api/auth/me", headers={"Origin": ORIGIN})
    refused(answer, 401, "unauthorized")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in answer.headers["vary"]


def test_no_other_origin_may(http: httpx2.Client) -> None:
    for origin in ("https://evil.example", "null", "*", "https://app.example.evil.example"):
        for method in ("GET", "OPTIONS"):
            headers = {
                "Origin": origin,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-stainless-os",
            }
            answer = http.request(method, "/health", headers=headers)
            refused(answer, 403, "not_allowed")
            assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in http.get("/health").headers


# -- keys


def make_key(http: httpx2.Client, token: str, **body: Any) -> httpx2.Response:
    return http.post(
        "/api/keys", headers=make_bearer(token), json={"name": "mine", "scopes": ["llm"], **body}
    )


def test_a_key_from_its_making_to_its_end(http: httpx2.Client) -> None:
    token = tokens_of(http)["access_token"]
    made = make_key(http, token, scopes=["stt", "llm", "llm"], expires_days=30)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()
    assert key["scopes"] == ["llm", "stt"]
    assert key["key"].startswith(key["prefix"])
    life = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < life <= timedelta(days=30)
    listed = http.get("/api/keys", headers=make_bearer(token)).json()
    assert [one for one in listed if one["id"] == key["id"]] == [
        {name: value for name, value in key.items() if name != "key"}
    ]
    assert key["key"] not in str(listed)
    me = http.get("/api/auth/me", headers=make_bearer(key["key"])).json()
    assert (me["via"], me["scopes"]) == ("key", ["llm", "stt"])
    gone = http.delete(f"/api/keys/{key['id']}", headers=make_bearer(token))
    assert gone.json() == {"status": "deleted"}
    refused(http.get("/api/auth/me", headers=make_bearer(key["key"])), 401, "unauthorized")
    refused(http.delete(f"/api/keys/{key['id']}", headers=make_bearer(token)), 404, "not_found")
    assert key["id"] not in http.get("/api/keys", headers=make_bearer(token)).text


@pytest.mark.parametrize(
    "body",
    [{"scopes": []}, {"scopes": ["root"]}, {"scopes": "llm"}, {"name": ""}, {"name": "x" * 101}, {"expires_days": 0},
     {"expires_days": 1.5}, {"expires_days": "30"}, {"expires_days": 10**9}],
)  # fmt: skip
def test_a_key_that_cannot_be(http: httpx2.Client, body: dict[str, Any]) -> None:
    refused(make_key(http, tokens_of(http)["access_token"], **body), 400, "bad_request")


def test_only_an_admin_makes_a_key_for_metrics(http: httpx2.Client) -> None:
    bobs, adas = (tokens_of(http, name)["access_token"] for name in ("bob", "ada"))
    refused(make_key(http, bobs, scopes=["llm", "metrics"]), 403, "forbidden")
    assert make_key(http, adas, scopes=["metrics"]).status_code == 201


def test_a_user_has_so_many_keys_at_most(http: httpx2.Client, team: Team) -> None:
    token = team.token(team.add("henry"))
    statuses = [make_key(http, token).status_code for _ in range(101)]
    assert statuses == [201] * 100 + [400]
    first = http.get("/api/keys", headers=make_bearer(token)).json()[0]
    http.delete(f"/api/keys/{first['id']}", headers=make_bearer(token))
    assert make_key(http, token).status_code == 201


def test_the_use_of_a_key_is_written_down_once_a_minute(http: httpx2.Client, team: Team, bob: Person) -> None:
    key, key_id = team.key(bob, "llm")

    def last_used() -> datetime:
        async def read(database: Database) -> datetime:
            async with database.read() as session:
                found = await session.scalar(select(ApiKeyRow.last_used_at).where(ApiKeyRow.id == key_id))
            assert found is not None
            return found

        return team.do(read)

    async def age(database: Database) -> None:
        async with database.write() as session:
            earlier = datetime.now(UTC) - timedelta(seconds=61)
            await session.execute(
                update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=earlier)
            )

    http.get("/api/auth/me", headers=make_bearer(key))
    first = last_used()
    for _ in range(5):
        http.get("/api/auth/me", headers=make_bearer(key))
    assert last_used() == first
    team.do(age)
    http.get("/api/auth/me", headers=make_bearer(key))
    assert last_used() >= first


def test_a_disabled_user_is_out_at_once_and_may_come_back(http: httpx2.Client, team: Team) -> None:
    ivan = team.add("ivan")
    key, token = team.key(ivan, "llm")[0], team.token(ivan)
    team.disable(ivan)
    for credential in (key, token):
        refused(http.get("/api/auth/me", headers=make_bearer(credential)), 401, "unauthorized")
    refused(log_in(http, "ivan"), 401, "unauthorized")
    team.administer(lambda accounts: accounts.enable("ivan"))
    assert http.get("/api/auth/me", headers=make_bearer(key)).status_code == 200
    refused(http.get("/api/auth/me", headers=make_bearer(token)), 401, "unauthorized")
    assert log_in(http, "ivan").status_code == 200


async def test_the_openai_sdk_takes_a_key(served: RunningServer, team: Team, bob: Person) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=team.key(bob, "llm")[0]) as client:
        said = await client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "hello"}]
        )
        assert said.choices[0].message.content == "hello"
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=team.key(bob, "stt")[0]) as client:
        with pytest.raises(openai.PermissionDeniedError, match="lacks the scope 'llm'"):
            await client.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "hello"}]
            )
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="pk_wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


def test_secrets_reach_no_log_line(
    served: RunningServer, http: httpx2.Client, team: Team, bob: Person
) -> None:
    made, (key, _) = tokens_of(http), team.key(bob, "llm")
    for token in (made["access_token"], key, made["refresh_token"], "pk_" + "z" * 43):
        http.get("/api/auth/me", headers=make_bearer(token))
        http.get("/api/auth/me", params={"token": token})
    log_in(http, "bob", "a wrong password of mine")
    said = "\n".join(served.log)
    for secret in (made["access_token"], made["refresh_token"], key, "a wrong password of mine", "z" * 43):
        assert secret not in said


# -- without accounts


def test_a_server_without_accounts_has_one_user(server: str) -> None:
    with httpx2.Client(base_url=server, trust_env=False) as http:
        me = http.get("/api/auth/me").json()
        assert (me["name"], me["role"], me["mode"], me["via"]) == ("local", "admin", "none", "local")
        assert http.get("/api/auth/me", headers={"Authorization": "Bearer DUMMY_KEY"}).json() == me
        assert http.get("/api/keys").json() == []
        for response in (
            log_in(http, "local", ""),
            http.post("/api/auth/refresh", json={"refresh_token": "rt_x"}),
            http.post("/api/auth/logout"),
            http.post("/api/keys", json={"name": "x", "scopes": ["llm"]}),
        ):
            assert "PROMPTER_ACCOUNTS__MODE" in refused(response, 404, "not_found")

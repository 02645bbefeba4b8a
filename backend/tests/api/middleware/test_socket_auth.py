"""The speech socket where there are accounts: how it learns who speaks, and when it must learn better."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from app.api.middleware import socket_auth
from app.services.accounts import identity
from app.storage.database import Database
from tests.fakes.engine import FakeEngine
from tests.support.accounts import ACCOUNTS, Person, Team, make_bearer
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    list_texts,
    make_sentence,
    wait_until,
)

QUICK_S = 0.05
ASKED_EVERY_S = identity.CHECK_INTERVAL_S
"""As it is where no test changes it."""


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with (
        pytest.MonkeyPatch.context() as patch,
        serve_engine(FakeEngine(), accounts=ACCOUNTS, limits={"sockets": 8}) as served,
    ):
        patch.setattr(identity, "CHECK_INTERVAL_S", QUICK_S)
        yield served


@pytest.fixture(scope="module")
def team(served: RunningServer) -> Team:
    return Team(served.resources.settings)


@pytest.fixture(scope="module")
def ada(team: Team) -> Person:
    return team.add("ada")


@pytest.fixture(scope="module")
def bob(team: Team) -> Person:
    return team.add("bob")


@asynccontextmanager
async def offering(url: str, *protocols: str, **options: Any) -> AsyncIterator[SpeechClient]:
    """A socket as a browser opens it: it may name subprotocols, and no headers."""
    named = [Subprotocol(protocol) for protocol in protocols]
    async with connect_speech_client(url, subprotocols=named, **options) as client:
        yield client


async def refusal(url: str, **options: Any) -> tuple[int, str]:
    """Status and code with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect_speech_client(url, **options):
            pass
    response = refused.value.response
    assert "Sec-WebSocket-Protocol" not in response.headers
    return response.status_code, json.loads(response.body or b"")["error"]["code"]


async def last_words(client: SpeechClient) -> tuple[dict[str, Any], int]:
    """The error that ends a socket, and the close code."""
    code = await client.until_closed()
    error = client.events[-1]
    assert error["type"] == "error"
    assert error["fatal"] is True
    return error, code


# -- how it learns who speaks


async def test_by_header(served: RunningServer, team: Team, ada: Person) -> None:
    for token in (team.token(ada), team.key(ada, "stt")[0]):
        async with connect_speech_client(served.url, additional_headers=make_bearer(token)) as client:
            await client.start()
            await client.audio(make_sentence())
            assert list_texts(await client.stop())


async def test_by_subprotocol_of_which_the_harmless_one_is_echoed(
    served: RunningServer, team: Team, ada: Person
) -> None:
    for carrier in ("bearer.", "openai-insecure-api-key."):
        for token in (team.token(ada), team.key(ada, "stt")[0]):
            for offered in (("prompter", carrier + token), (carrier + token, "prompter")):
                async with offering(served.url, *offered) as client:
                    await client.check_alive()
                    assert client.connection.subprotocol == "prompter"
            async with offering(served.url, carrier + token) as client:
                await client.check_alive()
                assert client.connection.subprotocol is None


async def test_by_the_first_message(served: RunningServer, team: Team, ada: Person) -> None:
    for token in (team.token(ada), team.key(ada, "stt")[0]):
        async with offering(served.url, "prompter") as client:
            assert client.connection.subprotocol == "prompter"
            await client.send("auth", token=token, extra="ignored")
            await client.start()
            await client.audio(make_sentence())
            assert list_texts(await client.stop())


FIRST = [
    b"",
    b"{",
    b"[]",
    b'"auth"',
    b"null",
    b'{"type": "auth"}',
    b'{"type": "auth", "token": null}',
    b'{"type": "auth", "token": 7}',
    b'{"type": "auth", "token": ""}',
    b'{"type": "auth", "token": "rubbish"}',
    b'{"type": "auth", "token": "\\ud800"}',
    b'{"type": "auth", "token": "' + b"a" * 4097 + b'"}',
    b'{"type": "AUTH", "token": "x"}',
    b'{"type": "start"}',
    b'{"type": "ping"}',
    b"\xff\xfe",
    bytes(3200),
]


@pytest.mark.parametrize("first", [*FIRST, *(data.decode() for data in FIRST if data.isascii())], ids=ascii)
async def test_any_other_first_message_ends_it(served: RunningServer, first: bytes | str) -> None:
    """And nothing of the application has seen it."""
    served.log.clear()
    async with connect_speech_client(served.url) as client:
        await client.connection.send(first)
        error, code = await last_words(client)
    assert (error["code"], error["seq"], error["session_id"], code) == ("unauthorized", 1, None, 1008)
    assert not [line for line in served.log if "socket opened" in line]


async def test_a_first_message_that_is_too_long(served: RunningServer, team: Team, ada: Person) -> None:
    token = team.token(ada)
    async with connect_speech_client(served.url) as client:
        await client.send("auth", token=token, padding="x" * 9000)
        error, code = await last_words(client)
    assert (error["code"], code) == ("message_too_big", 1009)


async def test_who_says_nothing_is_not_waited_for(
    served: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert socket_auth.MAX_WAIT_S == 10
    monkeypatch.setattr(socket_auth, "MAX_WAIT_S", 0.05)
    async with connect_speech_client(served.url) as client:
        error, code = await last_words(client)
    assert (error["code"], code) == ("unauthorized", 1008)
    assert "within 0.05 s" in error["message"]


async def test_so_many_may_wait_and_they_keep_no_one_out(
    served: RunningServer, team: Team, ada: Person
) -> None:
    """Those that show their token in the handshake need no place among them."""
    silent: list[ClientConnection] = []
    address = served.url.replace("http", "ws", 1) + "/ws/stt"
    try:
        for _ in range(8):
            silent.append(await connect(address, proxy=None))  # noqa: PERF401  # to be closed, however far it gets
        async with connect_speech_client(served.url) as client:
            error, code = await last_words(client)
        assert (error["code"], code) == ("server_full", 1013)
        async with connect_speech_client(
            served.url, additional_headers=make_bearer(team.token(ada))
        ) as client:
            await client.check_alive()
    finally:
        for connection in silent:
            await connection.close()
    async with connect_speech_client(served.url) as client:
        await client.send("auth", token=team.token(ada))
        await client.check_alive()


async def test_a_key_without_the_scope_is_told_so(served: RunningServer, team: Team, ada: Person) -> None:
    key = team.key(ada, "llm", "chat")[0]
    assert await refusal(served.url, additional_headers=make_bearer(key)) == (403, "forbidden")
    async with connect_speech_client(served.url) as client:
        await client.send("auth", token=key)
        error, code = await last_words(client)
    assert (error["code"], code) == ("forbidden", 1008)
    assert "'stt'" in error["message"]


async def test_credentials_that_are_wrong_or_two_are_refused_before_the_socket_opens(
    served: RunningServer, team: Team, ada: Person
) -> None:
    good = team.token(ada)
    wrong: list[dict[str, Any]] = [
        {"additional_headers": make_bearer("rubbish")},
        {"additional_headers": [("Authorization", f"Bearer {good}")] * 2},
        {"additional_headers": make_bearer(good), "subprotocols": ["prompter", f"bearer.{good}"]},
        {"subprotocols": [f"bearer.{good}", f"openai-insecure-api-key.{good}"]},
        {"subprotocols": ["prompter", "bearer.rubbish"]},
        {"subprotocols": ["prompter", "bearer.~"]},
    ]
    for options in wrong:
        assert await refusal(served.url, **options) == (401, "unauthorized")


async def test_a_token_in_the_address_is_refused(served: RunningServer, team: Team, ada: Person) -> None:
    token = team.token(ada)
    for name in ("token", "access_token", "api_key"):
        assert await refusal(served.url, path=f"/ws/stt?{name}={token}") == (400, "bad_request")


async def test_origin_and_host_come_before_any_token(served: RunningServer, team: Team, ada: Person) -> None:
    for header in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
        options: dict[str, Any] = {"additional_headers": {**make_bearer(team.token(ada)), **header}}
        with pytest.raises(InvalidStatus) as refused:
            async with connect_speech_client(served.url, **options):
                pass
        assert refused.value.response.status_code == 403


async def test_paths_that_are_no_socket(served: RunningServer, team: Team, ada: Person) -> None:
    for path in ("/ws/stt/", "//ws/stt", "/ws", "/ws/stt/../stt", "/health", "/api/keys", "/ws%2fstt/"):
        assert (await refusal(served.url, path=path))[0] == 401
        assert (await refusal(served.url, path=path, additional_headers=make_bearer(team.token(ada))))[
            0
        ] == 404


# -- and when it must learn better


def test_a_minute_is_the_most_that_a_lost_right_lasts() -> None:
    assert ASKED_EVERY_S <= 30
    assert identity.MAX_UNCHECKED_S <= 60


async def ended(client: SpeechClient) -> tuple[str, int]:
    error, code = await last_words(client)
    return error["code"], code


async def test_a_log_out_closes_its_sockets_and_no_others(
    served: RunningServer, team: Team, ada: Person
) -> None:
    mine, other = team.token(ada), team.token(ada)
    async with (
        connect_speech_client(served.url, additional_headers=make_bearer(mine)) as first,
        connect_speech_client(served.url, additional_headers=make_bearer(other)) as second,
        httpx2.AsyncClient(base_url=served.url, trust_env=False) as http,
    ):
        await first.start()
        await second.start()
        await http.post("/api/auth/logout", headers=make_bearer(mine))
        assert await ended(first) == ("unauthorized", 1008)
        await second.check_alive()


async def test_a_revoked_key_closes_its_sockets(served: RunningServer, team: Team, ada: Person) -> None:
    key, key_id = team.key(ada, "stt")
    async with connect_speech_client(served.url) as client:
        await client.send("auth", token=key)
        await client.start()
        team.revoke_key(ada, key_id)
        assert await ended(client) == ("unauthorized", 1008)


async def test_disabling_a_user_closes_all_their_sockets(served: RunningServer, team: Team) -> None:
    eve = team.add("eve")
    async with (
        connect_speech_client(served.url, additional_headers=make_bearer(team.token(eve))) as by_session,
        connect_speech_client(served.url, additional_headers=make_bearer(team.key(eve, "stt")[0])) as by_key,
    ):
        await by_session.check_alive()
        team.disable(eve)
        assert await ended(by_session) == ("unauthorized", 1008)
        assert await ended(by_key) == ("unauthorized", 1008)


async def test_a_token_that_runs_out_closes_its_socket(
    served: RunningServer, team: Team, ada: Person
) -> None:
    soon = team.session(ada, ago=timedelta(minutes=14, seconds=58.5))[0]
    async with connect_speech_client(served.url, additional_headers=make_bearer(soon)) as client:
        await client.check_alive()
        assert await ended(client) == ("unauthorized", 1008)


async def test_a_newer_token_keeps_it_open(served: RunningServer, team: Team, ada: Person) -> None:
    soon, family = team.session(ada, ago=timedelta(minutes=14, seconds=58.5))
    async with connect_speech_client(served.url, additional_headers=make_bearer(soon)) as client:
        await client.start()
        await client.send("auth", token=team.token(ada))
        await client.check_alive()
        team.end_session(family)
        await asyncio.sleep(2)  # longer than the first token lives; nothing tells that nothing has happened
        await client.audio(make_sentence())
        assert list_texts(await client.stop())


async def test_a_token_of_somebody_else_ends_it(
    served: RunningServer, team: Team, ada: Person, bob: Person
) -> None:
    for token in (team.token(bob), "rubbish"):
        async with connect_speech_client(
            served.url, additional_headers=make_bearer(team.token(ada))
        ) as client:
            await client.start()
            await client.send("auth", token=token)
            assert await ended(client) == ("unauthorized", 1008)


async def test_without_accounts_auth_is_heard_and_means_nothing() -> None:
    with serve_engine(FakeEngine()) as served:
        async with offering(served.url, "prompter", "bearer.anything") as client:
            assert client.connection.subprotocol == "prompter"
            await client.send("auth", token="anything")
            await client.start()
            await client.check_alive()


async def test_a_database_that_cannot_be_asked_ends_nothing_at_once(
    served: RunningServer, team: Team, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But after a minute nobody knows any more who may be there."""
    async with connect_speech_client(served.url, additional_headers=make_bearer(team.token(ada))) as client:
        await client.start()
        with monkeypatch.context() as patch:
            patch.setattr(Database, "read", _unreachable)
            await asyncio.sleep(5 * QUICK_S)
            await client.check_alive()
            patch.setattr(identity, "MAX_UNCHECKED_S", 0.0)
            assert await ended(client) == ("unauthorized", 1008)


@asynccontextmanager
async def _unreachable(_: Database) -> AsyncIterator[None]:
    from app.core.errors import StorageUnavailable

    raise StorageUnavailable("the database cannot be read")
    yield


# -- whose it is


async def test_a_dictation_is_resumed_by_its_owner_alone(
    served: RunningServer, team: Team, ada: Person, bob: Person
) -> None:
    async with connect_speech_client(served.url, additional_headers=make_bearer(team.token(ada))) as client:
        await client.start(session_id="s1")
        ready = client.events[-1]
        client.connection.transport.abort()
    resume = {"session_id": "s1", "resume_token": ready["resume_token"], "last_event_seq": ready["seq"]}
    async with connect_speech_client(served.url, additional_headers=make_bearer(team.token(bob))) as thief:
        await thief.send("resume", **resume)
        assert (await thief.event())["code"] == "resume_refused"
    async with connect(
        served.url.replace("http", "ws", 1) + "/ws/stt",
        additional_headers=make_bearer(team.token(ada)),
        proxy=None,
    ) as again:
        await again.send(json.dumps({"type": "resume", **resume}))
        assert json.loads(await again.recv())["type"] == "resumed"


async def test_a_dictation_goes_on_after_its_token_ran_out(
    team: Team, served: RunningServer, ada: Person
) -> None:
    """Who logs in again within the resume window loses no word."""
    soon = team.session(ada, ago=timedelta(minutes=14, seconds=58.5))[0]
    async with connect_speech_client(served.url, additional_headers=make_bearer(soon)) as client:
        await client.start(session_id="s2")
        ready = client.events[-1]
        await client.audio(make_sentence(silence_s=0))
        assert await ended(client) == ("unauthorized", 1008)
    heard = [event for event in client.events if event["type"] != "error"]
    address = served.url.replace("http", "ws", 1) + "/ws/stt"
    async with connect(address, additional_headers=make_bearer(team.token(ada)), proxy=None) as again:
        resume = {"resume_token": ready["resume_token"], "last_event_seq": heard[-1]["seq"]}
        await again.send(json.dumps({"type": "resume", "session_id": "s2", **resume}))
        resumed = json.loads(await again.recv())
        assert (resumed["type"], resumed["next_audio_seq"]) == ("resumed", 2)
        await again.send('{"type": "stop"}')
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != "stopped":
            events.append(json.loads(await again.recv()))
    assert [event for event in [*heard, *events] if event["type"] == "final" and event["text"]]


async def test_what_one_has_dictated_is_nobody_elses_prompt(
    served: RunningServer, team: Team, ada: Person, bob: Person
) -> None:
    async with connect_speech_client(served.url, additional_headers=make_bearer(team.token(ada))) as client:
        await client.start(session_id="mine")
        await client.audio(make_sentence())
        said = " ".join(list_texts(await client.stop()))
    body = {"session_id": "mine", "provider": "echo"}
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
        mine = await http.post("/llm/generate", json=body, headers=make_bearer(team.token(ada)))
        theirs = await http.post("/llm/generate", json=body, headers=make_bearer(team.token(bob)))
    assert mine.json()["text"] == said
    assert theirs.status_code == 404


async def test_tokens_reach_no_log_line(served: RunningServer, team: Team, ada: Person) -> None:
    token, key = team.token(ada), team.key(ada, "stt")[0]
    async with offering(served.url, "prompter", f"bearer.{token}") as client:
        await client.send("auth", token=key)
        await client.check_alive()
    await refusal(served.url, path=f"/ws/stt?token={token}")
    await wait_until(lambda: not served.resources.sockets.open)
    said = "\n".join(served.log)
    assert token not in said
    assert key not in said

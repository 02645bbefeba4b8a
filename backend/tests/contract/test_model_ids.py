"""`GET /api/models`: a plain list of ids, all of which can be asked for."""

import httpx2

from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, with_models
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.conversations import make_client, read_error, run_chat_server
from tests.support.server import serve_engine


def test_a_list_of_ids_of_which_each_answers() -> None:
    fake = FakeChat(lists=("tiny", "org/large:7b", "tiny"))
    with run_chat_server(fake) as (talk, _):
        listed = talk.http.get("/api/models").json()
        assert {"fake/tiny", "fake/org/large:7b", "echo"} <= set(listed)
        assert all(isinstance(id_, str) for id_ in listed)
        assert len(set(listed)) == len(listed)
        openai = [model["id"] for model in talk.http.get("/v1/models").json()["data"]]
        assert listed == list(dict.fromkeys(openai))
        for id_ in ("fake/tiny", "fake/org/large:7b", "echo"):
            talk.say(talk.conversation(model=id_), "hello")


def test_nothing_but_echo_is_there_without_upstreams() -> None:
    with run_chat_server() as (talk, _):
        assert talk.http.get("/api/models").json() == ["echo", "loft-chat"]


def test_a_provider_that_does_not_answer_delays_nobody_for_long() -> None:
    with run_chat_server(FakeChat(slow_s=60)) as (talk, _):
        assert talk.http.get("/api/models").json() == ["echo", "loft-chat"]


def test_models_are_for_callers() -> None:
    with (
        serve_engine(
            FakeEngine(), registrations=with_models(), llm={"discover": False}, accounts=ACCOUNTS
        ) as served,
        httpx2.Client(base_url=served.url, trust_env=False) as nobody,
    ):
        assert read_error(nobody.get("/api/models")) == (401, "unauthorized")
        team = Team(served.resources.settings)
        with make_client(served, headers=make_bearer(team.token(team.add("ana")))) as ana:
            assert ana.get("/api/models").json() == ["echo", "loft-chat"]

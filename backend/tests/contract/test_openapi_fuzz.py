"""The API description against a running server: schemathesis makes requests of it, right and wrong, and reads answers.

No undocumented status or media type, no answer beside its schema, and no 5xx but those of an upstream that is away.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi

from app.bench.target import reserve_port
from app.core.config import ExportSettings, LlmProfile, LlmSettings, Settings
from app.providers.registry import Registrations
from app.providers.upstream.addresses import Address
from tests.fakes.chat_upstream import run_in_background
from tests.support.server import run_server

pytestmark = pytest.mark.once

AWAY = (502, 503, 504)
CHECKS = [
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]
EXAMPLES = 50
"""For each route and way."""
LONGEST_S = 180.0
"""A PDF takes a second of a core, which a busy machine gives late, and never longer than `exports.pdf_s`."""
WHO = ("", "echo", "mine/tiny", "mine/busy", "mine/locked", "mine/full", "mine/late", "away")
"""Who is asked; the first leaves it to what was made up."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with echo, a profile that answers and one whose service is away."""
    with run_in_background() as upstream, reserve_port() as closed:
        away = f"http://127.0.0.1:{closed}/v1"
        key = SecretStr("sk-mine-0123456789")
        profiles = {
            "mine": LlmProfile(base_url=upstream.base_url, api_key=key, model="tiny"),
            "away": LlmProfile(base_url=away, model="tiny"),
        }
        aliases = {"*": "echo"}
        llm = LlmSettings(discover=False, profiles=profiles, model_aliases=aliases, connect_timeout_s=0.5)
        exports = ExportSettings(pdf_conversations=1)  # a second for each
        made = Settings(_env_file=None, llm=llm, stt={"provider": "cloud_stub"}, exports=exports)
        with run_server(made, registrations=Registrations(resolver=resolve_nowhere)) as server:
            yield server.url


async def resolve_nowhere(host: str, port: int) -> list[Address]:
    """No made-up connection reaches a vendor."""
    raise OSError(f"no name is known here, {len(host)} characters, port {port}")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def operations(url: str, session: requests.Session) -> list[Any]:
    """Every route and method of the description."""
    described = session.get(f"{url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    schema.config.update(base_url=url)
    found = list(schema.get_all_operations())
    return [each.ok() for each in found if isinstance(each, Ok)]


def answers(operation: Any, session: requests.Session, mode: GenerationMode) -> set[int]:
    """Ask one route in many ways, hold each answer against the description; the statuses that came."""
    documented = set(operation.definition.raw["responses"])
    if not operation.body:
        documented.add("413")  # whoever sends a megabyte to a route that takes nothing
    statuses: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), who=strategies.sampled_from(WHO))
    def ask(case: Case[Any], who: str) -> None:
        if who and isinstance(case.body, dict):  # nobody would make up these names
            case.body |= {"model": who} if "/v1/" in case.path else {"provider": who.partition("/")[0]}
        response = case.call(session=session, timeout=LONGEST_S)
        if response.status_code == 431:
            return  # 64 KiB of headers: refused before any route, in plain text
        statuses.add(response.status_code)
        assert str(response.status_code) in documented, response.text
        assert response.status_code < 500 or response.status_code in AWAY, response.text
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        assert not operation.body, "a route that takes nothing cannot be sent anything wrong"
    return statuses


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_described(
    operations: list[Any], session: requests.Session, mode: GenerationMode
) -> None:
    came = {operation.label: answers(operation, session, mode) for operation in operations}
    if mode is GenerationMode.POSITIVE:
        for route in ("POST /v1/chat/completions", "POST /llm/generate"):
            assert came[route] >= {200, 502}

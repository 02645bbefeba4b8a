"""Routes for operators: health, metrics, and the lists of providers."""

from collections.abc import Iterator

import httpx2
import pytest

from app.services.assistants.registry import TYPE
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.fakes.llm_providers import FakeChat, with_models
from tests.support.server import serve_engine


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    registrations = with_models(fake=FakeChat())
    with (
        serve_engine(
            FakeEngine(), registrations=registrations, llm={"provider": "fake", "discover": False}
        ) as served,
        httpx2.Client(base_url=served.url, trust_env=False) as client,
    ):
        yield client


def test_metrics_are_plain_text_for_prometheus(http: httpx2.Client) -> None:
    response = http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "# TYPE prompter_answers_total counter" in response.text


def test_the_list_of_engines_marks_the_default(http: httpx2.Client) -> None:
    items = {item["name"]: item for item in http.get("/providers/stt").json()["items"]}
    assert {"fake", "cloud_stub"} <= items.keys()
    assert [name for name, item in items.items() if item["default"]] == ["fake"]
    assert items["fake"]["models"] == ["small", "large"]
    assert items["fake"]["capabilities"]["words"] is True


def test_the_list_of_models_has_assistants_after_the_providers(http: httpx2.Client) -> None:
    items = http.get("/providers/llm").json()["items"]
    types = [item["type"] for item in items]
    assert TYPE in types
    assert types.index(TYPE) == len(types) - types.count(TYPE)
    assert [item["name"] for item in items if item["default"]] == ["fake"]
    for item in items:
        assert (item["assistant"] is not None) == (item["type"] == TYPE)


def test_it_is_not_ready_before_the_default_engine_has_started() -> None:
    gate = Gate()
    with (
        serve_engine(FakeEngine(Script(gates={"start": gate}))) as served,
        httpx2.Client(base_url=served.url, trust_env=False) as client,
    ):
        assert client.get("/health").json() == {"status": "ok"}
        response = client.get("/health/ready")
        assert (response.status_code, response.json()) == (503, {"status": "loading"})
        gate.open()

"""The dialects under a short fuzz campaign: no 5xx, no leak, events in order. `scripts/measure` has a long one."""

from collections.abc import Iterator

import pytest

from app.core.config import LlmSettings, Settings
from tests.fakes.llm_providers import with_models
from tests.support.dialect_fuzz import RandomChat, send_requests, write_answers
from tests.support.server import RunningServer, run_server

MODEL = RandomChat(1)
REQUESTS = 600
ANSWERS = 1000


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    llm = LlmSettings(discover=False, model_aliases={"*": "random/any"})
    with run_server(Settings(_env_file=None, llm=llm), registrations=with_models(random=MODEL)) as server:
        yield server


def test_bent_requests_get_an_answer_or_an_error_that_tells(served: RunningServer) -> None:
    tally = send_requests(served.url, REQUESTS, seed=1)
    assert not tally.faults, tally.faults[0]
    assert tally.statuses[200] > REQUESTS / 10
    assert tally.statuses[400] > REQUESTS / 10
    assert MODEL.opened == MODEL.closed > 0
    assert not [line for line in served.troubles if "refused a request" not in line]


def test_answers_of_any_order_are_written_in_the_vendors() -> None:
    tally = write_answers(ANSWERS, seed=1)
    assert not tally.faults, tally.faults[0]

"""The assistants of an application: listed with the states that their models and toolsets give them."""

from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from app.core.assistants import AssistantDefinition, AssistantSettings
from app.core.config import Settings
from app.core.errors import ModelNotFound, UnknownProvider
from app.schemas.providers import LlmProviderOut, ProviderState
from app.services.assistants import registry
from app.services.assistants.assistant import AssistantChat
from app.services.assistants.registry import Assistants
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import ResolvedModel
from tests.fakes.scripted_chat import ScriptedChat
from tests.toolsets.conftest import NothingKept

READY = LlmProviderOut(
    name="scripted", type="test", status=ProviderState.READY, description="a fake", default=True
)


def assistants(named: Mapping[str, Mapping[str, Any]], reserved: tuple[str, ...] = ()) -> Assistants:
    own = AssistantSettings(
        shipped=False, named={name: AssistantDefinition(**fields) for name, fields in named.items()}
    )
    settings = Settings(_env_file=None, assistants=own)
    return Assistants(settings, Toolsets(settings), NothingKept(), reserved)


async def resolve(asked: str | None) -> ResolvedModel:
    """`scripted/tiny` unless the id says what goes wrong."""
    if asked == "gone/away":
        raise ModelNotFound("there is no model of this name")
    if asked == "broken/tiny":
        raise UnknownProvider("it cannot be built")
    if asked == "slow/tiny":
        await anyio.sleep_forever()
    provider = "helper" if asked == "helper" else "scripted"
    return ResolvedModel(
        id=asked or "scripted/tiny", provider=provider, chat=ScriptedChat([[]]), model="tiny"
    )


async def state_of(found: Assistants, provider: LlmProviderOut = READY) -> tuple[ProviderState, str]:
    (item,) = await found.list_states([provider], resolve)
    return item.status, item.description


def test_each_is_a_model_under_its_name() -> None:
    found = assistants({"helper": {"title": "The helper"}, "echo": {}}, reserved=("echo",))
    assert [(model.id, model.provider, model.title) for model in found.list_models()] == [
        ("helper", "helper", "The helper")
    ]
    assert isinstance(found.find("helper", resolve), AssistantChat)
    assert found.find("echo", resolve) is found.find("nobody", resolve) is None


async def test_one_that_is_ready_says_what_it_is_for_and_what_it_asks() -> None:
    found = assistants({"helper": {"description": "Counts", "toolsets": ["calculator"]}})
    assert await state_of(found) == (ProviderState.READY, "Counts; asks 'scripted/tiny'")
    (item,) = await found.list_states([READY], resolve)
    assert (item.type, item.default, item.name) == ("assistant", False, "helper")
    assert item.assistant is not None
    assert item.assistant.title == "helper"


@pytest.mark.parametrize(
    ("fields", "state", "words"),
    [
        ({"model": "gone/away"}, ProviderState.NO_MODEL, "its model 'gone/away': there is no model"),
        ({"model": "broken/tiny"}, ProviderState.NOT_CONFIGURED, "cannot be built"),
        ({"model": "helper"}, ProviderState.NOT_CONFIGURED, "its model is an assistant"),
        ({"toolsets": ["tmie"]}, ProviderState.NOT_CONFIGURED, "'tmie', which is not there"),
    ],
)
async def test_one_that_cannot_answer_says_why(
    fields: dict[str, Any], state: ProviderState, words: str
) -> None:
    found, description = await state_of(assistants({"helper": fields}))
    assert found == state
    assert words in description


async def test_it_is_as_ready_as_the_provider_of_its_model() -> None:
    loading = READY.model_copy(update={"status": ProviderState.LOADING, "description": "soon"})
    state, description = await state_of(assistants({"helper": {}}), loading)
    assert (state, description) == (ProviderState.LOADING, "helper; its model 'scripted/tiny': soon")


async def test_a_model_that_does_not_answer_delays_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_PROBE_S", 0.02)
    with anyio.fail_after(30):
        state, description = await state_of(assistants({"helper": {"model": "slow/tiny"}}))
    assert (state, description) == (ProviderState.UNREACHABLE, "its model did not answer in time")


async def test_closing_it_closes_toolsets_that_nobody_used() -> None:
    found = assistants({"helper": {"toolsets": ["calculator"]}})
    await state_of(found)
    await found.aclose()

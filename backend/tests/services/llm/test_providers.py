"""The providers of language models: found by name, wrapped where they know only text, and listed with their states."""

import time

import pytest

from app.core.config import LlmSettings
from app.core.errors import ProviderNotReady, UnknownProvider
from app.services.llm.text_only import TextOnlyChat
from tests.fakes.llm_providers import FakeChat, FakeText, make_providers


async def test_services_see_chat_providers_alone() -> None:
    text, chat = FakeText(), FakeChat()
    providers = make_providers(text=text, chat=chat)
    assert await providers.get("chat") is chat
    assert isinstance(await providers.get("text"), TextOnlyChat)
    assert (await providers.list_states())[0].type == text.type
    await providers.aclose()


async def test_one_that_is_unknown_or_cannot_be_built_is_told_apart() -> None:
    providers = make_providers(broken=ImportError("no module"), good=FakeText())
    with pytest.raises(UnknownProvider, match="no provider has this name; known are broken, good"):
        await providers.get("gpt")
    for _ in range(2):
        with pytest.raises(ProviderNotReady, match=r"'broken' of 'fake-package' cannot be loaded"):
            await providers.get("broken")


async def test_no_provider_breaks_or_delays_the_list() -> None:
    service = make_providers(
        good=FakeText(),
        slow=FakeText(slow=True),
        slow_too=FakeText(slow=True),
        crashing=FakeText(fails=RuntimeError("secret")),
        broken=ImportError("no module"),
    )
    started = time.monotonic()
    listed = {item.name: item for item in await service.list_states()}
    assert time.monotonic() - started < 4
    assert {name: item.status.value for name, item in listed.items()} == {
        "good": "ready",
        "slow": "unreachable",
        "slow_too": "unreachable",
        "crashing": "unreachable",
        "broken": "not_installed",
    }
    assert "secret" not in listed["crashing"].description
    await service.aclose()


async def test_the_built_in_ones_are_listed_with_the_default() -> None:
    listed = await make_providers().list_states()
    assert {"openai_compat", "echo"} <= {item.name for item in listed}
    assert [item.name for item in listed if item.default] == ["echo"]


async def test_one_that_cannot_answer_is_chosen_and_no_default() -> None:
    """It is named for a page that has to say why nobody answers."""
    service = make_providers(LlmSettings(provider="chat"), chat=FakeText(fails=KeyError()))
    [item] = await service.list_states()
    assert (item.status, item.chosen, item.default) == ("unreachable", True, False)
    assert await service.find_default() == "chat", "requests go there and are told why"
    name, status = await service.probe_default()
    assert (name, status.state) == ("chat", "unreachable")


async def test_a_default_that_does_not_exist_names_the_known() -> None:
    service = make_providers(LlmSettings(provider="nobody"), chat=FakeChat())
    name, status = await service.probe_default()
    assert (name, status.state) == ("nobody", "not_configured")
    assert "no provider has this name; known are chat" in status.description

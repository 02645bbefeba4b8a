"""The providers of language models: found by name, wrapped where they know only text, and listed with their states."""

import time

import pytest

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
    with pytest.raises(UnknownProvider, match="unknown provider 'gpt'; known are broken, good"):
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

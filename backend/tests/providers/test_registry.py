"""Providers by name: what is built in, and what another package brings."""

from pathlib import Path

import pytest

from app.core.config import Settings
from app.providers.base import ChatMessage, LlmConfig, SttConfig
from app.providers.registry import BUILT_IN_LLM, BUILT_IN_STT, llm_registrations, stt_registrations
from app.services.decoding.providers import Engines
from app.services.decoding.scheduler import make_scheduler
from tests.fakes.plugin import install_plugin


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", BUILT_IN_STT)
def test_every_speech_provider_goes_by_the_name_it_is_registered_under(name: str) -> None:
    assert stt_registrations()[name].load()(Settings()).name == name


@pytest.mark.parametrize("name", BUILT_IN_LLM)
def test_every_language_model_goes_by_the_name_it_is_registered_under(name: str) -> None:
    assert llm_registrations()[name].load()(Settings()).name == name


@pytest.mark.usefixtures("plugin")
async def test_another_package_brings_a_speech_provider() -> None:
    registration = stt_registrations()["sound_meter"]
    assert registration.origin == "prompter-plugin-example"
    session = await registration.load()(Settings()).open_session(SttConfig())
    stream = await session.open_stream()
    assert (await stream.finish(0)).rejected == "no_speech"


@pytest.mark.usefixtures("plugin")
async def test_another_package_brings_a_language_model() -> None:
    parrot = llm_registrations()["parrot"].load()(Settings())
    chunks = [chunk.text async for chunk in parrot.generate([ChatMessage("user", "hola")], LlmConfig())]
    assert "".join(chunks) == "hola! hola! "


@pytest.mark.usefixtures("plugin")
def test_a_package_cannot_take_a_built_in_name() -> None:
    for registration in (stt_registrations()["cloud_stub"], llm_registrations()["echo"]):
        assert registration.origin == "built-in"
        assert registration.load().__module__.startswith("app.providers")


@pytest.mark.usefixtures("plugin")
async def test_a_package_that_cannot_be_imported_is_listed_and_harms_no_other() -> None:
    settings = Settings()
    engines = Engines(settings, make_scheduler(settings.scheduler))
    listed = {provider.name: provider for provider in await engines.list_providers()}
    await engines.aclose()
    assert listed["does_not_import"].status == "not_installed"
    assert "prompter-plugin-example" in listed["does_not_import"].description
    assert listed["sound_meter"].status == "ready"
    assert listed["cloud_stub"].type == "mock"

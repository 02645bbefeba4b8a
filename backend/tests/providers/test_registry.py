"""Providers by name: what is built in, and what another package brings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.core.config import Settings
from app.providers import registry as registry_module
from app.providers.base import ChatMessage, LlmConfig, SttConfig
from app.providers.registry import (
    BUILT_IN_LLM,
    BUILT_IN_STT,
    CannotBuild,
    LazyRegistry,
    Registration,
    list_llm_registrations,
    list_stt_registrations,
)
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import make_scheduler
from tests.fakes.plugin import install_plugin


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", BUILT_IN_STT)
def test_every_speech_provider_goes_by_the_name_it_is_registered_under(name: str) -> None:
    assert list_stt_registrations()[name].load()(Settings()).name == name


@pytest.mark.parametrize("name", BUILT_IN_LLM)
def test_every_language_model_goes_by_the_name_it_is_registered_under(name: str) -> None:
    assert list_llm_registrations()[name].load()(Settings()).name == name


@pytest.mark.usefixtures("plugin")
async def test_another_package_brings_a_speech_provider() -> None:
    registration = list_stt_registrations()["sound_meter"]
    assert registration.origin == "prompter-plugin-example"
    session = await registration.load()(Settings()).open_session(SttConfig())
    stream = await session.open_stream()
    assert (await stream.finish(0)).rejected == "no_speech"


@pytest.mark.usefixtures("plugin")
async def test_another_package_brings_a_language_model() -> None:
    parrot = list_llm_registrations()["parrot"].load()(Settings())
    chunks = [chunk.text async for chunk in parrot.generate([ChatMessage("user", "hola")], LlmConfig())]
    assert "".join(chunks) == "hola! hola! "


@pytest.mark.usefixtures("plugin")
def test_a_package_cannot_take_a_built_in_name() -> None:
    for registration in (list_stt_registrations()["cloud_stub"], list_llm_registrations()["echo"]):
        assert registration.origin == "built-in"
        assert registration.load().__module__.startswith("app.providers")


@pytest.mark.usefixtures("plugin")
async def test_a_package_that_cannot_be_imported_is_listed_and_harms_no_other() -> None:
    settings = Settings()
    engines = SttProviders(settings, make_scheduler(settings.scheduler))
    listed = {provider.name: provider for provider in await engines.list_states()}
    await engines.aclose()
    assert listed["does_not_import"].status == "not_installed"
    assert "prompter-plugin-example" in listed["does_not_import"].description
    assert listed["sound_meter"].status == "ready"
    assert listed["cloud_stub"].type == "mock"


class FakeProvider:
    """Counts how often it is built; may fail to close."""

    built = 0

    def __init__(self, settings: Settings, *, fails: bool = False) -> None:
        del settings
        FakeProvider.built += 1
        self.closed = False
        self._fails = fails

    async def aclose(self) -> None:
        self.closed = True
        if self._fails:
            raise ValueError("the purple submarine")


def lazy(**loads: Callable[[], Callable[[Settings], Any]]) -> LazyRegistry[FakeProvider]:
    table = {name: Registration(name, load, "fake-package") for name, load in loads.items()}
    return LazyRegistry[FakeProvider]("provider", table, Settings())


async def test_a_provider_is_built_when_it_is_first_asked_for_and_once() -> None:
    FakeProvider.built = 0
    registry = lazy(one=lambda: FakeProvider, two=lambda: FakeProvider)
    assert (list(registry), "one" in registry, "three" in registry) == (["one", "two"], True, False)
    assert registry.origin("one") == "fake-package"
    found = []

    async def ask() -> None:
        found.append(await registry.get("one"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert FakeProvider.built == 1
    assert all(one is found[0] for one in found)
    with pytest.raises(KeyError):
        await registry.get("three")


async def test_a_provider_that_cannot_be_built_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def load() -> Callable[[Settings], Any]:
        tried.append(1)
        raise ImportError("the purple submarine")

    registry = lazy(broken=load, one=lambda: FakeProvider)
    for _ in range(3):
        with pytest.raises(CannotBuild) as caught:
            await registry.get("broken")
        assert caught.value.origin == "fake-package"
        assert isinstance(caught.value.error, ImportError)
    assert len(tried) == 1
    assert caplog.text.count("provider 'broken' of 'fake-package' cannot be built: ImportError") == 1
    assert await registry.get("one")


async def test_all_that_were_built_are_closed_whatever_one_does(caplog: pytest.LogCaptureFixture) -> None:
    registry = lazy(
        bad=lambda: lambda settings: FakeProvider(settings, fails=True),
        good=lambda: FakeProvider,
        unused=lambda: FakeProvider,
    )
    built = [await registry.get(name) for name in ("bad", "good")]
    FakeProvider.built = 0
    await registry.aclose()
    assert [one.closed for one in built] == [True, True]
    assert FakeProvider.built == 0
    assert "provider 'bad' did not close: ValueError" in caplog.text


async def test_one_that_never_closes_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry_module, "CLOSE_S", 0.05)

    class Hangs:
        async def aclose(self) -> None:
            await anyio.sleep_forever()

    registry = LazyRegistry[Any](
        "toolset", {"slow": Registration("slow", lambda: lambda _: Hangs(), "tests")}, Settings()
    )
    await registry.get("slow")
    with anyio.fail_after(30):
        await registry.aclose()
    assert "toolset 'slow' did not close within 0.05 s and was left" in caplog.text

"""The speech engines of an application: which one is chosen, which error says why none is, and their list."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from app.core.config import Settings
from app.core.errors import LanguageNotSupported, ProviderNotReady, UnknownModel, UnknownProvider
from app.core.notes import Note, NoteCode
from app.providers.base import ProviderStatus
from app.providers.registry import Registration
from app.schemas.providers import ProviderState
from app.services.decoding import providers
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import make_scheduler
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.speech_client import wait_until


class FakeStatus(FakeEngine):
    """A fake engine in a state, under a name."""

    def __init__(
        self, name: str, state: ProviderState = ProviderState.READY, script: Script | None = None
    ) -> None:
        super().__init__(script)
        self.name = name
        self._state = state
        self.closed = False

    async def status(self) -> ProviderStatus:
        await self.script.run("status")
        return ProviderStatus(self._state, f"{self.name} is as scripted")

    async def aclose(self) -> None:
        self.closed = True


def make_providers(*engines: FakeStatus, **stt: Any) -> SttProviders:
    """These engines alone; one whose status fails to load has the state `not_installed`."""

    def registration(engine: FakeStatus) -> Registration:
        def load() -> Any:
            if engine._state is ProviderState.NOT_INSTALLED:
                raise ImportError("the purple submarine")
            return lambda _settings: engine

        return Registration(engine.name, load, "fake-package")

    settings = Settings(_env_file=None, stt=stt)
    table = {engine.name: registration(engine) for engine in engines}
    return SttProviders(settings, make_scheduler(settings.scheduler), table)


SPANISH = Script(languages=("es",), models=("grande",))


async def test_an_engine_is_chosen_by_name_and_reused() -> None:
    one, two = FakeStatus("one"), FakeStatus("two")
    found = make_providers(one, two)
    chosen = await found.choose("two", ["en"], None)
    assert (chosen.provider, chosen.reason) == (two, None)
    assert (await found.choose("two", ["en-GB"], "large")).provider is two
    await found.aclose()
    assert (one.closed, two.closed) == (False, True)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            ("gone", ["en"], None),
            UnknownProvider,
            "no speech provider has this name; known: auto, one, broken, off",
        ),
        (("one", ["en"], "huge"), UnknownModel, "'one' has no such model; known: grande"),
        (("one", ["en"], None), LanguageNotSupported, "'one' understands es, not 'en'"),
        (("one", ["en"], "grande"), LanguageNotSupported, "'one' understands es, not 'en'"),
        (("off", ["en"], None), ProviderNotReady, "'off' is not ready .*off is as scripted"),
        (("broken", ["en"], None), ProviderNotReady, "could not be loaded: ImportError in the package"),
    ],
)
async def test_why_an_engine_cannot_be_chosen(asked: Any, error: type[Exception], message: str) -> None:
    found = make_providers(
        FakeStatus("one", script=SPANISH),
        FakeStatus("broken", ProviderState.NOT_INSTALLED),
        FakeStatus("off", ProviderState.UNREACHABLE),
    )
    for _ in range(2):
        with pytest.raises(error, match=message):
            await found.choose(*asked)


async def test_a_model_of_the_request_makes_an_engine_without_one_usable() -> None:
    found = make_providers(FakeStatus("one", ProviderState.NO_MODEL))
    with pytest.raises(ProviderNotReady):
        await found.choose("one", ["en"], None)
    assert (await found.choose("one", ["en"], "small")).provider.name == "one"


async def test_auto_takes_the_first_that_is_ready_and_knows_the_language() -> None:
    whisper = FakeStatus("whisper_local", ProviderState.NO_MODEL, SPANISH)
    found = make_providers(whisper, FakeStatus("pocketsphinx"), provider="auto")
    chosen = await found.choose(None, (), None)
    assert chosen.provider.name == "pocketsphinx"
    assert chosen.reason == "pocketsphinx is ready; whisper_local is no_model"
    with pytest.raises(LanguageNotSupported, match="no engine here understands 'es'"):
        await found.choose("auto", ["es"], None)
    assert (await found.choose("auto", ["es"], "grande")).provider is whisper
    with pytest.raises(UnknownModel, match="no engine here has this model; known: grande, small, large"):
        await found.choose("auto", ["es"], "huge")


async def test_an_engine_knows_all_of_several_languages_or_is_not_chosen() -> None:
    whisper = FakeStatus("whisper_local", script=Script(languages=("en", "es")))
    found = make_providers(FakeStatus("pocketsphinx"), whisper)
    assert (await found.choose("auto", ["en", "es-MX"], None)).provider is whisper
    with pytest.raises(LanguageNotSupported, match="'pocketsphinx' understands en, not 'es' and 'fr'"):
        await found.choose("pocketsphinx", ["en", "es", "fr"], None)
    with pytest.raises(LanguageNotSupported, match="no engine here understands 'en' and 'fr'"):
        await found.choose("auto", ["en", "fr"], None)


@pytest.mark.parametrize(
    ("state", "script", "advised"),
    [
        (
            ProviderState.READY,
            Script(languages=("en", "es"), models=("base",)),
            "name the engine 'whisper_local', or none",
        ),
        (
            ProviderState.READY,
            Script(languages=("en",), models=("tiny.en", "base")),
            "whisper_local for its model 'base'",
        ),
        (
            ProviderState.NO_MODEL,
            Script(models=("base",)),
            "GET /providers/stt says what whisper_local needs",
        ),
        (
            ProviderState.READY,
            Script(languages=("en",), models=("tiny.en",)),
            "run `prompter models pull base`",
        ),
        (ProviderState.NO_MODEL, Script(models=()), "run `prompter models pull base`"),
    ],
)
async def test_what_is_there_is_not_to_be_fetched(state: ProviderState, script: Script, advised: str) -> None:
    found = make_providers(FakeStatus("pocketsphinx"), FakeStatus("whisper_local", state, script))
    with pytest.raises(LanguageNotSupported) as refused:
        await found.choose("pocketsphinx", ["es-MX"], None)
    assert advised in refused.value.message
    assert ("pull" in refused.value.message) == ("pull" in advised)
    assert "es-MX" not in refused.value.message
    assert "not 'es';" in refused.value.message


async def test_auto_says_why_no_engine_is_ready() -> None:
    found = make_providers(
        FakeStatus("whisper_local", ProviderState.NO_MODEL),
        FakeStatus("pocketsphinx", ProviderState.UNREACHABLE),
    )
    with pytest.raises(ProviderNotReady, match="whisper_local is no_model; pocketsphinx is unreachable"):
        await found.choose("auto", ["en"], None)
    assert (await found.describe_default())[0].startswith("speech engine: none. no speech engine is ready")


async def test_without_a_decode_worker_nothing_is_to_be_fetched_here() -> None:
    class Remote(FakeStatus):
        async def status(self) -> ProviderStatus:
            return replace(await super().status(), note=Note(NoteCode.NO_WORKER))

    away = ProviderState.UNREACHABLE
    found = make_providers(Remote("whisper_local", away), Remote("pocketsphinx", away), provider="auto")
    with pytest.raises(ProviderNotReady, match="start one with `prompter worker`") as refused:
        await found.choose(None, ["en"], None)
    assert "pull" not in refused.value.message
    assert refused.value.note is not None
    assert refused.value.note.code is NoteCode.NO_WORKER, "the page says it in its language"
    (said,) = await found.describe_default()
    assert "`prompter worker`" in said


async def test_the_list_has_every_engine_whatever_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROBE_TIMEOUT_S", 0.1)
    secret = ValueError("the purple submarine")
    found = make_providers(
        FakeStatus("one"),
        FakeStatus("broken", ProviderState.NOT_INSTALLED),
        FakeStatus("slow", script=Script(delays_s={"status": 0.5})),
        FakeStatus("failing", script=Script(failures={"status": secret, "models": secret})),
        provider="one",
    )
    listed = {each.name: each for each in await found.list_states()}
    assert list(listed) == ["one", "broken", "slow", "failing"]
    assert {name: str(each.status) for name, each in listed.items()} == {
        "one": "ready",
        "broken": "not_installed",
        "slow": "unreachable",
        "failing": "unreachable",
    }
    assert [name for name, each in listed.items() if each.default] == ["one"]
    assert listed["one"].models == ["small", "large"]
    assert listed["failing"].models == []
    assert "submarine" not in "".join(each.description for each in listed.values())
    assert await found.list_models() == {
        "one": ["small", "large"],
        "slow": ["small", "large"],
        "failing": [],
    }


async def test_the_default_engine_is_started_before_anybody_speaks() -> None:
    found = make_providers(FakeStatus("one"), provider="one")
    assert not found.is_warm
    await found.warm_up()
    assert found.is_warm
    assert await found.describe_default() == ["speech engine: one", "  one is as scripted"]


@pytest.mark.parametrize("failure", [ValueError("the purple submarine"), ProviderNotReady("no weights")])
async def test_a_default_engine_that_does_not_start_is_reported(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeStatus("one", script=Script(failures={"start": failure}))
    found = make_providers(engine, provider="one")
    await found.warm_up()
    assert found.is_warm
    assert "no default speech engine" in caplog.text
    assert "submarine" not in caplog.text


async def test_the_engine_that_becomes_the_default_is_started_in_the_background(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(providers, "WATCH_S", 0.01)
    gate = Gate()
    whisper = FakeStatus("whisper_local", ProviderState.NO_MODEL, Script(gates={"start": gate}))
    sphinx = FakeStatus("pocketsphinx")
    found = make_providers(whisper, sphinx, provider="auto")
    async with anyio.create_task_group() as group:
        group.start_soon(found.keep_warm)
        await wait_until(lambda: found.is_warm)
        assert (await found.choose(None, ["en"], None)).provider is sphinx
        assert not gate.reached.is_set()
        whisper._state = ProviderState.READY
        await wait_until(gate.reached.is_set)
        assert (await found.choose(None, ["en"], None)).provider is whisper, "it is chosen while it loads"
        gate.open()
        await wait_until(lambda: "the default speech engine is now whisper_local small" in caplog.text)
        whisper._state = ProviderState.NO_MODEL
        await wait_until(lambda: "the default speech engine is now pocketsphinx" in caplog.text)
        group.cancel_scope.cancel()


async def test_an_engine_that_does_not_start_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(providers, "WATCH_S", 0.001)
    broken = FakeStatus("whisper_local", script=Script(failures={"start": ProviderNotReady("no weights")}))
    found = make_providers(broken, FakeStatus("pocketsphinx"), provider="whisper_local")
    with anyio.move_on_after(0.1):
        await found.keep_warm()
    assert caplog.text.count("no default speech engine: no weights") == 1


async def test_an_engine_that_is_named_is_not_watched() -> None:
    """Its state may cost a request to a service."""
    found = make_providers(FakeStatus("one"), provider="one")
    with anyio.fail_after(30):
        await found.keep_warm()
    assert found.is_warm


async def test_a_model_that_arrived_since_can_be_named() -> None:
    class Arriving(FakeStatus):
        async def status(self) -> ProviderStatus:
            self.script.models = ("new",)
            return await super().status()

    for name in ("whisper_local", "auto"):
        found = make_providers(Arriving("whisper_local"), FakeStatus("pocketsphinx"))
        assert (await found.choose(name, ["en"], "new")).provider.name == "whisper_local"
    found = make_providers(Arriving("whisper_local"))
    assert await found.list_models() == {"whisper_local": ["new"]}


async def test_an_engine_elsewhere_needs_no_turn_here() -> None:
    here, elsewhere = FakeStatus("here"), FakeStatus("elsewhere")
    elsewhere.capabilities = replace(elsewhere.capabilities, network=True)
    found = make_providers(here, elsewhere)
    assert found.scheduler_for(here) is not None
    assert found.scheduler_for(elsewhere) is None

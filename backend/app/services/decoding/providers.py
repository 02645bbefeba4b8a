"""The speech engines of one application: built by name, chosen for each dictation, listed with their states."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import anyio

from app.core.config import Settings
from app.core.errors import (
    LanguageNotSupported,
    PrompterError,
    ProviderNotReady,
    ServerFull,
    UnknownModel,
    UnknownProvider,
)
from app.core.notes import Note, NoteCode
from app.core.supervision import reraise_cancellation
from app.providers.base import ProviderStatus, SttConfig, SttProvider
from app.providers.boundary import ProviderBoundary
from app.providers.registry import CannotBuild, LazyRegistry, Registration, list_stt_registrations
from app.schemas.errors import NoteOut
from app.schemas.providers import ProviderState, SttCapabilitiesOut, SttProviderOut
from app.services.decoding.admission import LINGER_S
from app.services.decoding.engine_costs import EngineCosts
from app.services.decoding.languages import AUTO, choose_languages
from app.services.decoding.scheduled_stream import is_scheduled
from app.services.decoding.scheduler import Scheduler
from app.utils.languages import list_codes

logger = logging.getLogger(__name__)

AUTO_ORDER = ("whisper_local", "pocketsphinx")
"""What `auto` considers, best first. An engine that sends audio to another machine is never among them."""

PROBE_TIMEOUT_S = 3.0
LEAVING_S = LINGER_S + 0.5
"""How long a start waits for room (s): who leaves one socket and opens another may come before having left."""
WATCH_S = 2.0
"""How often is looked whether another engine is the default (s)."""
_MULTILINGUAL = "base"
"""The checkpoint for about 100 languages that is advised where none is there."""


@dataclass(frozen=True, slots=True)
class SelectedEngine:
    """The engine for one dictation, and the reason where the server chose it."""

    provider: SttProvider
    reason: str | None


class SttProviders:
    """Speech engines by name. It owns each one that has been asked for."""

    def __init__(
        self,
        settings: Settings,
        scheduler: Scheduler,
        registrations: Mapping[str, Registration] | None = None,
    ) -> None:
        """`registrations` are all that there are; None means those built in and those of packages."""
        self._settings = settings
        self._scheduler = scheduler
        self._registry = LazyRegistry[SttProvider](
            "speech engine", list_stt_registrations() if registrations is None else registrations, settings
        )
        self.is_warm = False
        """Whether the default engine has been started, or cannot be."""
        self._warm: tuple[str, str | None] | None = None
        """The engine that was started as the default, and its default model."""
        self._warm_failure = ""
        self._costs = EngineCosts(settings, scheduler)

    # -- choosing

    async def choose(self, name: str | None, langs: Sequence[str], model: str | None) -> SelectedEngine:
        """The engine for a dictation that needs all of these languages (BCP-47).

        Raises:
            UnknownProvider, UnknownModel, LanguageNotSupported, ProviderNotReady
        """
        name = name or self._settings.stt.provider
        if name == AUTO:
            return await self._choose_best(langs, model)
        provider = await self.get(name)
        status = await self._probe(provider)  # it also brings the models up to date
        self._check_model(provider, model)
        if model is None or len(_models(provider)) == 1:  # another model may know another language
            await self._check_languages(provider, langs)
        if status.state is not ProviderState.READY and not self._startable(status, model):
            raise ProviderNotReady(
                f"provider {name!r} is not ready ({status.state}): {status.description}", note=status.note
            )
        return SelectedEngine(provider, None)

    async def admit(self, provider: SttProvider, model: str | None, *, is_admitted: bool = False) -> int:
        """Admit one more dictation with this engine and model, which is loaded; returns its number at the scheduler.

        What the engine costs is measured first, where it never was on this machine.

        Raises:
            ServerFull: the dictations going on leave no room; the message says when to try again.
        """
        engine = await self._costs.learn(provider, model)
        if is_admitted:
            return self._scheduler.new_session(engine)
        admitted = await self._scheduler.admit(engine, LEAVING_S)
        if isinstance(admitted, float):
            raise ServerFull(
                f"this machine has as many dictations as it can keep up with; try again in {admitted:.0f} s",
                retry_after_s=admitted,
            )
        return admitted

    async def measure(self, name: str, model: str) -> None:
        """Load a model, and measure what it costs on this machine where that was never done.

        Raises:
            PrompterError: the engine or the model cannot be used.
        """
        provider = (await self.choose(name, (), model)).provider
        with ProviderBoundary(provider.name):
            session = await provider.open_session(SttConfig(model=model))
            await session.aclose()
        await self._costs.learn(provider, model)

    async def read_rates(self, name: str) -> dict[str, float]:
        """Core seconds per second of speech, by model of an engine, where that was measured on this machine."""
        return await self._costs.read_rates(name)

    def scheduler_for(self, provider: SttProvider) -> Scheduler | None:
        """The scheduler of this engine's decodes; None for an engine that takes no core of this machine."""
        return self._scheduler if is_scheduled(provider.capabilities) else None

    async def _choose_best(self, langs: Sequence[str], model: str | None) -> SelectedEngine:
        """The first of AUTO_ORDER that is ready and knows the language; the reason says why not an earlier one."""
        passed_over: list[str] = []
        language_lacking = False
        note: Note | None = None
        providers = [await self.get(name) for name in AUTO_ORDER]
        if model is not None:
            return await self._choose_by_model(providers, langs, model)
        for name, provider in zip(AUTO_ORDER, providers, strict=True):
            status = await self._probe(provider)
            if not self._ready(status):
                passed_over.append(f"{name} is {status.state}")
                note = status.note if _lacks_worker(status) else note
            elif _unknown_languages(provider, langs):
                language_lacking = True
            else:
                return SelectedEngine(provider, "; ".join([f"{name} is ready", *passed_over]))
        way_out = await self._find_way_out(langs, but=AUTO)
        if language_lacking:
            raise LanguageNotSupported(f"no engine here understands {list_codes(langs)}; {way_out}")
        raise ProviderNotReady(f"no speech engine is ready ({'; '.join(passed_over)}); {way_out}", note=note)

    async def _choose_by_model(
        self, providers: list[SttProvider], langs: Sequence[str], model: str
    ) -> SelectedEngine:
        """The engine that has this model."""
        for provider in providers:
            await self._probe(provider)
            if model in _models(provider):
                return await self.choose(provider.name, langs, model)
        known = ", ".join(name for provider in providers for name in _models(provider)) or "none"
        raise UnknownModel(f"no engine here has this model; known: {known}")

    @staticmethod
    def _ready(status: ProviderStatus) -> bool:
        return status.state in (ProviderState.READY, ProviderState.LOADING)

    @staticmethod
    def _startable(status: ProviderStatus, model: str | None) -> bool:
        """A loading engine will be ready, and one without a default model is ready for the model of the request."""
        return status.state is ProviderState.LOADING or (
            status.state is ProviderState.NO_MODEL and model is not None
        )

    async def _check_languages(self, provider: SttProvider, langs: Sequence[str]) -> None:
        if unknown := _unknown_languages(provider, langs):
            known = ", ".join(provider.capabilities.languages or ())
            way_out = await self._find_way_out(langs, but=provider.name)
            raise LanguageNotSupported(
                f"{provider.name!r} understands {known}, not {list_codes(unknown)}; {way_out}"
            )

    async def _find_way_out(self, langs: Sequence[str], *, but: str) -> str:
        """What to do for languages that the engine `but` does not know. It never says to fetch what is there."""
        for name in AUTO_ORDER:
            if but in (name, AUTO) or name not in self._registry:
                continue
            provider = await self.get(name)
            if self._ready(await self._probe(provider)) and not _unknown_languages(provider, langs):
                return f"name the engine {name!r}, or none"
        whisper = await self.get(AUTO_ORDER[0]) if AUTO_ORDER[0] in self._registry else None
        if whisper is not None and _lacks_worker(await self._probe(whisper)):
            return f"no decode worker has {whisper.name}: start one with `prompter worker`"
        if whisper is None or _MULTILINGUAL not in _models(whisper):
            return (
                f"run `prompter models pull {_MULTILINGUAL}` for about 100 languages, or name another engine"
            )
        if self._ready(await self._probe(whisper)):
            return f"ask {whisper.name} for its model {_MULTILINGUAL!r}, or name another engine"
        return f"GET /providers/stt says what {whisper.name} needs; or name another engine"

    @staticmethod
    def _check_model(provider: SttProvider, model: str | None) -> None:
        if model is not None and model not in (known := _models(provider)):
            listed = ", ".join(known) or "none to choose from"
            raise UnknownModel(f"{provider.name!r} has no such model; known: {listed}")

    async def get(self, name: str) -> SttProvider:
        """The engine of this name, built now if need be.

        Raises:
            UnknownProvider, ProviderNotReady
        """
        if name not in self._registry:
            raise UnknownProvider(
                f"no speech provider has this name; known: {', '.join([AUTO, *self._registry])}"
            )
        try:
            return await self._registry.get(name)
        except CannotBuild as error:
            raise ProviderNotReady(f"provider {name!r} could not be loaded: {_reason(error)}") from error

    # -- listing

    async def list_models(self) -> dict[str, list[str]]:
        """The models of every engine that can be built, by its name; the engines of `auto` come first."""
        found = {}
        for name in (*AUTO_ORDER, *(name for name in self._registry if name not in AUTO_ORDER)):
            with suppress(KeyError, CannotBuild):
                provider = await self._registry.get(name)
                if name in AUTO_ORDER:  # weights on this machine come and go
                    await self._probe(provider)
                found[name] = _models(provider)
        return found

    async def list_states(self) -> list[SttProviderOut]:
        """All engines with their states. A probe that is slow or fails costs at most PROBE_TIMEOUT_S."""
        default = await self._default_name()
        found: dict[str, SttProviderOut] = {}

        async def describe(name: str) -> None:
            try:
                provider = await self._registry.get(name)
            except CannotBuild as error:
                found[name] = self._describe_broken(name, _reason(error))
            else:
                found[name] = self._describe(provider, await self._probe(provider), default)

        async with anyio.create_task_group() as group:
            for name in self._registry:
                group.start_soon(describe, name)
        return [found[name] for name in self._registry]

    async def probe_all(self) -> list[tuple[SttProvider, ProviderStatus, list[str]]]:
        """All engines that can be built, with their states and models; the default of each comes first."""
        found = []
        for name in self._registry:
            with suppress(PrompterError):
                provider = await self.get(name)
                status = await self._probe(provider)
                found.append((provider, status, _models(provider)))
        return found

    def _default_langs(self) -> tuple[str, ...]:
        lang, langs = choose_languages(None, (), self._settings.stt)
        return SttConfig(lang=lang, langs=langs).required_langs

    async def _default_name(self) -> str | None:
        try:
            return (await self.choose(None, self._default_langs(), None)).provider.name
        except PrompterError:
            return None

    async def _probe(self, provider: SttProvider) -> ProviderStatus:
        try:
            with anyio.fail_after(PROBE_TIMEOUT_S):
                return await provider.status()
        except TimeoutError:
            return ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"gave no state within {PROBE_TIMEOUT_S:g} s",
                note=Note(NoteCode.STATE_UNKNOWN),
            )
        except BaseException as error:  # noqa: BLE001  # one engine must not break the list
            reraise_cancellation(error)
            logger.warning("speech provider %r gave no state: %s", provider.name, type(error).__name__)
            return ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"its state could not be read ({type(error).__name__})",
                note=Note(NoteCode.STATE_UNKNOWN),
            )

    @staticmethod
    def _describe(provider: SttProvider, status: ProviderStatus, default: str | None) -> SttProviderOut:
        return SttProviderOut(
            name=provider.name,
            type=provider.type,
            status=status.state,
            description=status.description,
            note=NoteOut.from_note_or_none(status.note),
            title=status.title,
            model=status.model,
            host=status.host,
            default=provider.name == default,
            models=_models(provider),
            capabilities=SttCapabilitiesOut.model_validate(asdict(provider.capabilities)),
        )

    @staticmethod
    def _describe_broken(name: str, reason: str) -> SttProviderOut:
        no_capabilities = SttCapabilitiesOut(
            languages=[], streaming=False, words=False, vocabulary=False, network=False, raw_audio=False
        )
        return SttProviderOut(
            name=name,
            type="unknown",
            status=ProviderState.NOT_INSTALLED,
            description=f"could not be loaded: {reason}",
            note=NoteOut(code=NoteCode.PACKAGE_BROKEN),
            default=False,
            models=[],
            capabilities=no_capabilities,
        )

    async def describe_default(self) -> list[str]:
        """For a person, in a line or two: which engine is the default, why, and what it can do."""
        try:
            choice = await self.choose(None, self._default_langs(), None)
        except PrompterError as error:
            return [f"speech engine: none. {error.message}"]
        status = await self._probe(choice.provider)
        why = f" ({choice.reason})" if choice.reason else ""
        return [f"speech engine: {choice.provider.name}{why}", f"  {status.description}"]

    # -- lifetime

    async def keep_warm(self) -> None:
        """Start the default engine, and each one that takes its place when weights come or go; runs until cancelled.

        Only engines of this machine are watched: the state of another one may cost a request to a service.
        """
        await self.warm_up()
        while self._settings.stt.provider in (AUTO, *AUTO_ORDER):
            await anyio.sleep(WATCH_S)
            await self.warm_up()

    async def warm_up(self) -> None:
        """Start the default engine if it is not the one of the last call, so that no speaker need wait for it.

        An engine that was the default before stays started.
        """
        try:
            choice = await self.choose(None, self._default_langs(), None)
            await self._start_default(choice.provider)
        except PrompterError as error:
            if error.message != self._warm_failure:
                logger.warning("no default speech engine: %s", error.message)
            self._warm_failure = error.message
        self.is_warm = True

    async def _start_default(self, provider: SttProvider) -> None:
        """
        Raises:
            ProviderNotReady, EngineFailed: it does not start. It is not tried again until another one was the default.
        """
        default = (provider.name, next(iter(_models(provider)), None))
        if default == self._warm:
            return
        if self._warm is not None:
            logger.info("the default speech engine is now %s", " ".join(filter(None, default)))
        self._warm = default
        with ProviderBoundary(provider.name):
            await provider.start()
        if self.scheduler_for(provider) is not None:
            await self._costs.learn(provider, None)
        self._warm_failure = ""

    async def aclose(self) -> None:
        """Stop every engine that was built, and store what they cost."""
        await self._registry.aclose()
        await self._costs.store()


def _reason(error: CannotBuild) -> str:
    """Why an engine cannot be built, without the words of its package."""
    return f"{type(error.error).__name__} in the package {error.origin!r}"


def _models(provider: SttProvider) -> list[str]:
    try:
        return provider.models()
    except BaseException as error:  # noqa: BLE001  # one engine must not break the list
        reraise_cancellation(error)
        logger.warning("speech provider %r gave no models: %s", provider.name, type(error).__name__)
        return []


def _lacks_worker(status: ProviderStatus) -> bool:
    return status.note is not None and status.note.code is NoteCode.NO_WORKER


def _unknown_languages(provider: SttProvider, langs: Sequence[str]) -> list[str]:
    known = provider.capabilities.languages
    return [] if known is None else [lang for lang in langs if lang.split("-")[0].lower() not in known]

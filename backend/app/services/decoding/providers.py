"""The speech engines of one application: built once by name, chosen for each dictation, listed with their state."""

import logging
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
from app.providers.base import ProviderStatus, SttProvider
from app.providers.boundary import ProviderBoundary
from app.providers.registry import Registration, stt_registrations
from app.schemas.providers import ProviderState, SttCapabilitiesOut, SttProviderOut
from app.services.decoding.scheduled_stream import is_scheduled
from app.services.decoding.scheduler import Scheduler

logger = logging.getLogger(__name__)

AUTO = "auto"
AUTO_ORDER = ("whisper_local", "pocketsphinx")
"""What `auto` considers, best first; never one that sends audio to another machine."""

PROBE_TIMEOUT_S = 3.0
WAY_OUT = "run `prompter models pull base` for about 100 languages, or name another engine"


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine for one dictation, and why, where the server chose."""

    provider: SttProvider
    reason: str | None


class Engines:
    """Owns every speech provider that has been asked for."""

    def __init__(self, settings: Settings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._registrations = stt_registrations()
        self._built: dict[str, SttProvider] = {}
        self._broken: dict[str, str] = {}
        self.warm = False
        """Whether the default engine has been started, or found not to be startable."""

    # -- choosing

    async def choose(self, name: str | None, lang: str, model: str | None) -> Choice:
        """The engine for a dictation in `lang` (BCP-47, or auto).

        Raises:
            UnknownProvider, UnknownModel, LanguageNotSupported, ProviderNotReady
        """
        name = name or self._settings.stt.provider
        if name == AUTO:
            return await self._choose_best(lang, model)
        provider = self._get(name)
        self._check_model(provider, model)
        if model is None or len(_models(provider)) == 1:  # another model may know another language
            self._check_language(provider, lang)
        status = await self._probe(provider)
        if status.state is not ProviderState.READY and not self._startable(status, model):
            raise ProviderNotReady(f"provider {name!r} is not ready ({status.state}): {status.description}")
        return Choice(provider, None)

    def admit(self, provider: SttProvider) -> None:
        """Let one more dictation in; engines that take no core here are always free.

        Raises:
            ServerFull: the finals of those who speak already leave no room; the message says when to try again.
        """
        scheduler = self.scheduler_for(provider)
        if scheduler and (retry_s := scheduler.admission_wait_s()) is not None:
            raise ServerFull(
                "the dictations going on take all that this machine can do (scheduler.admit_load);"
                f" try again in {retry_s:.0f} s"
            )

    def scheduler_for(self, provider: SttProvider) -> Scheduler | None:
        """Who gives this engine its turns; None for one that takes no core here."""
        return self._scheduler if is_scheduled(provider.capabilities) else None

    async def _choose_best(self, lang: str, model: str | None) -> Choice:
        """The first of AUTO_ORDER that is ready and speaks the language; the reason tells why not an earlier one."""
        passed_over: list[str] = []
        language_lacking = False
        providers = [self._get(name) for name in AUTO_ORDER]
        if model is not None:
            return await self._choose_by_model(providers, lang, model)
        for name, provider in zip(AUTO_ORDER, providers, strict=True):
            status = await self._probe(provider)
            if not self._ready(status):
                passed_over.append(f"{name} is {status.state}")
            elif not _speaks(provider, lang):
                language_lacking = True
            else:
                return Choice(provider, "; ".join([f"{name} is ready", *passed_over]))
        if language_lacking:
            raise LanguageNotSupported(f"no engine here understands {lang!r}; {WAY_OUT}")
        raise ProviderNotReady(f"no speech engine is ready ({'; '.join(passed_over)}); {WAY_OUT}")

    async def _choose_by_model(self, providers: list[SttProvider], lang: str, model: str) -> Choice:
        """The engine that has this model; a model is named only by who wants just that."""
        for provider in providers:
            if model in _models(provider):
                return await self.choose(provider.name, lang, model)
        known = ", ".join(name for provider in providers for name in _models(provider)) or "none"
        raise UnknownModel(f"no engine here has a model {model!r}; known: {known}")

    @staticmethod
    def _ready(status: ProviderStatus) -> bool:
        return status.state in (ProviderState.READY, ProviderState.LOADING)

    @staticmethod
    def _startable(status: ProviderStatus, model: str | None) -> bool:
        """A loading engine will be ready; one without a default model is, for the model that was asked for."""
        return status.state is ProviderState.LOADING or (
            status.state is ProviderState.NO_MODEL and model is not None
        )

    def _check_language(self, provider: SttProvider, lang: str) -> None:
        if not _speaks(provider, lang):
            known = ", ".join(provider.capabilities.languages or ())
            raise LanguageNotSupported(f"{provider.name!r} understands {known}, not {lang!r}; {WAY_OUT}")

    @staticmethod
    def _check_model(provider: SttProvider, model: str | None) -> None:
        if model is not None and model not in (known := _models(provider)):
            listed = ", ".join(known) or "none to choose from"
            raise UnknownModel(f"{provider.name!r} has no model {model!r}; known: {listed}")

    def _get(self, name: str) -> SttProvider:
        if name not in self._registrations:
            raise UnknownProvider(
                f"no speech provider {name!r}; known: {', '.join([AUTO, *self._registrations])}"
            )
        if (provider := self._build(self._registrations[name])) is None:
            raise ProviderNotReady(f"provider {name!r} could not be loaded: {self._broken[name]}")
        return provider

    def _build(self, registration: Registration) -> SttProvider | None:
        name = registration.name
        if name not in self._built and name not in self._broken:
            try:
                self._built[name] = registration.load()(self._settings)
            except Exception as error:  # noqa: BLE001  # a stranger's package may fail in any way; the rest must not
                self._broken[name] = f"{type(error).__name__} in the package {registration.origin!r}"
                logger.warning("speech provider %r cannot be loaded: %s", name, self._broken[name])
        return self._built.get(name)

    # -- listing

    def checkpoints(self) -> dict[str, list[str]]:
        """The models of every engine that can be loaded, by its name; those that `auto` considers first."""
        names = [*AUTO_ORDER, *(name for name in self._registrations if name not in AUTO_ORDER)]
        built = {
            name: self._build(self._registrations[name]) for name in names if name in self._registrations
        }
        return {name: _models(provider) for name, provider in built.items() if provider is not None}

    async def list_providers(self) -> list[SttProviderOut]:
        """Every provider with its state; a slow or failing probe costs at most PROBE_TIMEOUT_S and hides nothing."""
        default = await self._default_name()
        found: dict[str, SttProviderOut] = {}

        async def describe(registration: Registration) -> None:
            provider = self._build(registration)
            if provider is not None:
                found[registration.name] = self._describe(provider, await self._probe(provider), default)
            else:
                found[registration.name] = self._describe_broken(registration)

        async with anyio.create_task_group() as group:
            for registration in self._registrations.values():
                group.start_soon(describe, registration)
        return [found[name] for name in self._registrations]

    async def _default_name(self) -> str | None:
        try:
            return (await self.choose(None, self._settings.stt.lang, None)).provider.name
        except PrompterError:
            return None

    async def _probe(self, provider: SttProvider) -> ProviderStatus:
        try:
            with anyio.fail_after(PROBE_TIMEOUT_S):
                return await provider.status()
        except TimeoutError:
            return ProviderStatus(ProviderState.UNREACHABLE, f"gave no state within {PROBE_TIMEOUT_S:g} s")
        except Exception as error:  # noqa: BLE001  # as in _build: one bad provider must not break the list
            logger.warning("speech provider %r gave no state: %s", provider.name, type(error).__name__)
            return ProviderStatus(
                ProviderState.UNREACHABLE, f"its state could not be read ({type(error).__name__})"
            )

    @staticmethod
    def _describe(provider: SttProvider, status: ProviderStatus, default: str | None) -> SttProviderOut:
        return SttProviderOut(
            name=provider.name,
            type=provider.type,
            status=status.state,
            description=status.description,
            default=provider.name == default,
            models=_models(provider),
            capabilities=SttCapabilitiesOut.model_validate(asdict(provider.capabilities)),
        )

    def _describe_broken(self, registration: Registration) -> SttProviderOut:
        nothing = SttCapabilitiesOut(
            languages=[], streaming=False, words=False, vocabulary=False, network=False, raw_audio=False
        )
        return SttProviderOut(
            name=registration.name,
            type="unknown",
            status=ProviderState.NOT_INSTALLED,
            description=f"could not be loaded: {self._broken[registration.name]}",
            default=False,
            models=[],
            capabilities=nothing,
        )

    async def describe_default(self) -> list[str]:
        """In a line or two for a person: which engine answers, why, and what it can and cannot do."""
        try:
            choice = await self.choose(None, self._settings.stt.lang, None)
        except PrompterError as error:
            return [f"speech engine: none. {error.message}"]
        status = await self._probe(choice.provider)
        why = f" ({choice.reason})" if choice.reason else ""
        return [f"speech engine: {choice.provider.name}{why}", f"  {status.description}"]

    # -- lifetime

    async def warm_up(self) -> None:
        """Start the default engine, so that the first speaker does not wait for it."""
        try:
            choice = await self.choose(None, self._settings.stt.lang, None)
            with ProviderBoundary(choice.provider.name):
                await choice.provider.start()
        except PrompterError as error:
            logger.warning("no default speech engine: %s", error.message)
        self.warm = True

    async def aclose(self) -> None:
        """Stop every provider that was built."""
        async with anyio.create_task_group() as group:
            for provider in self._built.values():
                group.start_soon(provider.aclose)


def _models(provider: SttProvider) -> list[str]:
    try:
        return provider.models()
    except Exception as error:  # noqa: BLE001  # as in _build
        logger.warning("speech provider %r gave no models: %s", provider.name, type(error).__name__)
        return []


def _speaks(provider: SttProvider, lang: str) -> bool:
    known = provider.capabilities.languages
    return known is None or lang == AUTO or lang.split("-")[0].lower() in known

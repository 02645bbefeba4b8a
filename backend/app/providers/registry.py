"""Providers by name: a table of what is built in and of what other packages register, and their building on demand."""

import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from typing import Any, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.logging import log_failure
from app.core.supervision import reraise_cancellation
from app.providers.tier.port import TierLink
from app.providers.upstream.discovery import list_local_servers
from app.providers.upstream.profiles import ProfileSource, read_profiles
from app.providers.upstream.transport import Resolver, resolve_host

logger = logging.getLogger(__name__)

BUILT_IN_STT = {
    "whisper_local": "app.providers.stt.whisper.provider:WhisperLocalProvider",
    "pocketsphinx": "app.providers.stt.pocketsphinx.provider:PocketSphinxProvider",
    "openai_compat": "app.providers.stt.openai_compat:OpenAiCompatSttProvider",
    "cloud_stub": "app.providers.stt.cloud_stub:CloudStubProvider",
}
BUILT_IN_LLM = {
    "openai_compat": "app.providers.llm.openai_compat:OpenAiCompatProvider",
    "llama_local": "app.providers.llm.llama.provider:LlamaLocalProvider",
    "echo": "app.providers.llm.echo:EchoProvider",
}
BUILT_IN_TTS = {"espeak_ng": "app.providers.tts.espeak:EspeakProvider"}
PROFILE_PROVIDER = "app.providers.llm.profile:ProfileProvider"
FOUND_HERE = "this machine"
"""The origin of model servers that are found by probing this machine."""
STT_GROUP = "prompter.stt_providers"
LLM_GROUP = "prompter.llm_providers"
TTS_GROUP = "prompter.tts_providers"


@dataclass(frozen=True, slots=True)
class Registration:
    """A provider that can be built: its name and where its factory is."""

    name: str
    load: Callable[[], Callable[[Settings], Any]]
    origin: str
    """ "built-in", "settings", "this machine", or the distribution that brought it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrations:
    """Tables to use in place of what is built in, configured and installed; None leaves one as it is."""

    stt: Mapping[str, Registration] | None = None
    llm: Mapping[str, Registration] | None = None
    tts: Mapping[str, Registration] | None = None
    toolsets: Mapping[str, Registration] | None = None
    tier_link: TierLink | None = None
    """What carries calls to decode workers, where the settings want any."""
    resolver: Resolver = resolve_host
    """Looks up the hosts of connected models."""


def list_registrations(group: str, built_in: dict[str, str]) -> dict[str, Registration]:
    """All providers of one entry-point group by name; a package cannot take a built-in name."""
    found = {name: Registration(name, partial(_load, ref), "built-in") for name, ref in built_in.items()}
    for entry in _read_entry_points(group, tuple(sys.path)):
        origin = entry.dist.name if entry.dist else entry.value
        found.setdefault(entry.name, Registration(entry.name, entry.load, origin))
    return found


@lru_cache
def _read_entry_points(group: str, _path: tuple[str, ...]) -> EntryPoints:
    """What the packages on the path register. Python reads a file of each package for that."""
    return entry_points(group=group)


def list_stt_registrations() -> dict[str, Registration]:
    """The speech engines that are built in and those of packages."""
    return list_registrations(STT_GROUP, BUILT_IN_STT)


def list_tts_registrations() -> dict[str, Registration]:
    """The engines that speak: built in and those of packages."""
    return list_registrations(TTS_GROUP, BUILT_IN_TTS)


def list_llm_registrations(settings: Settings | None = None) -> dict[str, Registration]:
    """The language-model providers: built in, the profiles of `settings`, those of packages, and the servers that may
    run on this machine. The first of a name keeps it."""
    installed = list_registrations(LLM_GROUP, BUILT_IN_LLM)
    if settings is None:
        return installed
    found = {name: installed[name] for name in BUILT_IN_LLM}
    for name, profile in read_profiles(settings).items():
        found.setdefault(name, _register_profile(profile, "settings"))
    for name, registration in installed.items():
        found.setdefault(name, registration)
    for name, server in list_local_servers(settings).items():
        found.setdefault(name, _register_profile(server, FOUND_HERE))
    return found


class Closable(Protocol):
    """What the registry needs to know of the things that it builds."""

    async def aclose(self) -> None: ...


T = TypeVar("T", bound=Closable)


CLOSE_S = 5.0
"""How long a provider may take to close (s)."""


class CannotBuild(Exception):
    """A registered provider cannot be imported or built."""

    def __init__(self, registration: Registration, error: BaseException) -> None:
        super().__init__(registration.name)
        self.origin = registration.origin
        self.error = error
        """Its message comes from the package and may hold a secret."""


class LazyRegistry(Generic[T]):
    """Registered providers of one kind. Each is built when it is first asked for; `aclose` closes all of them.

    A provider that cannot be built is not tried again, since neither its package nor the settings change.
    """

    def __init__(self, kind: str, registrations: Mapping[str, Registration], settings: Settings) -> None:
        self._kind = kind
        self._registrations = registrations
        self._settings = settings
        self._built: dict[str, T] = {}
        self._broken: dict[str, BaseException] = {}
        self._building: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registrations)

    def __contains__(self, name: object) -> bool:
        return name in self._registrations

    def origin(self, name: str) -> str:
        """Where a registered provider comes from; see `Registration.origin`."""
        return self._registrations[name].origin

    async def get(self, name: str) -> T:
        """The provider, built now if need be. Its package is imported in a thread, as that may take seconds.

        Raises:
            KeyError: no provider is registered under this name.
            CannotBuild: its package cannot be imported, or its factory fails.
        """
        if (built := self._built.get(name)) is not None:
            return built
        registration = self._registrations[name]
        async with self._building[name]:
            if name not in self._built:
                if name not in self._broken:
                    await self._build(registration)
                if (error := self._broken.get(name)) is not None:
                    raise CannotBuild(registration, error) from error
        return self._built[name]

    async def aclose(self) -> None:
        """Close all that were built, side by side. A failure is logged, and keeps no other open."""
        async with anyio.create_task_group() as group:
            for name, built in self._built.items():
                group.start_soon(self._close, name, built)

    async def _build(self, registration: Registration) -> None:
        name = registration.name
        try:
            factory = await anyio.to_thread.run_sync(registration.load, abandon_on_cancel=True)
            self._built[name] = factory(self._settings)
        except BaseException as error:  # noqa: BLE001  # foreign code may fail in any way
            reraise_cancellation(error)
            log_failure(logger, f"{self._kind} {name!r} of {registration.origin!r} cannot be built", error)
            self._broken[name] = error

    async def _close(self, name: str, built: T) -> None:
        try:
            with anyio.move_on_after(CLOSE_S) as scope:
                await built.aclose()
            if scope.cancelled_caught:
                logger.error("%s %r did not close within %g s and was left", self._kind, name, CLOSE_S)
        except BaseException as error:  # noqa: BLE001  # the others must still be closed
            reraise_cancellation(error)
            log_failure(logger, f"{self._kind} {name!r} did not close", error)


def _register_profile(source: ProfileSource, origin: str) -> Registration:
    def load() -> Callable[[Settings], Any]:
        provider: Callable[..., Any] = _load(PROFILE_PROVIDER)
        return lambda settings: provider(settings, source)

    return Registration(source.name, load, origin)


def _load(reference: str) -> Callable[[Settings], Any]:
    module, _, attribute = reference.partition(":")
    factory: Callable[[Settings], Any] = getattr(import_module(module), attribute)
    return factory

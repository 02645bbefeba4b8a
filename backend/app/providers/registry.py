"""Providers by name: a table of what is built in, joined by what other packages register."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from app.core.config import Settings
from app.providers.upstream.discovery import list_local_servers
from app.providers.upstream.profiles import ProfileSource, read_profiles

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
PROFILE_PROVIDER = "app.providers.llm.profile:ProfileProvider"
STT_GROUP = "prompter.stt_providers"
LLM_GROUP = "prompter.llm_providers"


@dataclass(frozen=True, slots=True)
class Registration:
    """A provider that can be built: its name and where its factory is."""

    name: str
    load: Callable[[], Callable[[Settings], Any]]
    origin: str
    """ "built-in", "settings", "this machine", or the distribution that brought it."""


def registered(group: str, built_in: dict[str, str]) -> dict[str, Registration]:
    """All providers of one kind by name; a package cannot take a built-in's name."""
    found = {name: Registration(name, partial(_load, ref), "built-in") for name, ref in built_in.items()}
    for entry in entry_points(group=group):
        origin = entry.dist.name if entry.dist else entry.value
        found.setdefault(entry.name, Registration(entry.name, entry.load, origin))
    return found


def stt_registrations() -> dict[str, Registration]:
    return registered(STT_GROUP, BUILT_IN_STT)


def llm_registrations(settings: Settings | None = None) -> dict[str, Registration]:
    """Who can answer prompts: what is built in, the profiles of `settings`, what packages bring, and the servers that
    may run on this machine. Who comes first keeps a name."""
    everybody = registered(LLM_GROUP, BUILT_IN_LLM)
    if settings is None:
        return everybody
    found = {name: everybody[name] for name in BUILT_IN_LLM}
    for name, profile in read_profiles(settings).items():
        found.setdefault(name, _of_source(profile, "settings"))
    for name, registration in everybody.items():
        found.setdefault(name, registration)
    for name, server in list_local_servers(settings).items():
        found.setdefault(name, _of_source(server, "this machine"))
    return found


def _of_source(source: ProfileSource, origin: str) -> Registration:
    def load() -> Callable[[Settings], Any]:
        provider: Callable[..., Any] = _load(PROFILE_PROVIDER)
        return lambda settings: provider(settings, source)

    return Registration(source.name, load, origin)


def _load(reference: str) -> Callable[[Settings], Any]:
    module, _, attribute = reference.partition(":")
    factory: Callable[[Settings], Any] = getattr(import_module(module), attribute)
    return factory

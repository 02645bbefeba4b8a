"""Profiles: the services that settings name, each with its vendor, address, key, models and time limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Protocol

from app.core.config import LlmProfile, Settings, VendorName
from app.core.errors import BadRequest, BaseUrlNotAllowed, MissingConfig
from app.core.notes import Note, NoteCode
from app.providers.upstream.addresses import BaseUrl, Reach, decide_reach, is_loopback_host, parse_base_url
from app.providers.upstream.client import Endpoint
from app.providers.upstream.vendors import VENDORS, Vendor

NAMED_IN_REQUEST = "openai_compat"
"""The profile of the settings `llm.openai_compat`; a request may bring another address, key and model."""
_CLOUD_HOSTS: dict[str, VendorName] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One service that answers prompts: its address and key, its models and time limits."""

    name: str
    vendor: Vendor
    endpoint: Endpoint | None
    """None where the settings name no usable address; `problem` says why."""
    model: str
    """The model for requests that name only the profile; empty means the first that the service lists."""
    models: tuple[str, ...]
    """The models to offer; empty offers what the service lists."""
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    keeps_think_tags: bool = False
    """Whether thoughts stay between tags in the text, for readers that know such tags."""
    is_discovered: bool = False
    """Whether discovery found it on this machine; no setting names it."""
    problem: str = ""
    """Which setting is missing or wrong; empty where none is."""
    problem_code: NoteCode = NoteCode.NOT_SET_UP
    """The problem for people."""

    @property
    def is_local(self) -> bool:
        """Whether prompts stay on this machine or its local network."""
        return is_on_local_network(self.endpoint.base) if self.endpoint else self.vendor.is_local

    async def get_profile(self) -> "Profile | None":
        """Return this profile: a service in settings is always there."""
        return self

    def require_endpoint(self) -> Endpoint:
        """Return where to send requests.

        Raises:
            MissingConfig: a setting is missing or wrong.
        """
        if self.endpoint is None or self.problem:
            raise MissingConfig(self.problem, note=Note(self.problem_code))
        return self.endpoint


class ProfileSource(Protocol):
    """Gives a profile when it is needed: a profile of the settings, or a local server that may be running."""

    @property
    def name(self) -> str: ...

    @property
    def vendor(self) -> Vendor: ...

    @property
    def is_local(self) -> bool: ...

    async def get_profile(self) -> Profile | None:
        """Return the profile, None where no such server runs; it takes at most 3 s, and may be some seconds old."""
        ...


@dataclass(frozen=True, slots=True)
class _ProfileSettings:
    """The settings of one profile."""

    name: str
    vendor: Vendor
    setting: str
    """How the names of its settings begin in the environment."""
    base_url: str
    api_key: str = field(repr=False)
    model: str
    models: tuple[str, ...] = ()
    keeps_think_tags: bool = False
    timeouts: LlmProfile = field(default_factory=lambda: LlmProfile.model_validate({}))
    required: Sequence[str] = ()
    """Those of base_url, api_key and model that must be set."""


def read_profiles(settings: Settings) -> dict[str, Profile]:
    """Return the profiles of the settings by name, `openai_compat` among them where it is set; no service is asked."""
    own = [_read_profile(name, profile) for name, profile in settings.llm.profiles.items()]
    compat = _read_openai_compat(settings)
    configured = compat.base_url or compat.api_key or compat.model
    return {each.name: _build_profile(each, settings) for each in ([compat] if configured else []) + own}


def make_discovered_profile(name: str, vendor: Vendor, base_url: str, settings: Settings) -> Profile:
    """Return the profile of a server that was found on this machine; it has no API key."""
    own = _ProfileSettings(name=name, vendor=vendor, setting="", base_url=base_url, api_key="", model="")
    return replace(_build_profile(own, settings), is_discovered=True)


def make_connected_profile(
    name: str,
    vendor: VendorName,
    *,
    base_url: str,
    api_key: str,
    model: str,
    models: Sequence[str],
    settings: Settings,
) -> Profile:
    """Return the profile of a model that a user connects: the rules for addresses of clients hold, and `name` is told.

    Raises:
        BadRequest: no key has the characters of this one.
        BaseUrlNotAllowed: the address is neither public https nor on the list of allowed origins.
    """
    if not (api_key.isascii() and api_key.isprintable()):
        raise BadRequest("api_key holds a character that no key has; copy it again")
    base = parse_base_url(base_url)
    if is_loopback_host(base.host.strip("[]")) and base.origin.endswith(f":{settings.port}"):
        raise BaseUrlNotAllowed("base_url is this server itself; give the address of a model server")
    known = guess_vendor(base) if vendor == "other" else VENDORS[vendor]
    base = normalize_base_url(base, known)
    limits = settings.llm
    near = is_on_local_network(base)
    return Profile(
        name=name,
        vendor=known,
        endpoint=Endpoint(base, api_key, decide_reach(base, settings), known.keeps_connections, name=name),
        model=model,
        models=tuple(models),
        connect_timeout_s=limits.connect_timeout_s,
        first_byte_timeout_s=limits.local_first_byte_timeout_s if near else limits.first_byte_timeout_s,
        idle_timeout_s=limits.idle_timeout_s,
    )


def guess_vendor(base: BaseUrl) -> Vendor:
    """Return the likely vendor at an address: a cloud by its host, a local server by its usual port."""
    if name := _CLOUD_HOSTS.get(base.host.lower()):
        return VENDORS[name]
    for vendor in VENDORS.values():
        if vendor.is_local and any(parse_base_url(url).origin == base.origin for url in vendor.base_urls):
            return vendor
    return VENDORS["other"]


def normalize_base_url(base: BaseUrl, vendor: Vendor) -> BaseUrl:
    """Return a vendor's base URL for OpenAI's API, where the setting names its own API or only its host."""
    if base.path in vendor.native_paths:
        return base.with_path("/v1")
    usual = [parse_base_url(url) for url in vendor.base_urls if not base.path]
    return next((url for url in usual if url.origin == base.origin), base)


def is_on_local_network(base: BaseUrl) -> bool:
    """Whether an address is this machine or its local network; a server there may load a model before it answers."""
    host = base.host.strip("[]")
    if is_loopback_host(host) or host.endswith((".local", ".lan", ".internal")):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def _read_profile(name: str, profile: LlmProfile) -> _ProfileSettings:
    named = VENDORS.get(name)  # type: ignore[call-overload]  # any text may be asked for
    vendor = VENDORS[profile.kind] if profile.kind else named or VENDORS["other"]
    return _ProfileSettings(
        name=name,
        vendor=vendor,
        setting=f"PROMPTER_LLM__PROFILES__{name.upper()}__",
        base_url=profile.base_url.strip() or vendor.base_url,
        api_key=profile.api_key.get_secret_value().strip(),
        model=profile.model.strip(),
        models=tuple(profile.models),
        keeps_think_tags=profile.think_tags == "keep",
        timeouts=profile,
        required=("base_url",) if vendor.is_local or vendor.name == "other" else ("base_url", "api_key"),
    )


def _read_openai_compat(settings: Settings) -> _ProfileSettings:
    own = settings.llm.openai_compat
    url = own.base_url.strip()
    try:
        vendor = guess_vendor(parse_base_url(url))
    except BaseUrlNotAllowed:
        vendor = VENDORS["other"]
    return _ProfileSettings(
        name=NAMED_IN_REQUEST,
        vendor=vendor,
        setting="PROMPTER_LLM__OPENAI_COMPAT__",
        base_url=url,
        api_key=own.api_key.get_secret_value().strip(),
        model=own.model.strip(),
        keeps_think_tags=own.think_tags == "keep",
        required=("base_url", "api_key", "model"),
    )


def _build_profile(own: _ProfileSettings, settings: Settings) -> Profile:
    endpoint, problem, problem_code = _build_endpoint(own)
    limits = settings.llm
    near = own.vendor.is_local or (endpoint is not None and is_on_local_network(endpoint.base))
    first_byte_s = limits.local_first_byte_timeout_s if near else limits.first_byte_timeout_s
    return Profile(
        name=own.name,
        vendor=own.vendor,
        endpoint=endpoint,
        model=own.model,
        models=own.models,
        connect_timeout_s=own.timeouts.connect_timeout_s or limits.connect_timeout_s,
        first_byte_timeout_s=own.timeouts.first_byte_timeout_s or first_byte_s,
        idle_timeout_s=own.timeouts.idle_timeout_s or limits.idle_timeout_s,
        keeps_think_tags=own.keeps_think_tags,
        problem=problem,
        problem_code=problem_code,
    )


def _build_endpoint(own: _ProfileSettings) -> tuple[Endpoint | None, str, NoteCode]:
    """Return the endpoint, and the problem that keeps it from being used, in words and as a code."""
    values = {"base_url": own.base_url, "api_key": own.api_key, "model": own.model}
    missing = [own.setting + name.upper() for name in own.required if not values[name]]
    if not own.base_url:
        return None, f"set {', '.join(missing)}", NoteCode.NOT_SET_UP
    if not (own.api_key.isascii() and own.api_key.isprintable()):
        problem = f"{own.setting}API_KEY holds a character that no key has; copy it again"
        return None, problem, NoteCode.SETTINGS_WRONG
    try:
        base = normalize_base_url(parse_base_url(own.base_url, with_query=True), own.vendor)
    except BaseUrlNotAllowed as error:
        return None, f"{own.setting}BASE_URL: {error.message}", NoteCode.SETTINGS_WRONG
    endpoint = Endpoint(base, own.api_key, Reach.OPERATOR, own.vendor.keeps_connections)
    problem = f"set {', '.join(missing)}; {own.vendor.hint}" if missing else ""
    is_key_alone = missing == [own.setting + "API_KEY"]
    return endpoint, problem, NoteCode.KEY_MISSING if is_key_alone else NoteCode.NOT_SET_UP

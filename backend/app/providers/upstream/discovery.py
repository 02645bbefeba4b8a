"""Model servers on this machine: found on their usual ports, told apart by the fingerprints of their answers."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx2
import orjson

from app.core.config import Settings, VendorName
from app.core.errors import BaseUrlNotAllowed, UpstreamError, UpstreamTimeout
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.errors import upstream_errors
from app.providers.upstream.profiles import Profile, make_discovered_profile, read_profiles
from app.providers.upstream.transport import GuardedTransport
from app.providers.upstream.vendors import VENDORS, Vendor

MODELS_PATH = "/v1/models"
FINGERPRINT_PATHS: dict[VendorName, str] = {
    "lm_studio": "/api/v0/models",
    "ollama": "/api/version",
    "llama_cpp": "/health",
    "vllm": "/version",
}
"""The path that only this kind has, asked first where it is expected. Never the list of models: another PROMPTer would
have to ask everybody for it."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """An answer, as far as it tells who gave it."""

    status: int
    body: Any = None
    """Its JSON, None where it is none."""
    server: str = ""
    """Its header `Server`."""


def read_model_entries(body: Any) -> list[dict[str, Any]] | None:
    """The models in a list of models, None where the body is no such list."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def remaining_paths(expected: VendorName, answers: Mapping[str, ProbeAnswer]) -> list[str]:
    """What to ask next, in this order, until the kind is told: two questions where it is the expected one."""
    first = FINGERPRINT_PATHS[expected]
    if identify_vendor(expected, answers) not in (None, "other"):
        return []
    if MODELS_PATH in answers and not _is_model_server(answers[MODELS_PATH]):
        return []
    rest = [path for path in FINGERPRINT_PATHS.values() if path != first]
    return [path for path in (first, MODELS_PATH, *rest) if path not in answers]


def identify_vendor(expected: VendorName, answers: Mapping[str, ProbeAnswer]) -> VendorName | None:
    """Who answered; None where that is no model server, or it cannot be told."""
    models = answers.get(MODELS_PATH)
    if models is None or not _is_model_server(models):
        return None
    owners = {entry.get("owned_by") for entry in read_model_entries(models.body) or []}
    if "llamacpp" in owners or any(heard.server == "llama.cpp" for heard in answers.values()):
        return "llama_cpp"
    if "vllm" in owners:
        return "vllm"
    if (own := _read_answer(answers, "lm_studio")) is not None and read_model_entries(own) is not None:
        return "lm_studio"
    if _has_version(answers, "ollama"):
        return "ollama"
    if models.status in (401, 403):
        # With keys required, vLLM still tells its version, and LM Studio tells nothing at all.
        if _has_version(answers, "vllm"):
            return "vllm"
        return "lm_studio" if expected == "lm_studio" and FINGERPRINT_PATHS["vllm"] in answers else None
    return "other" if models.status == 200 else None


def _is_model_server(models: ProbeAnswer) -> bool:
    """A list of models, or a refusal of one in OpenAI's words. A web application answers anything with a page."""
    if models.status == 200:
        return read_model_entries(models.body) is not None
    refuses = isinstance(models.body, dict) and bool(models.body.get("error"))
    return refuses and models.status in (401, 403, 503)


def _read_answer(answers: Mapping[str, ProbeAnswer], vendor: VendorName) -> Any:
    heard = answers.get(FINGERPRINT_PATHS[vendor])
    return heard.body if heard and heard.status == 200 else None


def _has_version(answers: Mapping[str, ProbeAnswer], vendor: VendorName) -> bool:
    body = _read_answer(answers, vendor)
    return isinstance(body, dict) and isinstance(body.get("version"), str)


USER_AGENT = "prompter-discovery"
"""How it introduces itself. A PROMPTer that is asked by it looks for nobody."""
PROMPTER_HEADER = "x-prompter"
"""A header on every answer of a PROMPTer, which is never taken for a model server."""
PORTS: dict[int, VendorName] = {
    int(url.rpartition(":")[2].removesuffix("/v1")): vendor.name
    for vendor in VENDORS.values()
    if vendor.is_local
    for url in vendor.base_urls
}
"""The usual port of each local vendor; what answers there decides."""

OTHER_LOCAL_VENDOR = replace(
    VENDORS["other"],
    is_local=True,
    title="Another local server",
    hint=f"start any server with OpenAI's `/v1/chat/completions` at one of the ports {', '.join(map(str, PORTS))}",
)
"""One whose habits are not known, found on this machine."""

_LOOPBACK = "127.0.0.1"
_SWEEP_TIMEOUT_S = 3.0
_ANSWER_TIMEOUT_S = 1.5
_CONNECT_TIMEOUT_S = 1.0
_CACHE_S = 30.0
_MAX_BODY_BYTES = 4 << 20


class Discovery:
    """Looks for model servers when asked to, at most every 30 s, at all ports at once; any number may ask."""

    def __init__(self, settings: Settings, ports: Mapping[int, VendorName] | None = None) -> None:
        named = {
            profile.endpoint.base.origin for profile in _list_named_profiles(settings) if profile.endpoint
        }
        self._settings = settings
        self._ports = {
            port: expected
            for port, expected in (PORTS if ports is None else ports).items()
            if port != settings.port and f"http://{_LOOPBACK}:{port}" not in named
        }
        self._asking = anyio.Lock()
        self._found: dict[int, Vendor] = {}
        self._until_s = float("-inf")

    async def discover(self) -> dict[VendorName, Profile]:
        """The servers that are there now, by kind; the first of two of one kind."""
        async with self._asking:
            if anyio.current_time() >= self._until_s:
                await self._sweep()
                self._until_s = anyio.current_time() + _CACHE_S
        profiles: dict[VendorName, Profile] = {}
        for port in self._ports:
            if kind := self._found.get(port):
                url = f"http://{_LOOPBACK}:{port}/v1"
                profiles.setdefault(kind.name, make_discovered_profile(kind.name, kind, url, self._settings))
        return profiles

    async def _sweep(self) -> None:
        # A context without certificates costs nothing to make, and nothing here is asked over TLS.
        transport = GuardedTransport(
            Reach.OPERATOR,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

        async def look(port: int, expected: VendorName) -> None:
            try:
                told = await _identify_server(transport, port, expected)
            except UpstreamTimeout:
                return  # a busy server is not gone
            except (UpstreamError, BaseUrlNotAllowed):
                told = None
            if told:
                self._found[port] = OTHER_LOCAL_VENDOR if told == "other" else VENDORS[told]
            else:
                self._found.pop(port, None)

        try:
            with anyio.move_on_after(_SWEEP_TIMEOUT_S):
                async with anyio.create_task_group() as group:
                    for port, expected in self._ports.items():
                        group.start_soon(look, port, expected)
        finally:
            await transport.aclose()


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A kind of local server that may be there: a `ProfileSource`."""

    vendor: Vendor
    discovery: Discovery

    @property
    def name(self) -> str:
        return self.vendor.name

    @property
    def is_local(self) -> bool:
        return True

    async def get_profile(self) -> Profile | None:
        return (await self.discovery.discover()).get(self.vendor.name)


def list_local_servers(
    settings: Settings, ports: Mapping[int, VendorName] | None = None
) -> dict[str, LocalServer]:
    """Local servers to look for, by kind; not those whose place or name a profile of the settings has."""
    if not settings.llm.discover:
        return {}
    discovery = Discovery(settings, ports)
    own = _list_named_profiles(settings)
    taken = {profile.name for profile in own}
    taken |= {profile.vendor.name for profile in own if profile.endpoint and _has_default_address(profile)}
    kinds = [*(kind for kind in VENDORS.values() if kind.is_local), OTHER_LOCAL_VENDOR]
    return {kind.name: LocalServer(kind, discovery) for kind in kinds if kind.name not in taken}


def _list_named_profiles(settings: Settings) -> list[Profile]:
    return list(read_profiles(settings).values())


def _has_default_address(profile: Profile) -> bool:
    """Whether a profile stands where its kind would be looked for."""
    assert profile.endpoint
    return any(parse_base_url(url).origin == profile.endpoint.base.origin for url in profile.vendor.base_urls)


async def _identify_server(transport: GuardedTransport, port: int, expected: VendorName) -> VendorName | None:
    """Who listens at a port: nobody, no model server, one of ours, or one of a kind.

    Raises:
        UpstreamError and its kinds: nobody, or nobody that answers.
    """
    answers: dict[str, ProbeAnswer] = {}
    while left := remaining_paths(expected, answers):
        heard = await _fetch_answer(transport, port, left[0])
        if heard is None:
            return None
        answers[left[0]] = heard
    return identify_vendor(expected, answers)


async def _fetch_answer(transport: GuardedTransport, port: int, path: str) -> ProbeAnswer | None:
    """One answer; None where it is one of ours."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
    request = httpx2.Request("GET", f"http://{_LOOPBACK}:{port}{path}", headers=headers)
    with upstream_errors(_LOOPBACK), anyio.fail_after(_ANSWER_TIMEOUT_S):
        reply = await transport.send(request)
        try:
            body = await reply.read_body(_MAX_BODY_BYTES)
        finally:
            await reply.aclose()
    if PROMPTER_HEADER in reply.headers:
        return None
    try:
        parsed: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    return ProbeAnswer(reply.status, parsed, reply.headers.get("server", ""))

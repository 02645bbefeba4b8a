"""Finds model servers on this machine: asks their usual ports, and tells the vendor by what answers."""

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
from app.providers.upstream.client import USER_AGENT
from app.providers.upstream.errors import upstream_errors
from app.providers.upstream.profiles import Profile, make_discovered_profile, read_profiles
from app.providers.upstream.transport import GuardedTransport
from app.providers.upstream.vendors import VENDORS, Vendor

PORTS: dict[int, VendorName] = {
    int(url.rpartition(":")[2].removesuffix("/v1")): vendor.name
    for vendor in VENDORS.values()
    if vendor.is_local
    for url in vendor.base_urls
}
"""The usual ports of each local vendor. They say what to ask first; the answer decides who it is."""

OTHER_LOCAL_VENDOR = replace(
    VENDORS["other"],
    is_local=True,
    title="Another local server",
    hint=f"start any server with OpenAI's `/v1/chat/completions` at one of the ports {', '.join(map(str, PORTS))}",
)
"""The vendor of a server on this machine whose habits are not known."""

DISCOVERY_AGENT = f"{USER_AGENT}-discovery"
"""Names discovery to the server it asks. A PROMPTer that is asked by discovery does not start its own."""
PROMPTER_HEADER = "x-prompter"
"""A header on every answer of a PROMPTer; a PROMPTer is never taken for a model server."""

_LOOPBACK = "127.0.0.1"
_SWEEP_TIMEOUT_S = 3.0
_ANSWER_TIMEOUT_S = 1.5
_CONNECT_TIMEOUT_S = 1.0
_CACHE_S = 30.0
_MAX_BODY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A model server of one vendor that may run on this machine: a `ProfileSource`."""

    vendor: Vendor
    discovery: "Discovery"

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
    """Return the local servers to look for, by vendor; none whose name or address a profile of the settings has."""
    if not settings.llm.discover:
        return {}
    discovery = Discovery(settings, ports)
    profiles = read_profiles(settings).values()
    taken = {profile.name for profile in profiles}
    taken |= {
        profile.vendor.name for profile in profiles if profile.endpoint and _has_default_address(profile)
    }
    vendors = [*(vendor for vendor in VENDORS.values() if vendor.is_local), OTHER_LOCAL_VENDOR]
    return {vendor.name: LocalServer(vendor, discovery) for vendor in vendors if vendor.name not in taken}


class Discovery:
    """Asks all ports at once when it is asked itself, at most every 30 s; any number of callers share one search."""

    def __init__(self, settings: Settings, ports: Mapping[int, VendorName] | None = None) -> None:
        profiles = read_profiles(settings).values()
        named = {profile.endpoint.base.origin for profile in profiles if profile.endpoint}
        self._settings = settings
        self._ports = {
            port: expected
            for port, expected in (PORTS if ports is None else ports).items()
            if port != settings.port and f"http://{_LOOPBACK}:{port}" not in named
        }
        self._lock = anyio.Lock()
        self._found: dict[int, Vendor] = {}
        self._valid_until_s = float("-inf")

    async def discover(self) -> dict[VendorName, Profile]:
        """Return the servers that run now, by vendor; of two servers of one vendor, the one at the first port."""
        async with self._lock:
            if anyio.current_time() >= self._valid_until_s:
                await self._sweep()
                self._valid_until_s = anyio.current_time() + _CACHE_S
        profiles: dict[VendorName, Profile] = {}
        for port in self._ports:
            if vendor := self._found.get(port):
                url = f"http://{_LOOPBACK}:{port}/v1"
                profile = make_discovered_profile(vendor.name, vendor, url, self._settings)
                profiles.setdefault(vendor.name, profile)
        return profiles

    async def _sweep(self) -> None:
        """Ask every port, and note who answers."""
        # A context without certificates costs nothing to make, and no port is asked over TLS.
        transport = GuardedTransport(
            Reach.OPERATOR,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

        async def look(port: int, expected: VendorName) -> None:
            try:
                name = await _identify_server(transport, port, expected)
            except UpstreamTimeout:
                return  # a busy server is not gone
            except (UpstreamError, BaseUrlNotAllowed):
                name = None
            if name:
                self._found[port] = OTHER_LOCAL_VENDOR if name == "other" else VENDORS[name]
            else:
                self._found.pop(port, None)

        try:
            with anyio.move_on_after(_SWEEP_TIMEOUT_S):
                async with anyio.create_task_group() as group:
                    for port, expected in self._ports.items():
                        group.start_soon(look, port, expected)
        finally:
            await transport.aclose()


def _has_default_address(profile: Profile) -> bool:
    assert profile.endpoint
    origin = profile.endpoint.base.origin
    return any(parse_base_url(url).origin == origin for url in profile.vendor.base_urls)


async def _identify_server(transport: GuardedTransport, port: int, expected: VendorName) -> VendorName | None:
    """Return the vendor of the server at a port, None where it is a PROMPTer or no model server.

    Raises:
        UpstreamError: nothing answers there.
    """
    answers: dict[str, ProbeAnswer] = {}
    while paths := remaining_paths(expected, answers):
        answer = await _fetch_answer(transport, port, paths[0])
        if answer is None:
            return None
        answers[paths[0]] = answer
    return identify_vendor(expected, answers)


async def _fetch_answer(transport: GuardedTransport, port: int, path: str) -> "ProbeAnswer | None":
    """Ask for one path; None where a PROMPTer answers."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": DISCOVERY_AGENT}
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
    return ProbeAnswer(status=reply.status, body=parsed, server=reply.headers.get("server", ""))


# -- fingerprints: which vendor gave these answers. Nothing below does I/O.

MODELS_PATH = "/v1/models"
FINGERPRINT_PATHS: dict[VendorName, str] = {
    "lm_studio": "/api/v0/models",
    "ollama": "/api/version",
    "llama_cpp": "/health",
    "vllm": "/version",
}
"""A path that only this vendor has, asked first where the vendor is expected. It is never the list of models: another
PROMPTer would ask all of its own upstreams for that."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The parts of an answer that tell the vendors apart."""

    status: int
    body: Any = None
    """Its JSON value, None where it is not JSON."""
    server: str = ""
    """Its header `Server`."""


def read_model_entries(body: Any) -> list[dict[str, Any]] | None:
    """Return the entries of a list of models, None where the body is no such list."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def remaining_paths(expected: VendorName, answers: Mapping[str, ProbeAnswer]) -> list[str]:
    """Return the paths to ask next, in this order, until the vendor is known; the expected one takes two questions."""
    first = FINGERPRINT_PATHS[expected]
    if identify_vendor(expected, answers) not in (None, "other"):
        return []
    if MODELS_PATH in answers and not _is_model_server(answers[MODELS_PATH]):
        return []
    rest = [path for path in FINGERPRINT_PATHS.values() if path != first]
    return [path for path in (first, MODELS_PATH, *rest) if path not in answers]


def identify_vendor(expected: VendorName, answers: Mapping[str, ProbeAnswer]) -> VendorName | None:
    """Return the vendor that gave these answers, None where it is no model server, or they do not tell."""
    models = answers.get(MODELS_PATH)
    if models is None or not _is_model_server(models):
        return None
    owners = {entry.get("owned_by") for entry in read_model_entries(models.body) or []}
    if "llamacpp" in owners or any(answer.server == "llama.cpp" for answer in answers.values()):
        return "llama_cpp"
    if "vllm" in owners:
        return "vllm"
    if (body := _own_answer(answers, "lm_studio")) is not None and read_model_entries(body) is not None:
        return "lm_studio"
    if _has_version(answers, "ollama"):
        return "ollama"
    if models.status in (401, 403):
        # With keys required, vLLM still answers with its version, and LM Studio answers nothing at all.
        if _has_version(answers, "vllm"):
            return "vllm"
        return "lm_studio" if expected == "lm_studio" and FINGERPRINT_PATHS["vllm"] in answers else None
    return "other" if models.status == 200 else None


def _is_model_server(models: ProbeAnswer) -> bool:
    """Whether the answer is a list of models, or a refusal in OpenAI's form. Web applications answer with a page."""
    if models.status == 200:
        return read_model_entries(models.body) is not None
    is_refusal = isinstance(models.body, dict) and bool(models.body.get("error"))
    return is_refusal and models.status in (401, 403, 503)


def _own_answer(answers: Mapping[str, ProbeAnswer], vendor: VendorName) -> Any:
    """Return the body at the path that only this vendor has, None where it was not found there."""
    answer = answers.get(FINGERPRINT_PATHS[vendor])
    return answer.body if answer and answer.status == 200 else None


def _has_version(answers: Mapping[str, ProbeAnswer], vendor: VendorName) -> bool:
    body = _own_answer(answers, vendor)
    return isinstance(body, dict) and isinstance(body.get("version"), str)

"""Model servers on this machine: found on their usual ports, told apart by the fingerprints of their answers."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx2
import orjson

from app.core.config import LlmKind, Settings
from app.core.errors import BaseUrlNotAllowed, UpstreamError, UpstreamTimeout
from app.providers.upstream.addresses import Reach, parse
from app.providers.upstream.errors import upstream_errors
from app.providers.upstream.profiles import Profile, found_profile, profiles_of
from app.providers.upstream.transport import GuardedTransport
from app.providers.upstream.vendors import KINDS, Kind

MODELS = "/v1/models"
FIRST_QUESTION: dict[LlmKind, str] = {
    "lm_studio": "/api/v0/models",
    "ollama": "/api/version",
    "llama_cpp": "/health",
    "vllm": "/version",
}
"""The path that only this kind has, asked first where it is expected. Never the list of models: another PROMPTer would
have to ask everybody for it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, as far as it tells who gave it."""

    status: int
    body: Any = None
    """Its JSON, None where it is none."""
    server: str = ""
    """Its header `Server`."""


def entries_of(body: Any) -> list[dict[str, Any]] | None:
    """The models in a list of models, None where the body is no such list."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def questions_left(expected: LlmKind, answers: Mapping[str, Heard]) -> list[str]:
    """What to ask next, in this order, until the kind is told: two questions where it is the expected one."""
    first = FIRST_QUESTION[expected]
    if kind_told(expected, answers) not in (None, "other"):
        return []
    if MODELS in answers and not _is_model_server(answers[MODELS]):
        return []
    rest = [path for path in FIRST_QUESTION.values() if path != first]
    return [path for path in (first, MODELS, *rest) if path not in answers]


def kind_told(expected: LlmKind, answers: Mapping[str, Heard]) -> LlmKind | None:
    """Who answered; None where that is no model server, or it cannot be told."""
    models = answers.get(MODELS)
    if models is None or not _is_model_server(models):
        return None
    owners = {entry.get("owned_by") for entry in entries_of(models.body) or []}
    if "llamacpp" in owners or any(heard.server == "llama.cpp" for heard in answers.values()):
        return "llama_cpp"
    if "vllm" in owners:
        return "vllm"
    if (own := _ok(answers, "lm_studio")) is not None and entries_of(own) is not None:
        return "lm_studio"
    if _has_version(answers, "ollama"):
        return "ollama"
    if models.status in (401, 403):
        # With keys required, vLLM still tells its version, and LM Studio tells nothing at all.
        if _has_version(answers, "vllm"):
            return "vllm"
        return "lm_studio" if expected == "lm_studio" and FIRST_QUESTION["vllm"] in answers else None
    return "other" if models.status == 200 else None


def _is_model_server(models: Heard) -> bool:
    """A list of models, or a refusal of one in OpenAI's words. A web application answers anything with a page."""
    if models.status == 200:
        return entries_of(models.body) is not None
    refuses = isinstance(models.body, dict) and bool(models.body.get("error"))
    return refuses and models.status in (401, 403, 503)


def _ok(answers: Mapping[str, Heard], kind: LlmKind) -> Any:
    heard = answers.get(FIRST_QUESTION[kind])
    return heard.body if heard and heard.status == 200 else None


def _has_version(answers: Mapping[str, Heard], kind: LlmKind) -> bool:
    body = _ok(answers, kind)
    return isinstance(body, dict) and isinstance(body.get("version"), str)


USER_AGENT = "prompter-discovery"
"""How it introduces itself. A PROMPTer that is asked by it looks for nobody."""
OURS = "x-prompter"
"""A header on every answer of a PROMPTer, which is never taken for a model server."""
PORTS: dict[int, LlmKind] = {
    int(url.rpartition(":")[2].removesuffix("/v1")): kind.name
    for kind in KINDS.values()
    if kind.local
    for url in kind.base_urls
}
"""The usual port of each kind of local server; what answers there decides."""

OTHER = replace(
    KINDS["other"],
    local=True,
    title="Another local server",
    hint=f"start any server with OpenAI's `/v1/chat/completions` at one of the ports {', '.join(map(str, PORTS))}",
)
"""One whose habits are not known, found on this machine."""

_LOOPBACK = "127.0.0.1"
_SWEEP_S = 3.0
_ANSWER_S = 1.5
_CONNECT_S = 1.0
_REMEMBERED_S = 30.0
_BODY_BYTES = 4 << 20


class Discovery:
    """Looks for model servers when asked to, at most every 30 s, at all ports at once; any number may ask."""

    def __init__(self, settings: Settings, ports: Mapping[int, LlmKind] | None = None) -> None:
        named = {profile.endpoint.base.origin for profile in _named(settings) if profile.endpoint}
        self._settings = settings
        self._ports = {
            port: expected
            for port, expected in (PORTS if ports is None else ports).items()
            if port != settings.port and f"http://{_LOOPBACK}:{port}" not in named
        }
        self._asking = anyio.Lock()
        self._found: dict[int, Kind] = {}
        self._until_s = float("-inf")

    async def found(self) -> dict[LlmKind, Profile]:
        """The servers that are there now, by kind; the first of two of one kind."""
        async with self._asking:
            if anyio.current_time() >= self._until_s:
                await self._sweep()
                self._until_s = anyio.current_time() + _REMEMBERED_S
        profiles: dict[LlmKind, Profile] = {}
        for port in self._ports:
            if kind := self._found.get(port):
                url = f"http://{_LOOPBACK}:{port}/v1"
                profiles.setdefault(kind.name, found_profile(kind.name, kind, url, self._settings))
        return profiles

    async def _sweep(self) -> None:
        # A context without certificates costs nothing to make, and nothing here is asked over TLS.
        transport = GuardedTransport(
            Reach.OPERATOR,
            connect_timeout_s=_CONNECT_S,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

        async def look(port: int, expected: LlmKind) -> None:
            try:
                told = await _who(transport, port, expected)
            except UpstreamTimeout:
                return  # a busy server is not gone
            except (UpstreamError, BaseUrlNotAllowed):
                told = None
            if told:
                self._found[port] = OTHER if told == "other" else KINDS[told]
            else:
                self._found.pop(port, None)

        try:
            with anyio.move_on_after(_SWEEP_S):
                async with anyio.create_task_group() as group:
                    for port, expected in self._ports.items():
                        group.start_soon(look, port, expected)
        finally:
            await transport.aclose()


@dataclass(frozen=True, slots=True)
class Sought:
    """A kind of local server that may be there: a `ProfileSource`."""

    kind: Kind
    discovery: Discovery

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def local(self) -> bool:
        return True

    async def now(self) -> Profile | None:
        return (await self.discovery.found()).get(self.kind.name)


def sought_servers(settings: Settings, ports: Mapping[int, LlmKind] | None = None) -> dict[str, Sought]:
    """Local servers to look for, by kind; not those whose place or name a profile of the settings has."""
    if not settings.llm.discover:
        return {}
    discovery = Discovery(settings, ports)
    own = _named(settings)
    taken = {profile.name for profile in own}
    taken |= {profile.kind.name for profile in own if profile.endpoint and _is_usual(profile)}
    kinds = [*(kind for kind in KINDS.values() if kind.local), OTHER]
    return {kind.name: Sought(kind, discovery) for kind in kinds if kind.name not in taken}


def _named(settings: Settings) -> list[Profile]:
    return list(profiles_of(settings).values())


def _is_usual(profile: Profile) -> bool:
    """Whether a profile stands where its kind would be looked for."""
    assert profile.endpoint
    return any(parse(url).origin == profile.endpoint.base.origin for url in profile.kind.base_urls)


async def _who(transport: GuardedTransport, port: int, expected: LlmKind) -> LlmKind | None:
    """Who listens at a port: nobody, no model server, one of ours, or one of a kind.

    Raises:
        UpstreamError and its kinds: nobody, or nobody that answers.
    """
    answers: dict[str, Heard] = {}
    while left := questions_left(expected, answers):
        heard = await _ask(transport, port, left[0])
        if heard is None:
            return None
        answers[left[0]] = heard
    return kind_told(expected, answers)


async def _ask(transport: GuardedTransport, port: int, path: str) -> Heard | None:
    """One answer; None where it is one of ours."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
    request = httpx2.Request("GET", f"http://{_LOOPBACK}:{port}{path}", headers=headers)
    with upstream_errors(_LOOPBACK), anyio.fail_after(_ANSWER_S):
        reply = await transport.send(request)
        try:
            body = await reply.body(_BODY_BYTES)
        finally:
            await reply.aclose()
    if OURS in reply.headers:
        return None
    try:
        parsed: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    return Heard(reply.status, parsed, reply.headers.get("server", ""))

"""Whether an upstream can be used now, its models and its true address: one question, remembered for a while."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio
import orjson

from app.core.errors import BaseUrlNotAllowed, UpstreamError
from app.providers.base import ProviderStatus
from app.providers.upstream.addresses import BaseUrl
from app.providers.upstream.client import Endpoint, UpstreamClient, make_redactor
from app.providers.upstream.discovery import read_model_entries
from app.providers.upstream.errors import Refusal, read_refusal, upstream_errors
from app.providers.upstream.vendors import VENDORS, Vendor
from app.schemas.providers import ProviderState

_PROBE_TIMEOUT_S = 2.5
_CACHE_S = 20.0
_NOT_READY_CACHE_S = 5.0
_MAX_LIST_BYTES = 8 << 20  # OpenRouter lists thousands
_NO_LIST_STATUSES = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class _ProbeResult:
    """What one question told."""

    status: ProviderStatus
    models: tuple[str, ...] = ()
    base: BaseUrl | None = None
    """The form of the base URL that answered, None where none did."""


class Probe:
    """The state, the models and the true address of one endpoint; any number of callers share one question.

    `models` are those to offer; where there are none, what the upstream lists, and `model` alone where that lists
    nothing.
    """

    def __init__(
        self,
        client: UpstreamClient,
        endpoint: Endpoint,
        model: str,
        models: Sequence[str] = (),
        vendor: Vendor = VENDORS["other"],
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._model = model
        self._models = tuple(models)
        self._vendor = vendor
        self._asking = anyio.Lock()
        self._known: _ProbeResult | None = None
        self._until_s = 0.0
        self._settled = endpoint if len(endpoint.base.candidates) == 1 else None

    async def status(self) -> ProviderStatus:
        """The state, at most 20 s old (5 s while not ready), within 2.5 s."""
        return (await self._fresh()).status

    async def models(self) -> list[str]:
        """The ids that can be asked for; none where the upstream does not answer. Those for embeddings come last."""
        return list((await self._fresh()).models)

    async def endpoint(self) -> Endpoint:
        """Where to ask: a base URL without a path is tried with `/v1` and without, once; with a path it is as given."""
        if self._settled is None:
            known = await self._fresh()
            # Nobody answered: the likeliest form, whose failure tells why.
            base = known.base or self._endpoint.base.candidates[0]
            return replace(self._endpoint, base=base)
        return self._settled

    async def _fresh(self) -> _ProbeResult:
        async with self._asking:
            if self._known is None or anyio.current_time() >= self._until_s:
                self._known = await self._ask()
                if self._known.base:
                    self._settled = replace(self._endpoint, base=self._known.base)
                ready = self._known.status.state is ProviderState.READY
                self._until_s = anyio.current_time() + (_CACHE_S if ready else _NOT_READY_CACHE_S)
            return self._known

    async def _ask(self) -> _ProbeResult:
        host = self._endpoint.base.host
        endpoints = [self._settled] if self._settled else self._forms()
        try:
            with upstream_errors(host), anyio.fail_after(_PROBE_TIMEOUT_S):
                for endpoint in endpoints:
                    if (known := await self._listed(endpoint)) is not None:
                        return await self._loaded(endpoint, known)
                return self._unlisted(endpoints[-1].base)
        except (UpstreamError, BaseUrlNotAllowed) as error:
            hint = f"; {self._vendor.hint}" if self._vendor.is_local else ""
            return _ProbeResult(ProviderStatus(ProviderState.UNREACHABLE, error.message + hint))

    def _forms(self) -> list[Endpoint]:
        return [replace(self._endpoint, base=base) for base in self._endpoint.base.candidates]

    async def _listed(self, endpoint: Endpoint) -> _ProbeResult | None:
        """What `/models` tells there, None where there is no such thing."""
        host = endpoint.base.host
        async with self._client.request(
            "GET", endpoint, "/models", timeout_s=_PROBE_TIMEOUT_S, tries=1
        ) as reply:
            refusal = await read_refusal(reply, make_redactor(endpoint))
            if refusal is None:
                ids = _read_model_ids(await reply.read_body(_MAX_LIST_BYTES))
                return self._told(endpoint.base, ids) if ids is not None else None
        if refusal.status in _NO_LIST_STATUSES:
            return None
        return _ProbeResult(
            ProviderStatus(_state_of_refusal(refusal), refusal.to_error(host).message), base=endpoint.base
        )

    def _told(self, base: BaseUrl, ids: list[str]) -> _ProbeResult:
        host, model = base.host, self._model
        if not ids and not self._models:
            hint = f"; {self._vendor.hint}" if self._vendor.is_local else "; load one there"
            return _ProbeResult(
                ProviderStatus(ProviderState.NO_MODEL, f"the upstream {host!r} has no model{hint}"), (), base
            )
        doubt = "" if model in ids else ", which does not list that name"
        what = (
            f"{model!r} at {host!r}{doubt}"
            if model
            else f"{_describe_models(self._models or ids)} at {host!r}"
        )
        return _ProbeResult(ProviderStatus(ProviderState.READY, what), self._models or tuple(ids), base)

    def _unlisted(self, base: BaseUrl) -> _ProbeResult:
        """Nothing there is a list of models: it may answer prompts all the same."""
        host = base.host
        models = self._models or ((self._model,) if self._model else ())
        if not models:
            words = f"{host!r} lists no models; check base_url, or say which there are: model, models"
            return _ProbeResult(ProviderStatus(ProviderState.NO_MODEL, words), (), base)
        what = f"{self._model or models[0]!r} at {host!r}, which does not list its models"
        return _ProbeResult(ProviderStatus(ProviderState.READY, what), models, base)

    async def _loaded(self, endpoint: Endpoint, known: _ProbeResult) -> _ProbeResult:
        """The same, or that its model is still loading: llama.cpp lists it before, and tells at `/health`."""
        if self._vendor.name != "llama_cpp" or known.status.state is not ProviderState.READY:
            return known
        root = replace(endpoint, base=endpoint.base.with_path(endpoint.base.path.removesuffix("/v1")))
        async with self._client.request("GET", root, "/health", timeout_s=_PROBE_TIMEOUT_S, tries=1) as reply:
            refusal = await read_refusal(reply, make_redactor(endpoint))
        if refusal is None or refusal.status != 503:
            return known
        return replace(
            known, status=ProviderStatus(ProviderState.LOADING, refusal.to_error(root.base.host).message)
        )


def _state_of_refusal(refusal: Refusal) -> ProviderState:
    if refusal.status in (401, 403):
        return ProviderState.UNAUTHORIZED
    return ProviderState.LOADING if refusal.status == 503 else ProviderState.UNREACHABLE


def _describe_models(models: Sequence[str]) -> str:
    return f"{models[0]!r}" if len(models) == 1 else f"{len(models)} models"


def _read_model_ids(body: bytes) -> list[str] | None:
    """The ids of a list of models, None where the body is no such list."""
    try:
        entries = read_model_entries(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
    if entries is None:
        return None
    ids = dict.fromkeys(entry["id"] for entry in entries if entry["id"].isprintable() and entry["id"])
    return sorted(ids, key=lambda model: "embed" in model.lower())

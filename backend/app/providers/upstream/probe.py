"""Asks an upstream for its state, its models and its true address; the answer is kept for some seconds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import orjson

from app.core.errors import BaseUrlNotAllowed, PrompterError, UpstreamError
from app.core.notes import Note, NoteCode
from app.providers.base import ProviderStatus
from app.providers.upstream.addresses import BaseUrl
from app.providers.upstream.client import Endpoint, UpstreamClient, make_redactor
from app.providers.upstream.discovery import read_model_entries
from app.providers.upstream.errors import Refusal, make_no_api_error, read_refusal, upstream_errors
from app.providers.upstream.vendors import VENDORS, Vendor
from app.schemas.providers import ProviderState

_PROBE_TIMEOUT_S = 2.5
_CACHE_S = 20.0
_NOT_READY_CACHE_S = 5.0
_MAX_LIST_BYTES = 8 << 20  # OpenRouter lists thousands
_NO_LIST_STATUSES = (404, 405, 501)
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|transcribe|\btts|dall-e|moderation|realtime|image|sora|babbage|davinci|-audio",
    re.IGNORECASE,
)
"""What the names of models have that answer no prompts: they are listed last."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found."""

    status: ProviderStatus
    models: tuple[str, ...] = ()
    base: BaseUrl | None = None
    """The candidate for the base URL that answered, None where none did."""
    failure: PrompterError | None = None
    """Why the list of models could not be read; None for an upstream that has none."""
    sights: Mapping[str, bool] = field(default_factory=dict)
    """Whether models see pictures, by their ids, as far as the list tells."""


class Probe:
    """Probes one endpoint; any number of callers share one question.

    `models` are the models to offer. Where it is empty, they are what the upstream lists, or `model` alone where the
    upstream lists none.
    """

    def __init__(
        self,
        client: UpstreamClient,
        endpoint: Endpoint,
        model: str,
        models: Sequence[str] = (),
        vendor: Vendor = VENDORS["other"],
        *,
        timeout_s: float = _PROBE_TIMEOUT_S,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._model = model
        self._models = tuple(models)
        self._vendor = vendor
        self._timeout_s = timeout_s
        self._found_page = False
        self._lock = anyio.Lock()
        self._result: ProbeResult | None = None
        self._valid_until_s = 0.0
        self._resolved = endpoint if len(endpoint.base.candidates) == 1 else None

    async def status(self) -> ProviderStatus:
        """Return the state, at most 20 s old (5 s while not ready); it takes at most 2.5 s."""
        return (await self._get_result()).status

    async def models(self) -> list[str]:
        """Return the ids of the models, those that answer no prompts last; none where the upstream does not answer."""
        return list((await self._get_result()).models)

    async def look(self) -> ProbeResult:
        """Return all that the last question has found."""
        return await self._get_result()

    async def resolve_endpoint(self) -> Endpoint:
        """Return where to ask: a base URL without a path is tried with `/v1` and without it, once."""
        if self._resolved is None:
            result = await self._get_result()
            # Where nothing answered, the likeliest candidate is asked, and its failure says why.
            base = result.base or self._endpoint.base.candidates[0]
            return replace(self._endpoint, base=base)
        return self._resolved

    async def _get_result(self) -> ProbeResult:
        async with self._lock:
            if self._result is None or anyio.current_time() >= self._valid_until_s:
                self._result = await self._probe()
                if self._result.base:
                    self._resolved = replace(self._endpoint, base=self._result.base)
                ready = self._result.status.state is ProviderState.READY
                self._valid_until_s = anyio.current_time() + (_CACHE_S if ready else _NOT_READY_CACHE_S)
            return self._result

    async def _probe(self) -> ProbeResult:
        host = self._endpoint.told_name
        endpoints = [self._resolved] if self._resolved else self._list_candidates()
        try:
            with upstream_errors(host), anyio.fail_after(self._timeout_s):
                for endpoint in endpoints:
                    if (result := await self._ask_for_models(endpoint)) is not None:
                        return await self._check_loaded(endpoint, result)
                return self._result_without_list(endpoints[-1].base)
        except (UpstreamError, BaseUrlNotAllowed) as error:
            hint = f"; {self._vendor.hint}" if self._vendor.is_local else ""
            status = ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=error.message + hint,
                note=error.note,
                model=self._model or None,
            )
            return ProbeResult(status, failure=error)

    def _list_candidates(self) -> list[Endpoint]:
        return [replace(self._endpoint, base=base) for base in self._endpoint.base.candidates]

    async def _ask_for_models(self, endpoint: Endpoint) -> ProbeResult | None:
        """Ask an endpoint for `/models`; None where it has no such path."""
        asked = replace(endpoint, sends_x_api_key=self._vendor.lists_for_api_key)
        async with self._client.request("GET", asked, "/models", timeout_s=self._timeout_s, tries=1) as reply:
            refusal = await read_refusal(reply, make_redactor(endpoint))
            if refusal is None:
                body = await reply.read_body(_MAX_LIST_BYTES)
                self._found_page = body.lstrip()[:1] == b"<"
                ids = _read_model_ids(body)
                if ids is None:
                    return None
                return replace(self._result_of_list(endpoint.base, ids), sights=read_sights(body))
        if refusal.status in _NO_LIST_STATUSES:
            return None
        failure = refusal.to_error(endpoint.told_name)
        status = ProviderStatus(
            state=_state_of_refusal(refusal),
            description=failure.message,
            note=failure.note,
            model=self._model or None,
        )
        return ProbeResult(status, base=endpoint.base, failure=failure)

    def _result_of_list(self, base: BaseUrl, ids: list[str]) -> ProbeResult:
        host, model = self._endpoint.told_name, self._model
        if not ids and not self._models:
            hint = f"; {self._vendor.hint}" if self._vendor.is_local else "; load one there"
            return ProbeResult(self._no_model(host, f"the upstream {host!r} has no model{hint}"), (), base)
        doubt = "" if model in ids else ", which does not list that name"
        what = (
            f"{model!r} at {host!r}{doubt}"
            if model
            else f"{_describe_models(self._models or ids)} at {host!r}"
        )
        models = self._models or tuple(ids)
        status = ProviderStatus(
            state=ProviderState.READY,
            description=what,
            note=Note(NoteCode.NAME_NOT_LISTED if model and doubt else NoteCode.ANSWERS),
            model=model or models[0],
        )
        return ProbeResult(status, models, base)

    def _result_without_list(self, base: BaseUrl) -> ProbeResult:
        """Return the result of an upstream that lists no models; it may answer prompts all the same."""
        host = self._endpoint.told_name
        models = self._models or ((self._model,) if self._model else ())
        if not models:
            words = f"{host!r} lists no models; check base_url, or say which there are: model, models"
            failure = make_no_api_error(host) if self._found_page else None
            return ProbeResult(self._no_model(host, words), (), base, failure)
        what = f"{self._model or models[0]!r} at {host!r}, which does not list its models"
        status = ProviderStatus(
            state=ProviderState.READY,
            description=what,
            note=Note(NoteCode.ANSWERS),
            model=self._model or models[0],
        )
        return ProbeResult(status, models, base)

    @staticmethod
    def _no_model(host: str, description: str) -> ProviderStatus:
        note = Note(NoteCode.NO_MODEL_THERE, {"host": host})
        return ProviderStatus(state=ProviderState.NO_MODEL, description=description, note=note)

    async def _check_loaded(self, endpoint: Endpoint, result: ProbeResult) -> ProbeResult:
        """Ask llama.cpp whether its model is loaded: it lists the model earlier, and its `/health` knows."""
        if self._vendor.name != "llama_cpp" or result.status.state is not ProviderState.READY:
            return result
        root = replace(endpoint, base=endpoint.base.with_path(endpoint.base.path.removesuffix("/v1")))
        async with self._client.request("GET", root, "/health", timeout_s=self._timeout_s, tries=1) as reply:
            refusal = await read_refusal(reply, make_redactor(endpoint))
        if refusal is None or refusal.status != 503:
            return result
        status = replace(
            result.status,
            state=ProviderState.LOADING,
            description=refusal.to_error(root.told_name).message,
            note=Note(NoteCode.LOADING),
        )
        return replace(result, status=status)


def _state_of_refusal(refusal: Refusal) -> ProviderState:
    if refusal.status in (401, 403):
        return ProviderState.UNAUTHORIZED
    return ProviderState.LOADING if refusal.status == 503 else ProviderState.UNREACHABLE


def _describe_models(models: Sequence[str]) -> str:
    return f"{models[0]!r}" if len(models) == 1 else f"{len(models)} models"


def _read_model_ids(body: bytes) -> list[str] | None:
    """Return the ids of a list of models, those that answer no prompts last, None where the body is no such list."""
    try:
        entries = read_model_entries(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
    if entries is None:
        return None
    ids = dict.fromkeys(entry["id"] for entry in entries if entry["id"].isprintable() and entry["id"])
    return sorted(ids, key=lambda model: bool(_NO_CHAT.search(model)))


def read_sights(body: bytes) -> dict[str, bool]:
    """Read whether models see pictures, where the entries of a list say so (OpenRouter, Mistral, llama.cpp …). Pure."""
    try:
        entries = read_model_entries(orjson.loads(body)) or []
    except orjson.JSONDecodeError:
        return {}
    found = {entry["id"]: _read_sight(entry) for entry in entries}
    return {model: sees for model, sees in found.items() if sees is not None}


def _read_sight(entry: Mapping[str, Any]) -> bool | None:
    architecture, abilities = entry.get("architecture"), entry.get("capabilities")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    inputs = inputs or entry.get("input_modalities")
    if isinstance(inputs, list):
        return "image" in inputs
    if isinstance(abilities, dict) and isinstance(abilities.get("vision"), bool):
        return bool(abilities["vision"])
    if isinstance(abilities, list) and {"vision", "multimodal"}.intersection(map(str, abilities)):
        return True
    return True if entry.get("type") == "vlm" else None

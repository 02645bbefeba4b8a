"""Whether an upstream can be used now: asks for its list of models, and remembers the answer for a while."""

import anyio
import orjson

from app.core.errors import BaseUrlNotAllowed, UpstreamError
from app.providers.base import ProviderStatus
from app.providers.upstream.client import Endpoint, UpstreamClient, private_of
from app.providers.upstream.errors import read_refusal, upstream_errors
from app.schemas.providers import ProviderState

_PROBE_S = 2.5
_REMEMBERED_S = 20.0
_LIST_BYTES = 8 << 20  # OpenRouter lists thousands


class Probe:
    """The state of one endpoint; any number of callers share one question."""

    def __init__(self, client: UpstreamClient, endpoint: Endpoint, model: str) -> None:
        self._client = client
        self._endpoint = endpoint
        self._model = model
        self._asking = anyio.Lock()
        self._known: ProviderStatus | None = None
        self._until_s = 0.0

    async def status(self) -> ProviderStatus:
        """The state, at most `_REMEMBERED_S` old, within `_PROBE_S`."""
        async with self._asking:
            if self._known is None or anyio.current_time() >= self._until_s:
                self._known = await self._ask()
                self._until_s = anyio.current_time() + _REMEMBERED_S
            return self._known

    async def _ask(self) -> ProviderStatus:
        host = self._endpoint.base.host
        try:
            with upstream_errors(host), anyio.fail_after(_PROBE_S):
                return await self._models()
        except (UpstreamError, BaseUrlNotAllowed) as error:
            return ProviderStatus(ProviderState.UNREACHABLE, error.message)

    async def _models(self) -> ProviderStatus:
        host, model = self._endpoint.base.host, self._model
        async with self._client.ask(
            "GET", self._endpoint, "/models", answer_within_s=_PROBE_S, tries=1
        ) as reply:
            refusal = await read_refusal(reply, private_of(self._endpoint))
            if refusal is None:
                return self._listed(_ids(await reply.body(_LIST_BYTES)))
        if refusal.status in (401, 403):
            return ProviderStatus(ProviderState.UNAUTHORIZED, refusal.error(host).message)
        if refusal.status in (404, 405, 501):
            return ProviderStatus(
                ProviderState.READY, f"{model!r} at {host!r}, which does not list its models"
            )
        state = ProviderState.LOADING if refusal.status == 503 else ProviderState.UNREACHABLE
        return ProviderStatus(state, refusal.error(host).message)

    def _listed(self, ids: list[str] | None) -> ProviderStatus:
        host, model = self._endpoint.base.host, self._model
        if ids is not None and not ids:
            return ProviderStatus(
                ProviderState.NO_MODEL, f"the upstream {host!r} has no model; load one there"
            )
        doubt = "" if ids is None or model in ids else ", which does not list that name"
        return ProviderStatus(ProviderState.READY, f"{model!r} at {host!r}{doubt}")


def _ids(body: bytes) -> list[str] | None:
    """The ids of a list of models, None where the body is no such list."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    entries = parsed.get("data") if isinstance(parsed, dict) else parsed
    if not isinstance(entries, list):
        return None
    return [str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry]

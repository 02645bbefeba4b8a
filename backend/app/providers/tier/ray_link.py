"""Ray as the link between a gateway and its decode workers: named actors, found in the cluster's own directory."""

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from app.core.config import DecodeSettings
from app.providers.tier.port import WorkerLost
from app.providers.tier.ray_node import NAMESPACE, WORKER_PREFIX, RayNode

if TYPE_CHECKING:
    from ray.actor import ActorHandle

FIND_S = 10.0
"""A question to the cluster's directory that takes longer is given up (s)."""


class RayLink:
    """A `TierLink`. This process joins the cluster as a driver, through the Ray node of its machine."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._node = RayNode(settings)
        self._handles: dict[str, ActorHandle[Any]] = {}

    async def open(self) -> None:
        await run_sync(self._node.join, 0)

    async def find_workers(self) -> frozenset[str]:
        import ray
        from ray.exceptions import RayError

        try:
            rows = await run_sync(
                lambda: ray.util.list_named_actors(all_namespaces=True), abandon_on_cancel=True
            )
        except (RayError, OSError) as error:
            raise WorkerLost from error
        return frozenset(
            row["name"]
            for row in rows
            if row["namespace"] == NAMESPACE and row["name"].startswith(WORKER_PREFIX)
        )

    async def call(self, worker: str, call: object) -> Any:
        import ray
        from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, WorkerCrashedError

        try:
            reference: Any = (await self._find(worker)).answer.remote(call)
            try:
                return await reference
            except asyncio.CancelledError:
                ray.cancel(reference)
                raise
        except (ActorDiedError, ActorUnavailableError, WorkerCrashedError) as error:
            self._handles.pop(worker, None)
            raise WorkerLost(has_died=True) from error
        except ValueError as error:  # no actor has this name (any more)
            raise WorkerLost(has_died=True) from error
        except (RayError, TimeoutError) as error:
            self._handles.pop(worker, None)
            raise WorkerLost from error

    async def aclose(self) -> None:
        self._handles.clear()
        with anyio.CancelScope(shield=True):
            await run_sync(self._node.leave)

    async def _find(self, worker: str) -> "ActorHandle[Any]":
        import ray

        if (handle := self._handles.get(worker)) is None:
            with anyio.fail_after(FIND_S):
                handle = await run_sync(
                    lambda: ray.get_actor(worker, namespace=NAMESPACE), abandon_on_cancel=True
                )
            self._handles[worker] = handle
        return handle

"""A decode worker as a Ray actor: it lives as long as the process that started it, on the same machine."""

import logging
import os
import pickle
import signal
import socket
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.core.logging import configure_logging, log_failure
from app.providers.tier.port import LinkLost
from app.providers.tier.ray_node import NAMESPACE, WORKER_PREFIX, RayNode, check_cluster, silence_ray

logger = logging.getLogger(__name__)

WATCH_S = 5.0
"""How often the process of `prompter worker` looks after its actor (s)."""
ANSWER_S = 30.0
"""How long an answer may take there, before it is looked again (s)."""
CALLS = 1000
"""Calls that overlap in a worker: its scheduler decides which of them decode."""
SHARED = ("models_dir", "data_dir", "log_level", "log_format", "stt", "scheduler", "vad")
"""The settings that a worker gets. Ray keeps them in the cluster's directory: keys and addresses stay out."""


_CODE = Path(__file__).resolve().parents[3]
"""The folder of the package `app`."""


class Worker(Protocol):
    """What the actor holds: `services/tier/worker.py`."""

    def run(self) -> AbstractAsyncContextManager[None]: ...

    async def answer(self, call: Any) -> Any: ...


class WorkerActor:
    """The actor. Ray makes it anew where its process has died; it loads its weights again then."""

    def __init__(self, factory: str, settings: dict[str, Any]) -> None:
        """`factory` is "module:attribute" of what makes a `Worker` of settings."""
        module, _, attribute = factory.partition(":")
        made = Settings.model_validate(settings)
        configure_logging(made.log_level, made.log_format)
        make: Callable[[Settings], Worker] = getattr(import_module(module), attribute)
        self._worker = make(made)
        self._running: AbstractAsyncContextManager[None] | None = None
        self._starting = anyio.Lock()

    async def start(self) -> int:
        """Load the weights, and return the process id."""
        async with self._starting:
            if self._running is None:
                running = self._worker.run()
                await running.__aenter__()  # it ends with the process
                self._running = running
        return os.getpid()

    async def answer(self, call: bytes) -> bytes:
        """As the worker answers; the first call after a death waits for the weights. Both are pickled."""
        if self._running is None:
            await self.start()
        return pickle.dumps(await self._worker.answer(pickle.loads(call)), protocol=5)  # noqa: S301  # from a server, behind the cluster's token


def share_settings(settings: Settings) -> dict[str, Any]:
    """The settings that a worker needs, as JSON; without a service's key."""
    shared = settings.model_dump(mode="json", include=set(SHARED))
    shared["stt"].pop("openai_compat", None)
    return shared


@asynccontextmanager
async def run_worker(settings: Settings, factory: str) -> AsyncIterator[str]:
    """Join the cluster, and run one worker on this machine until the block ends; its name.

    Raises:
        ProviderNotReady: the cluster cannot be joined, or the worker does not start.
    """
    if settings.log_format == "json":
        silence_ray()
    node = RayNode(settings.decode)
    try:
        await run_sync(node.join, abandon_on_cancel=True)  # Ray may take minutes, and nobody waits any more
    except BaseException:
        node.give_up()
        raise
    _reclaim_signals()
    try:
        name = f"{WORKER_PREFIX}{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        actor, process = await run_sync(_create, name, factory, share_settings(settings))
        logger.info("%s decodes in process %d", name, process)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, name, actor, process)
                group.start_soon(_watch_node, node)
                yield name
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            with anyio.CancelScope(shield=True):
                if not node.has_ended():
                    await run_sync(_kill, actor)
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(node.leave)


def _reclaim_signals() -> None:
    """Have SIGTERM and Ctrl-C go to Python again: Ray aborts a process that has joined at the first one."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.getsignal(number))


def _create(name: str, factory: str, settings: dict[str, Any]) -> tuple[Any, int]:
    """Start the actor on this machine's node; it and the id of its process, when its weights are loaded. Blocks."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(WorkerActor)
    actor = actor.options(
        num_cpus=0,
        max_concurrency=CALLS,
        max_restarts=-1,
        scheduling_strategy=here,
        namespace=NAMESPACE,
        name=name,
        # The Python and the code of this process, whichever started the node.
        runtime_env={"py_executable": sys.executable, "env_vars": {"PYTHONPATH": _list_paths()}},
    ).remote(factory, settings)
    try:
        process: int = ray.get(actor.start.remote())
    except RayError as error:
        log_failure(logger, "the decode worker does not start", error)
        raise ProviderNotReady("the decode worker does not start; the log says why") from error
    return actor, process


async def _watch(name: str, actor: Any, process: int) -> None:
    """Look after the actor while it lives, and tell when Ray has made it anew.

    Raises:
        ProviderNotReady: it is gone for good, as with its node; whoever started this process starts it anew.
    """
    from ray.exceptions import ActorDiedError, RayError

    while True:
        await anyio.sleep(WATCH_S)
        await _check_cluster()
        found = process
        try:
            with anyio.move_on_after(ANSWER_S):  # while Ray makes it anew it does not answer
                found = await actor.start.remote()
        except ActorDiedError as error:
            raise ProviderNotReady(
                "the decode worker is gone, and its Ray node with it; start it again"
            ) from error
        except RayError:
            continue  # it is being made anew
        if found != process:
            process = found
            logger.warning(
                "%s was started again, in process %d: the process before it had died", name, process
            )


async def _watch_node(node: RayNode) -> None:
    """
    Raises:
        ProviderNotReady: the node that this process has started is gone, and the cluster with it.
    """
    await node.wait_end()
    raise ProviderNotReady(
        "the Ray node of this machine is gone, as when the cluster's head was started anew"
    )


async def _check_cluster() -> None:
    """
    Raises:
        ProviderNotReady: the head has begun another cluster, in which this worker is not.
    """
    try:
        with anyio.move_on_after(ANSWER_S):
            await run_sync(check_cluster, abandon_on_cancel=True)
    except LinkLost as error:
        raise ProviderNotReady(
            "the head of the Ray cluster was started again without what it knew, and this worker is not in it; start "
            "the worker again, and see RAY_gcs_storage in docs/deployment.md"
        ) from error
    except Exception as error:  # noqa: BLE001  # Ray has no one class for it, and ends this process itself after a minute
        log_failure(logger, "the head of the Ray cluster does not answer", error)


def _list_paths() -> str:
    """Where the actor finds this PROMPTer, and engines of packages that this process finds by a variable."""
    return os.pathsep.join(filter(None, (str(_CODE), os.environ.get("PYTHONPATH", ""))))


def _kill(actor: Any) -> None:
    import ray

    ray.kill(actor)

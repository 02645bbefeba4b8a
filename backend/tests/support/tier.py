"""One gateway and decode workers that come and go, without a network."""

import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from prometheus_client import CollectorRegistry

from app.core.config import DecodeSettings, Settings
from app.core.metrics import TierMetrics
from app.providers.base import SttConfig, SttProvider, WindowRequest, WindowResult
from app.providers.registry import Registration, list_stt_registrations
from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduler import Scheduler
from app.services.tier.remote_engine import RemoteWindowSession, offer_remote
from app.services.tier.worker import DecodeWorker
from app.services.tier.workers import Workers
from tests.fakes.tier import FakeLink
from tests.fakes.window_engine import FakeWindowEngine, WindowScript, make_speech
from tests.support.speech_client import wait_until

WITHIN_S = 60
"""Time limit of what takes milliseconds on an idle machine."""


async def until(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """`wait_until`, for as long as these tests may take."""
    await wait_until(holds, within_s)


class Cluster:
    """One gateway, and workers that come and go."""

    def __init__(self, real: str = "", lost_after_s: float = 20.0, **settings: Any) -> None:
        """The engine is a fake, or the `real` one of this name with these settings."""
        self.link = FakeLink()
        self.scheduler = Scheduler(4, time.monotonic)
        self._name = real or "fake"
        self._settings = {"stt": {"provider": self._name}, **settings}
        registry = CollectorRegistry()
        settings_of_tier = DecodeSettings(
            tier="ray", address="there:1", heartbeat_s=0.05, lost_after_s=lost_after_s
        )
        self.workers = Workers(self.link, settings_of_tier, self.scheduler, TierMetrics(registry))
        self.engines: dict[str, FakeWindowEngine] = {}
        self.metric = registry.get_sample_value
        self._group: TaskGroup | None = None
        self._numbers = itertools.count(1)

    async def add(self, script: WindowScript | None = None, *, cores: int = 1) -> str:
        """A worker joins and is found; its name."""
        name = f"worker-{next(self._numbers)}"
        settings = Settings.model_validate({**self._settings, "scheduler": {"cores": cores}})
        worker = DecodeWorker(settings, self._register(name, script))
        assert self._group is not None
        await self._group.start(self._run_worker, worker)
        self.link.add(name, worker.answer)
        await self.until(lambda: name in self.workers.names)
        return name

    async def until(self, holds: Callable[[], object]) -> None:
        """As `until`."""
        await until(holds)

    def build(self) -> SttProvider:
        """The engine as the gateway's services see it."""
        offered = offer_remote(self._register("", None), self.workers, self.scheduler)
        provider: SttProvider = offered[self._name].load()(Settings())
        return provider

    def _register(self, worker: str, script: WindowScript | None) -> dict[str, Registration]:
        if self._name != "fake":
            return {self._name: list_stt_registrations()[self._name]}
        engine = self.engines[worker] = FakeWindowEngine(script)
        return {"fake": Registration("fake", lambda: lambda _: engine, "test")}

    async def open(self) -> RemoteWindowSession:
        session = await self.build().open_session(SttConfig())
        assert isinstance(session, RemoteWindowSession)
        return session

    async def decode(
        self, session: RemoteWindowSession, priority: Priority = Priority.FINAL, number: int = 1
    ) -> WindowResult:
        """One decode in the scheduler's turn."""
        samples = make_speech(3)
        request = WindowRequest(
            samples=samples, speech_samples=len(samples), final=priority is Priority.FINAL, window="short"
        )
        job = Job(number, priority, 1.0, self.scheduler.now() + 10, "fake")
        return await self.scheduler.run(job, lambda: session.decode(request))

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Cluster"]:
        """The gateway, and what joins it, until the block ends."""
        async with anyio.create_task_group() as self._group, self.workers.run():
            yield self
            self._group.cancel_scope.cancel()

    @staticmethod
    async def _run_worker(worker: DecodeWorker, *, task_status: TaskStatus[None]) -> None:
        async with worker.run():
            task_status.started()
            await anyio.sleep_forever()

    def release(self) -> None:
        """Let all decodes that are held go on, and those that have not come so far yet."""
        for engine in self.engines.values():
            engine.script.hold = lambda _: False
            for session in engine.sessions:
                for held in session.held:
                    held.set()

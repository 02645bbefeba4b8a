"""What engines cost on this machine: measured at warm-up where that was never done, kept in the data folder."""

import logging
from collections import defaultdict

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import PrompterError
from app.providers.base import MeasurableSttProvider, SttProvider
from app.providers.boundary import ProviderBoundary
from app.services.decoding.admission import EngineCost
from app.services.decoding.cost_file import CostFile, describe_machine
from app.services.decoding.scheduler import Scheduler

logger = logging.getLogger(__name__)


class EngineCosts:
    """Tells the scheduler what a session of an engine costs before anybody has spoken to it."""

    def __init__(self, settings: Settings, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._file = CostFile(settings.data_dir, describe_machine(scheduler.cores))
        self._was_read = False
        self._locks: dict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._unmeasurable: set[str] = set()

    async def learn(self, provider: SttProvider, model: str | None) -> str:
        """Make the cost of an engine with this model known; returns the name under which the scheduler has it.

        The engine has loaded the model. Concurrent calls measure it once.
        """
        if not isinstance(provider, MeasurableSttProvider):
            engine = provider.name
            async with self._locks[""]:
                await self._read()
            return engine
        engine = f"{provider.name}/{provider.cost_key(model)}"
        async with self._locks[engine]:
            async with self._locks[""]:
                await self._read()
            if self._scheduler.engine_cost(engine).warm_up_rate is None and engine not in self._unmeasurable:
                await self._measure(provider, model, engine)
        return engine

    async def read_rates(self, provider: str) -> dict[str, float]:
        """Core seconds per second of speech, by model of this engine, where that was measured on this machine."""
        async with self._locks[""]:
            await self._read()
        costs = self._scheduler.engine_costs.items()
        return {
            engine.removeprefix(f"{provider}/").partition(" (")[0]: cost.rate
            for engine, cost in costs
            if engine.startswith(f"{provider}/") and cost.warm_up_rate is not None
        }

    async def store(self) -> None:
        """Write all costs to the data folder; nothing where none is known."""
        costs = {
            engine: cost for engine, cost in self._scheduler.engine_costs.items() if cost != EngineCost()
        }
        if costs:
            await run_sync(self._file.write, costs)

    async def _read(self) -> None:
        if not self._was_read:
            self._scheduler.engine_costs.update(await run_sync(self._file.read))
            self._was_read = True

    async def _measure(self, provider: MeasurableSttProvider, model: str | None, engine: str) -> None:
        try:
            with ProviderBoundary(provider.name):
                rate = await provider.measure_cost(model)
        except PrompterError as error:
            logger.warning("the cost of %s could not be measured: %s", engine, error.message)
            self._unmeasurable.add(engine)
            return
        logger.info("%s takes %.3f core seconds for a second of speech", engine, rate)
        self._scheduler.engine_cost(engine).warm_up_rate = rate
        await self.store()

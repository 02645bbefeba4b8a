"""A decode worker: engines with their weights, and a scheduler for what all gateways ask of them."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio

from app import __version__
from app.core.config import Settings
from app.core.errors import EngineFailed, PrompterError, ProviderNotReady
from app.core.supervision import Supervisor, reraise_cancellation
from app.providers.base import (
    ContinuingSttSession,
    MeasurableSttProvider,
    RawSttSession,
    SttConfig,
    WindowSttSession,
)
from app.providers.boundary import ProviderBoundary
from app.providers.registry import Registration, list_stt_registrations
from app.services.decoding.policy import Job, Priority, Shed
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler, current_ticket, make_scheduler
from app.services.tier.calls import (
    Answer,
    AnyAnswer,
    Call,
    CloseStream,
    Decode,
    DecodeContinuation,
    DecodeWindow,
    EngineState,
    HearStream,
    Look,
    MeasureCost,
    OpenedSession,
    OpenSession,
    StartEngine,
    Value,
    WorkerState,
)
from app.services.tier.worker_sessions import WorkerSession, WorkerSessions

logger = logging.getLogger(__name__)

STATES_S = 1.0
"""For how long the states of engines that were looked at are told to others, too (s)."""
GATEWAY_S = 10.0
"""A gateway that has not looked for so long has no load any more (s)."""


class DecodeWorker:
    """Answers the calls of gateways. `answer` is all that a link needs of it; it raises nothing but cancellation."""

    def __init__(
        self,
        settings: Settings,
        registrations: Mapping[str, Registration] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        known = list_stt_registrations() if registrations is None else registrations
        self._now = now
        self._scheduler = make_scheduler(settings.scheduler)
        self._engines = SttProviders(settings, self._scheduler, known)
        self._sessions = WorkerSessions(self._scheduler, self._engines.get, now)
        self._loads: dict[str, tuple[float, float]] = {}
        """What each gateway's sessions take, and when it told that."""
        self._states: dict[str, EngineState] = {}
        self._looked_at: float | None = None
        self._tasks = Supervisor("decode worker")

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Load the default engine, then answer until the block ends."""
        try:
            async with self._tasks.run():
                await self._engines.warm_up()
                self._states = (
                    await self._read_states()
                )  # two gateways may look at once, and neither finds nothing
                self._tasks.start_loop("default engine", self._engines.keep_warm)
                self._tasks.start_loop("idle sessions", self._sessions.sweep)
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._sessions.aclose()
                await self._engines.aclose()

    @property
    def busy(self) -> int:
        """Decodes that run and wait."""
        return self._scheduler.running + self._scheduler.waiting

    async def answer(self, call: Call) -> AnyAnswer:
        """Do what a gateway asks."""
        answer: AnyAnswer
        try:
            answer = await self._do(call)
        except Shed:
            answer = Answer(is_shed=True)
        except PrompterError as error:
            answer = Answer(error=error)
        except BaseException as error:  # a gateway gets an answer whatever happens
            reraise_cancellation(error)
            logger.exception("a call of a gateway failed")
            answer = Answer(error=EngineFailed("the decode worker failed; its log says why"))
        return replace(answer, busy=self.busy)

    async def _do(self, call: Call) -> AnyAnswer:
        match call:
            case DecodeWindow() | DecodeContinuation() | HearStream():
                return await self._decode(call)
            case CloseStream():
                await self._sessions.close_stream(call.place, call.stream)
                return Answer()
            case _:
                return Answer(value=await self._tell(call))

    async def _tell(self, call: Look | StartEngine | MeasureCost | OpenSession) -> Value:
        match call:
            case Look():
                return await self._look(call)
            case OpenSession():
                return await self._open(call.engine, call.config)
        provider = await self._engines.get(call.engine)
        with ProviderBoundary(provider.name):
            await provider.start()
            if isinstance(call, StartEngine):
                return None
            if not isinstance(provider, MeasurableSttProvider):
                raise ProviderNotReady(f"the engine {provider.name!r} does not tell what it costs")
            return await provider.measure_cost(call.model)

    async def _decode(self, call: Decode) -> AnyAnswer:
        session = await self._sessions.find(call.place, is_live=call.turn.is_live)
        with session.in_use():
            if isinstance(call, HearStream):
                return await session.hear(call)
            return await self._decode_window(session, call)

    async def _decode_window(
        self, session: WorkerSession, call: DecodeWindow | DecodeContinuation
    ) -> AnyAnswer:
        engine = cast("WindowSttSession", session.engine)
        waited_s = 0.0

        async def decode() -> Any:
            nonlocal waited_s
            ticket = current_ticket.get()
            assert ticket is not None
            waited_s = ticket.waited_s
            with ProviderBoundary(call.place.engine):
                if isinstance(call, DecodeContinuation):
                    return await cast("ContinuingSttSession", engine).decode_continuation(
                        call.request, call.told
                    )
                return await engine.decode(call.request)

        value = await self._scheduler.run(make_job(self._scheduler, session.number, call), decode)
        return Answer(value=value, waited_s=waited_s)

    async def _open(self, engine: str, config: SttConfig) -> OpenedSession:
        """Open a session to see whether it can be, and close it: sessions are opened again where they decode."""
        provider = await self._engines.get(engine)
        with ProviderBoundary(provider.name):
            await provider.start()
            session = await provider.open_session(config)
            model = getattr(session, "model", None) or next(iter(provider.models()), None)
            await session.aclose()
        match session:
            case RawSttSession():
                raise ProviderNotReady(f"the engine {engine!r} hears raw audio, which no worker gets")
            case WindowSttSession():
                is_continuing = isinstance(session, ContinuingSttSession)
                return OpenedSession(kind="continuing" if is_continuing else "window", model=model)
        return OpenedSession(kind="stream", model=model)

    async def _look(self, look: Look) -> WorkerState:
        now = self._now()
        self._loads = {key: row for key, row in self._loads.items() if now - row[1] < GATEWAY_S}
        self._loads[look.gateway] = look.load, now
        if self._looked_at is None or now - self._looked_at > STATES_S:
            self._looked_at = now
            self._states = await self._read_states()
        return WorkerState(
            version=__version__,
            slots=self._scheduler.cores,
            engines=self._states,
            load_elsewhere=sum(load for key, (load, _) in self._loads.items() if key != look.gateway),
        )

    async def _read_states(self) -> dict[str, EngineState]:
        return {
            provider.name: EngineState(
                status=status, models=tuple(models), capabilities=provider.capabilities
            )
            for provider, status, models in await self._engines.probe_all()
        }


def make_job(scheduler: Scheduler, session: int, call: Decode) -> Job:
    """The worker's job for a decode. Its eager finals are as urgent as finals: most of them become one."""
    turn = call.turn
    return Job(
        session=session,
        priority=Priority.FINAL if turn.priority is Priority.EAGER else turn.priority,
        audio_s=turn.audio_s,
        deadline=scheduler.now() + turn.within_s,
        cost_key=turn.cost_key,
    )

"""An engine of the decode workers, as the services of a gateway see it: the protocols of `providers/base.py`."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from app.core.config import Settings
from app.core.notes import Note, NoteCode
from app.providers.base import (
    Hypothesis,
    MeasurableSttProvider,
    ProviderStatus,
    RawSttSession,
    Samples,
    SttCapabilities,
    SttConfig,
    SttProvider,
    SttSession,
    ToldSpeech,
    Transcript,
    WindowRequest,
    WindowResult,
    WindowSttSession,
)
from app.providers.registry import Registration
from app.schemas.providers import ProviderState
from app.services.decoding.policy import Priority
from app.services.decoding.scheduled_stream import is_scheduled
from app.services.decoding.scheduler import Scheduler, current_ticket
from app.services.tier.calls import (
    Call,
    CloseStream,
    DecodeContinuation,
    DecodeWindow,
    HeardStream,
    HearStream,
    MeasureCost,
    OpenedSession,
    OpenSession,
    Place,
    StartEngine,
    Turn,
)
from app.services.tier.workers import Deaths, Workers, make_no_worker_error

_BEST = (ProviderState.READY, ProviderState.LOADING)


def offer_remote(
    registrations: Mapping[str, Registration], workers: Workers, scheduler: Scheduler
) -> dict[str, Registration]:
    """The same engines, decoding on the workers; those that take no core of this machine stay as they are."""

    def wrap(registration: Registration) -> Registration:
        def load() -> Callable[[Settings], SttProvider]:
            build = registration.load()

            def build_remote(settings: Settings) -> SttProvider:
                local: SttProvider = build(settings)
                if not is_scheduled(local.capabilities):
                    return local
                kind = MeasurableRemoteEngine if isinstance(local, MeasurableSttProvider) else RemoteEngine
                return kind(local, workers, scheduler)

            return build_remote

        return replace(registration, load=load)

    return {name: wrap(registration) for name, registration in registrations.items()}


class RemoteEngine:
    """A `SttProvider` whose weights are at the workers. The local engine gives its name alone, and loads nothing."""

    def __init__(self, local: SttProvider, workers: Workers, scheduler: Scheduler) -> None:
        self.name = local.name
        self.type = local.type
        self.capabilities: SttCapabilities = local.capabilities
        self._local = local
        self._workers = workers
        self._scheduler = scheduler

    async def status(self) -> ProviderStatus:
        """The state at the worker where it is best; it also brings the capabilities up to date."""
        found = self._workers.find_engines(self.name)
        self.capabilities = found[0].capabilities if found else self._local.capabilities
        states = [state.status for state in found]
        if not states:
            return ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description="no decode worker has it; start one with `prompter worker`",
                note=Note(NoteCode.NO_WORKER),
            )
        return min(states, key=lambda each: _BEST.index(each.state) if each.state in _BEST else len(_BEST))

    def models(self) -> list[str]:
        """Those that some worker has, the default of the first one first."""
        states = self._workers.find_engines(self.name)
        return list(dict.fromkeys(model for state in states for model in state.models))

    async def start(self) -> None:
        await self._ask(StartEngine(engine=self.name), None)

    async def open_session(self, config: SttConfig) -> SttSession | WindowSttSession | RawSttSession:
        opened: OpenedSession = await self._ask(OpenSession(engine=self.name, config=config), config.model)
        if config.model is None:
            config = replace(config, model=opened.model)  # so that every worker decodes with the same
        match opened.kind:
            case "continuing":
                return ContinuingRemoteSession(self._workers, self._scheduler, self.name, config)
            case "window":
                return RemoteWindowSession(self._workers, self._scheduler, self.name, config)
        return RemoteSession(self._workers, self._scheduler, self.name, config)

    async def aclose(self) -> None:
        await self._local.aclose()

    async def _ask(self, call: Call, model: str | None) -> Any:
        """
        Raises:
            ProviderNotReady: no worker has the engine.
        """
        if not self._workers.find_engines(self.name):
            raise make_no_worker_error(self.name)
        known = model if model in self.models() else None  # a worker says what is wrong with another name
        return await self._workers.ask(lambda _: call, self.name, known)


class MeasurableRemoteEngine(RemoteEngine):
    """One whose cost a worker can measure."""

    def cost_key(self, model: str | None) -> str:
        """As `MeasurableSttProvider.cost_key`."""
        return f"{model or next(iter(self.models()), None)} on workers"

    async def measure_cost(self, model: str | None) -> float:
        """As `MeasurableSttProvider.measure_cost`, by the worker that has least to do."""
        return cast("float", await self._ask(MeasureCost(engine=self.name, model=model), model))


class _Remote:
    """What sessions have in common: their place, and the turn of a decode."""

    _numbers = itertools.count(1)

    def __init__(self, workers: Workers, scheduler: Scheduler, engine: str, config: SttConfig) -> None:
        self.model = config.model
        self._workers = workers
        self._scheduler = scheduler
        self._engine = engine
        self._place = Place(
            gateway=workers.gateway, session=next(self._numbers), engine=engine, config=config
        )
        self._worker: str | None = None
        """The worker that was asked last: it has what it needs for this session."""
        self._deaths = Deaths()

    async def aclose(self) -> None:
        """Workers forget sessions that are not asked for."""

    def _turn(self) -> Turn:
        ticket = current_ticket.get()
        if ticket is None:
            return Turn()
        job = ticket.job
        is_awaited = self._scheduler.is_awaited(job.session)
        return Turn(
            priority=ticket.priority if is_awaited else Priority.FILE,
            audio_s=job.audio_s,
            within_s=max(job.deadline - self._scheduler.now(), 0.0),
            cost_key=job.cost_key,
        )

    async def _ask(self, make_call: Callable[[str], Call], near: str | None = None) -> Any:
        def note(worker: str) -> Call:
            call = make_call(worker)
            self._worker = worker
            return call

        return await self._workers.ask(note, self._engine, self.model, near=near, deaths=self._deaths)


class RemoteWindowSession(_Remote):
    """A `WindowSttSession`: each decode goes to the worker that has least to do."""

    async def decode(self, request: WindowRequest) -> WindowResult:
        call = DecodeWindow(place=self._place, turn=self._turn(), request=request)
        return cast("WindowResult", await self._ask(lambda _: call))


class ContinuingRemoteSession(RemoteWindowSession):
    """A `ContinuingSttSession` besides."""

    async def decode_continuation(self, request: WindowRequest, told: ToldSpeech) -> WindowResult | None:
        call = DecodeContinuation(place=self._place, turn=self._turn(), request=request, told=told)
        return cast("WindowResult | None", await self._ask(lambda _: call))


class RemoteSession(_Remote):
    """A `SttSession` of an incremental engine: an utterance stays with one worker while that is there."""

    def __init__(self, workers: Workers, scheduler: Scheduler, engine: str, config: SttConfig) -> None:
        super().__init__(workers, scheduler, engine, config)
        self.state: str | None = None
        """As of `PortableSttSession`: it travels with each utterance."""
        self._utterances = itertools.count(1)

    async def open_stream(self) -> "RemoteStream":
        return RemoteStream(self, next(self._utterances))

    async def hear(self, stream: "RemoteStream", speech_samples: int | None = None) -> HeardStream:
        """Send a worker what it has not heard of an utterance; another worker, all of it."""
        turn, sent = self._turn(), len(stream)

        def make_call(worker: str) -> HearStream:
            begins_at = stream.heard if worker == stream.worker else 0
            stream.worker = worker
            return HearStream(
                place=self._place,
                turn=turn,
                stream=stream.number,
                state=stream.state,
                begins_at=begins_at,
                samples=stream.audio_from(begins_at),
                speech_samples=speech_samples,
            )

        heard: HeardStream = await self._ask(make_call, near=stream.worker)
        if not heard.is_known:
            stream.heard = 0
            heard = await self._ask(make_call, near=stream.worker)
        stream.heard = sent
        return heard

    async def close(self, stream: "RemoteStream") -> None:
        """Tell the worker that nobody wants the utterance."""
        if stream.worker is not None:
            call = CloseStream(place=self._place, stream=stream.number)
            self._workers.tell(stream.worker, call)


class RemoteStream:
    """One utterance. It keeps its audio until the end: a worker that is lost costs time, and no word."""

    def __init__(self, session: RemoteSession, number: int) -> None:
        self.number = number
        self.state = session.state
        self.worker: str | None = None
        self.heard = 0
        """Samples that the worker has heard."""
        self._session = session
        self._audio = np.empty(0, np.int16)
        self._pieces: list[Samples] = []
        self._length = 0
        self._is_over = False

    def __len__(self) -> int:
        return self._length

    def audio_from(self, sample: int) -> Samples:
        """The audio from this sample on."""
        if self._pieces:
            self._audio = np.concatenate((self._audio, *self._pieces))
            self._pieces.clear()
        return self._audio[sample:]

    async def accept(self, samples: Samples) -> Hypothesis | None:
        self._pieces.append(samples.copy())
        self._length += len(samples)
        return (await self._session.hear(self)).hypothesis

    async def finish(self, speech_samples: int) -> Transcript:
        heard = await self._session.hear(self, speech_samples)
        assert heard.transcript is not None
        self._is_over = True
        self._session.state = heard.state
        return heard.transcript

    async def aclose(self) -> None:
        if not self._is_over:
            await self._session.close(self)

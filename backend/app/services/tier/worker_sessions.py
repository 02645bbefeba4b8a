"""The sessions and utterances that gateways have open at a worker, and their end when nobody asks for them."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from app.providers.base import PortableSttSession, RawSttSession, SttProvider, SttSession, WindowSttSession
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.decoding.scheduled_stream import ScheduledStream
from app.services.decoding.scheduler import Scheduler
from app.services.tier.calls import Answer, AnyAnswer, HeardStream, HearStream, Place

IDLE_S = 120.0
"""A session that nobody has asked for this long is closed; it is opened again when it is asked (s)."""
SWEEP_S = 10.0
"""How often is looked for such sessions (s)."""


@dataclass(slots=True)
class _Utterance:
    """One utterance of an incremental engine."""

    stream: ScheduledStream
    session: SttSession
    heard: int = 0
    """Samples that the engine has."""


class WorkerSession:
    """One session of a gateway: its number at the scheduler, and what its engine holds for it."""

    def __init__(self, place: Place, provider: SttProvider, scheduler: Scheduler, *, is_live: bool) -> None:
        self.place = place
        self.engine: WindowSttSession | None = None
        """Of a whole-window engine."""
        self.number = scheduler.new_session(place.engine, live=is_live)
        self.used_at = 0.0
        self._scheduler = scheduler
        self._provider = provider
        self._is_live = is_live
        self._users = 0
        self._hearing = anyio.Lock()
        self._utterances: dict[int, _Utterance] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no call of it runs."""
        return self._users == 0

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Around a call: the session is not closed meanwhile."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    async def open(self) -> None:
        """Open the engine's session, where it is one for all utterances.

        Raises:
            EngineFailed, UnknownModel, and other errors of the engine.
        """
        session = await self._open_engine()
        if isinstance(session, WindowSttSession):
            self.engine = session
        else:
            await close_provider(self.place.engine, session.aclose())

    async def hear(self, call: HearStream) -> AnyAnswer:
        """Give an incremental engine the next audio of an utterance, or all of it."""
        async with self._hearing:
            return await self._hear(call)

    async def _hear(self, call: HearStream) -> AnyAnswer:
        found = self._utterances.get(call.stream)
        if found is None or found.heard != call.begins_at:
            await self._close(call.stream)
            if call.begins_at:
                return Answer(value=HeardStream(is_known=False))
            found = await self._begin(call)
        found.heard += len(call.samples)
        waited_s = found.stream.waited_s
        try:
            heard = await self._feed(found, call)
            return Answer(value=heard, waited_s=found.stream.waited_s - waited_s)
        except BaseException:
            await self._close(call.stream)  # nobody knows how much of it was heard
            raise

    async def close_stream(self, number: int) -> None:
        """Forget an utterance, after its call has returned."""
        async with self._hearing:
            await self._close(number)

    async def _close(self, number: int) -> None:
        if found := self._utterances.pop(number, None):
            await close_provider(self.place.engine, found.stream.aclose())
            await close_provider(self.place.engine, found.session.aclose())

    async def aclose(self) -> None:
        """Close everything of the session."""
        for number in list(self._utterances):
            await self.close_stream(number)
        if self.engine is not None:
            await close_provider(self.place.engine, self.engine.aclose())
        self._scheduler.forget(self.number)

    async def _begin(self, call: HearStream) -> _Utterance:
        session = await self._open_engine()
        assert not isinstance(session, WindowSttSession)
        if isinstance(session, PortableSttSession):
            session.state = call.state
        with ProviderBoundary(self.place.engine):
            stream = await session.open_stream()
        scheduled = ScheduledStream(
            stream, self._scheduler, self.number, self.place.engine, live=self._is_live
        )
        self._utterances[call.stream] = _Utterance(stream=scheduled, session=session)
        return self._utterances[call.stream]

    async def _feed(self, utterance: _Utterance, call: HearStream) -> HeardStream:
        with ProviderBoundary(self.place.engine):
            hypothesis = await utterance.stream.accept(call.samples)
            if call.speech_samples is None:
                return HeardStream(hypothesis=hypothesis)
            transcript = await utterance.stream.finish(call.speech_samples)
        session = utterance.session
        state = session.state if isinstance(session, PortableSttSession) else None
        await self._close(call.stream)
        return HeardStream(transcript=transcript, state=state)

    async def _open_engine(self) -> SttSession | WindowSttSession:
        with ProviderBoundary(self.place.engine):
            await self._provider.start()
            session = await self._provider.open_session(self.place.config)
        assert not isinstance(session, RawSttSession)
        return session


class WorkerSessions:
    """All sessions of a worker, by gateway and number. A gateway need not close them, since it may die."""

    def __init__(
        self,
        scheduler: Scheduler,
        find_provider: Callable[[str], Awaitable[SttProvider]],
        now: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._find_provider = find_provider
        self._now = now
        self._sessions: dict[tuple[str, int], WorkerSession] = {}
        self._opening: dict[tuple[str, int], anyio.Event] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def find(self, place: Place, *, is_live: bool) -> WorkerSession:
        """The session of this place, opened now if need be.

        Raises:
            UnknownProvider, EngineFailed, and other errors of the engine.
        """
        key = place.gateway, place.session
        while (found := self._sessions.get(key)) is None:
            if (opening := self._opening.get(key)) is not None:
                await opening.wait()  # it may fail: then this call tries
                continue
            self._opening[key] = anyio.Event()
            try:
                self._sessions[key] = await self._open(place, is_live=is_live)
            finally:
                self._opening.pop(key).set()
        found.used_at = self._now()
        return found

    async def _open(self, place: Place, *, is_live: bool) -> WorkerSession:
        provider = await self._find_provider(place.engine)
        made = WorkerSession(place, provider, self._scheduler, is_live=is_live)
        try:
            await made.open()
        except BaseException:
            await made.aclose()
            raise
        return made

    async def close_stream(self, place: Place, number: int) -> None:
        """Forget an utterance that its gateway does not want any more."""
        if found := self._sessions.get((place.gateway, place.session)):
            await found.close_stream(number)

    async def sweep(self) -> None:
        """Close what nobody has asked for long; runs until cancelled."""
        while True:
            await anyio.sleep(SWEEP_S)
            await self.close_idle()

    async def close_idle(self) -> None:
        """Close the sessions that nobody has asked for `IDLE_S`."""
        now = self._now()
        for key, session in list(self._sessions.items()):
            if session.is_idle and now - session.used_at > IDLE_S:
                del self._sessions[key]
                await session.aclose()

    async def aclose(self) -> None:
        """Close all sessions."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.aclose()

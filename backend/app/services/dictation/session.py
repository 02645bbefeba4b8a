"""A live speech session without I/O: messages in, typed events out, one dictation after another, and its timers."""

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, cast
from uuid import UUID

import anyio
import orjson

from app.core.config import Settings, VadSettings
from app.core.errors import (
    AlreadyStarted,
    AudioSeqMismatch,
    IdleTimeout,
    NotStarted,
    PrompterError,
    SampleRateChanged,
    SessionTooLong,
    SlowReader,
    StorageUnavailable,
)
from app.core.metrics import Observer
from app.providers.base import SAMPLE_RATE_HZ, SAMPLES_PER_MS, RawSttSession, SttConfig, SttProvider
from app.schemas.speech_socket import Auth, EndpointingConfig, Flush, Ping, Resume, Start, StartConfig
from app.services.audio.pcm import OddByteCarry
from app.services.decoding.languages import choose_languages
from app.services.decoding.providers import SttProviders
from app.services.decoding.utterance import OpenEngine, open_engine
from app.services.dictation.dictation import SegmentedDictation
from app.services.dictation.events import (
    EngineInfo,
    Event,
    EventBuilder,
    Keeping,
    ReadyEvent,
    error_event,
    pong_event,
    resumed_event,
    status_event,
)
from app.services.dictation.journal import JournalWriter, SessionJournal
from app.services.dictation.latency_meter import Meter, SessionTotals
from app.services.dictation.messages import check_size, parse_control, parse_json, parse_pcm, parse_seq
from app.services.dictation.outbox import Connection, Outbox
from app.services.dictation.passthrough import PassthroughDictation
from app.services.dictation.progress import LOADING_S, Progress
from app.services.dictation.recovery import TOLD_MS, Claim, Recovery, record_moved
from app.services.dictation.session_state import HeardState, SessionAbout, SessionState, dump_state
from app.services.dictation.spool import AudioSpool, SpooledAudio
from app.services.history.dictation_writer import DictationRecorder, DictationStore
from app.storage.audio_spool import SpooledDictation
from app.storage.session_log import LoggedSession, SessionBeginning
from app.utils.ids import parse_id

logger = logging.getLogger(__name__)

ACK_EVERY_S = 1.0

EVERYTHING = 2**62
"""No audio of a dictation that has ended is needed."""

PROBE_AT = 0.75
"""Part of the stall limit after which the line of a client without audio is probed. That is more than the time between
two chunks: whoever answers, and has sent none, is silent. On most networks the answer comes before the limit."""


class SpeechSession:
    """One client's session. The door passes each message to `receive` and sends what `events` yields.

    It outlives its socket: a client that was lost may come back on another one. The session manager owns it, runs its
    dictations (`run_soon`) and gives each dictation its resume token (`issue_token`). A translator of another
    protocol calls `start`, `feed`, `flush` and `stop` in place of `receive`.
    """

    def __init__(
        self,
        settings: Settings,
        engines: SttProviders,
        store: DictationStore,
        spool: AudioSpool,
        recovery: Recovery,
        owner: UUID,
        observer: Observer,
        *,
        run_soon: Callable[["SpeechSession", Callable[[], Coroutine[Any, Any, None]]], None],
        issue_token: Callable[["SpeechSession", str | None], str],
        journals: JournalWriter | None = None,
        on_lost: Callable[["SpeechSession"], None] = lambda session: None,  # noqa: ARG005
    ) -> None:
        """`journals`: where what another server needs is written; None for a session that ends with its socket.
        `on_lost` is called when another server has taken the session."""
        self._settings = settings
        self._limits = settings.limits
        self._engines = engines
        self._store = store
        self._spool = spool
        self._recovery = recovery
        self.owner = owner
        """The user who speaks: nobody else can resume this session."""
        self._observer = observer
        self._outbox = Outbox(settings.limits.outbound_events, settings.limits.resume_events)
        self.totals = SessionTotals()
        self._run_soon = run_soon
        self._issue_token = issue_token
        self._journals = journals
        self._on_lost = on_lost
        self._journal: SessionJournal | None = None
        self._tokens: list[tuple[str, str | None]] = []
        """Hashes of the tokens that are valid, with their labels, the last one at the end."""
        self._is_deaf = False
        """Whether messages are left for another server: the client sends them again there."""
        self.is_left = False
        """Whether another server has the session, or is to go on with it: nothing is heard here any more."""
        self._dictation: SegmentedDictation | PassthroughDictation | None = None
        self._draining: SegmentedDictation | PassthroughDictation | None = None
        self._recorder: DictationRecorder | None = None
        """Of the dictation that was started last."""
        self._begin_row: Callable[[], None] | None = None
        """To be called with its first audio."""
        self._config = StartConfig()
        self._carry = OddByteCarry()
        self._rate_hz: int | None = None
        self._audio_seq = 0
        self._ready: ReadyEvent | None = None
        self._last_message = self._last_audio = self._last_ack = time.monotonic()
        self._stall_s = self._limits.stall_s
        self._probed_at = self._last_audio
        self._opening_since: float | None = None
        """Since when an engine is being opened for a client that is to be told."""
        self._is_awaited = True
        """Whether a client is there, as far as anybody knows."""
        self.running: set[anyio.CancelScope] = set()
        """Around each dictation that still holds an engine."""
        self._dictation_ended = anyio.Event()
        self.dictation_id: UUID | None = None
        """Of the dictation that goes on here."""
        self._is_given_up = False
        self.failure: PrompterError | None = None
        """Why no dictation can go on here any more."""

    # -- messages in

    async def receive(self, message: str | bytes) -> Auth | Resume | None:
        """Take one message of the client. A mistake of the client is answered with an `error` event.

        Returns the message where it concerns the socket and not the session, and is for the door to handle.

        Raises:
            PrompterError: a fatal one; the door tells the client and closes the socket.
        """
        self.note_message()
        if self._is_deaf:
            return None
        try:
            check_size(message, self._limits.message_bytes)
            if isinstance(message, bytes):
                self._count_audio(None)
                await self.feed(self._carry.push(message), self._config.sample_rate)
                return None
            body = parse_json(message)
            if body.get("type") != "audio":
                return await self._control(body)
            self._count_audio(parse_seq(body))
            await self.feed(parse_pcm(body), body["sample_rate"])
        except PrompterError as error:
            if error.fatal:
                raise
            self.report(error)
        return None

    def note_message(self) -> None:
        """A message of the client has come: it is there. A translator calls this in place of `receive`."""
        self._last_message = time.monotonic()
        if not self._is_awaited and self._outbox.connection is not None:
            self._set_awaited(is_awaited=True)  # its line was lost, and has come back

    @property
    def silent_s(self) -> float:
        """How long no message has come (s)."""
        return time.monotonic() - self._last_message

    async def start(
        self, session_id: str | None, config: StartConfig, *, vad: VadSettings | None = None
    ) -> None:
        """Begin a dictation and emit `ready`. `vad` replaces the detector's settings for it.

        Raises:
            AlreadyStarted; and what `open_engine` raises.
        """
        if self._dictation is not None:
            raise AlreadyStarted("this socket has a dictation going on; send `stop` first")
        if self._draining is not None:
            await self._draining.done.wait()
        wanted = self._make_stt_config(config)
        self._opening_since = time.monotonic() if "status" in config.events else None
        continued = parse_id(config.continues_dictation or "") if config.store else None
        is_known = continued is not None and await self._recovery.knows(self.owner, continued)
        try:
            engine = await open_engine(
                self._engines, self._settings, config.provider, wanted, live=True, is_admitted=is_known
            )
        finally:
            self._opening_since = None
        self._config, self._carry, self._rate_hz, self._audio_seq = config, OddByteCarry(), None, 0
        self._outbox.session_id = session_id
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.aclose)  # where its client leaves meanwhile
            claim = await self._claim(session_id, continued, config) if continued is not None else None
            stack.pop_all()
        recorder = claim.recorder if claim else self._store.begin(self.owner, session_id, store=config.store)
        self._recorder = recorder
        token = self._issue_token(self, session_id)
        self._tokens = [*self._tokens[-1:], (hash_token(token).hex(), session_id)]
        is_raw = isinstance(engine.session, RawSttSession)
        base_ms = claim.base_ms if claim is not None else 0
        spooled: SpooledAudio | None = None
        meter = Meter(self._observer, engine.name, self.totals)
        builder = EventBuilder(
            _engine_info(engine.provider, wanted),
            self._outbox.emit,
            meter,
            requested=frozenset(config.events),
            words=config.words,
            keep=self._keep_final,
        )
        self._open_journal(recorder, builder, config, base_ms, may_survive=config.store and not is_raw)
        if isinstance(engine.session, RawSttSession):
            self._dictation = PassthroughDictation(
                engine.session, builder, self._outbox, self._settings, meter, partials=config.partials
            )
        else:
            silence_ms = self._silence_ms(config)
            settings = self._settings if vad is None else self._settings.model_copy(update={"vad": vad})
            if config.store:
                about = partial(self._describe, recorder, builder.info, wanted, base_ms)
                spooled = self._spool.begin(self.owner, about, recorder)
            self._dictation = SegmentedDictation(
                engine,
                builder,
                self._outbox,
                settings,
                meter,
                silence_ms=silence_ms,
                spooled=spooled,
                utterances_before=len(claim.finals) if claim is not None else 0,
            )
            self._dictation.is_logged = self._journal is not None
        keeping = Keeping(
            dictation_id=str(recorder.id) if config.store else None,
            spooled=spooled is not None,
            safe_ms=claim.safe_ms if claim is not None else None,
            from_ms=claim.from_ms if claim is not None else None,
            base_ms=base_ms,
            survives=self._journal is not None,
        )
        self._ready = builder.ready(wanted, engine.reason, token, keeping)
        self._last_audio = self._last_ack = time.monotonic()
        self.dictation_id = recorder.id
        self._recorder = recorder
        self._begin_row = partial(recorder.begin, builder.info.provider, builder.info.model)
        self._run_soon(self, partial(self._run, self._dictation, recorder, spooled))
        if claim is not None:
            await self._go_on(claim, builder)

    async def feed(self, pcm: bytes, rate_hz: int) -> None:
        """Take audio: PCM16 at `rate_hz`, whole samples.

        Raises:
            NotStarted, SampleRateChanged, SessionTooLong
        """
        dictation = self._require_dictation()
        if self._rate_hz is None:
            self._rate_hz = rate_hz
        elif rate_hz != self._rate_hz:
            raise SampleRateChanged(
                f"this dictation runs at {self._rate_hz} Hz, not {rate_hz}; keep the rate, or stop and start again"
            )
        if not pcm:
            return
        if self._begin_row is not None:
            self._begin_row()
            self._begin_row = None
        self._stall_s = max(self._limits.stall_s, 1.5 * len(pcm) / (2 * rate_hz))
        if self._journal is not None:
            self._journal.add_audio(pcm)
        try:
            await dictation.feed(pcm, rate_hz)
        except SessionTooLong:
            self._drain()
            await dictation.done.wait()
            raise
        finally:
            self._last_audio = time.monotonic()

    async def flush(self, flush_id: str | int | None) -> None:
        """Finalise what has been said so far.

        Raises:
            NotStarted
        """
        dictation = self._require_dictation()
        if self._journal is not None:
            self._journal.note_change(is_urgent=True)
        await dictation.flush(flush_id)

    def discard(self, utterance_ids: Collection[int] = ()) -> None:
        """Drop what is being said: it gets no text, and none is stored.

        Of `utterance_ids`, which may have ended, nothing is stored either, nor stays where it was stored.

        Raises:
            NotStarted
        """
        self._require_dictation().discard_utterance()
        if self._recorder is not None:
            self._recorder.withdraw(utterance_ids)

    def stop(self) -> None:
        """End the dictation; its finals and `stopped` follow.

        Raises:
            NotStarted
        """
        self._require_dictation().stop()
        self._drain()

    # -- events out

    def events(self) -> Iterator[Event]:
        """Take the events that are queued, in order. Whoever takes them sends them, one task at a time."""
        return self._outbox.events()

    @property
    def has_events(self) -> bool:
        """Whether an event is queued."""
        return self._outbox.pending > 0

    async def wait_for_room(self) -> None:
        """Wait while more than `limits.outbound_events` events are queued, which another task sends."""
        await self._outbox.wait_for_room()

    def report(self, error: PrompterError) -> None:
        """Emit an `error` event that the session survives."""
        self.count_error(error)
        self._outbox.emit(error_event(error, fatal=False))

    def count_error(self, error: PrompterError) -> None:
        """Count an error that the client gets."""
        self._observer.count_error(error.code)
        self.totals.failures += 1

    def last_event(self, error: PrompterError) -> Event:
        """The `error` event that closes one socket, behind all others; a resumed session does not repeat it."""
        return self._outbox.number(error_event(error, fatal=True))

    # -- connections

    def attach(self, connection: Connection) -> None:
        """Serve this connection from now on. The time without one does not count against the client."""
        self._outbox.attach(connection)
        self._set_awaited(is_awaited=True)
        self._last_message = self._last_audio = self._last_ack = time.monotonic()
        if self.failure is not None:
            connection.close(self.failure)

    def detach(self) -> None:
        """Keep events until there is a connection again; until then the engine serves all others first."""
        self._outbox.detach()
        self._set_awaited(is_awaited=False)

    def is_attached_to(self, connection: Connection) -> bool:
        """Whether the session serves this connection."""
        return self._outbox.connection is connection

    @property
    def has_started(self) -> bool:
        """Whether there has ever been a dictation."""
        return self._ready is not None

    @property
    def is_resumable(self) -> bool:
        """Whether a client may hold a token: a `ready` has left."""
        return self._ready is not None and self._outbox.seq >= self._ready["seq"]

    def can_replay(self, last_event_seq: int) -> bool:
        """Whether every event that counts after this one is still here."""
        return self._outbox.can_replay(last_event_seq)

    def replay(self, last_event_seq: int) -> None:
        """Emit `resumed`, and again what a client that has come back has missed."""
        resumed = resumed_event(self._audio_seq + 1, stopping=self._dictation is None)
        self._outbox.replay(last_event_seq, resumed)

    # -- the end

    def fail(self, failure: PrompterError) -> None:
        """An engine cannot go on: the client gets the error, now or when it comes back."""
        self.failure = failure
        if self._outbox.connection is not None:
            self._outbox.connection.close(failure)

    def signal_dictation_end(self) -> None:
        """A dictation no longer holds its engine."""
        self._dictation_ended.set()
        self._dictation_ended = anyio.Event()

    async def finish(self) -> None:
        """Finalise what was said, as if the client had sent `stop`; returns when every event of it is emitted."""
        if self._dictation is not None:
            self.stop()
        while self.running:
            await self._dictation_ended.wait()

    # -- other servers

    @property
    def survives(self) -> bool:
        """Whether another server can go on with it."""
        return self._journal is not None and self._journal.is_active

    @property
    def journal(self) -> SessionJournal | None:
        return self._journal

    def _open_journal(
        self,
        recorder: DictationRecorder,
        builder: EventBuilder,
        config: StartConfig,
        base_ms: int,
        *,
        may_survive: bool,
    ) -> None:
        """Write from now on what another server needs to go on; nothing of a dictation that is not stored."""
        if self._journals is None or not self._journals.is_running or not may_survive:
            self.close_journal()
            return
        if self._journal is None or not self._journal.is_active:
            self.close_journal()
            self._set_journal(None, 1)
        assert self._journal is not None
        recorder.is_shared = True
        earlier = self._tokens[-2] if len(self._tokens) > 1 else (None, None)
        about = SessionAbout(
            config=config.model_dump(mode="json"),
            provider=builder.info.provider,
            model=builder.info.model,
            started_at=recorder.started_at,
            base_ms=base_ms,
        )
        self._journal.begin(
            SessionBeginning(
                id=self._journal.id,
                epoch=self._journal.epoch,
                user_id=self.owner,
                dictation_id=recorder.id,
                run_id=self._journals.run_id,
                token_hash=self._tokens[-1][0],
                label=self._tokens[-1][1],
                earlier_token_hash=earlier[0],
                earlier_label=earlier[1],
                about=about.dump(),
            )
        )

    def _set_journal(self, session_id: UUID | None, epoch: int) -> None:
        assert self._journals is not None
        self._journal = self._outbox.journal = self._journals.open(
            session_id, epoch, self._read_state, self._outbox.notify, partial(self._on_lost, self)
        )

    def set_deaf(self) -> None:
        """Hear no message any more, because another server is about to go on with the session."""
        self._is_deaf = True

    def close_journal(self) -> None:
        """No other server can go on with it any more: it is over, or it stores nothing."""
        if self._journals is not None and self._journal is not None:
            self._journals.end(self._journal)
        self._journal = self._outbox.journal = None

    def leave_to_others(self) -> None:
        """Another server has it, or goes on with it: nothing more of it is stored or sent here."""
        self.is_left = True
        if self._recorder is not None:
            self._recorder.is_deleted = True
        if self._journals is not None and self._journal is not None:
            self._journals.leave(self._journal)

    def _read_state(self) -> dict[str, Any]:
        dictation = self._dictation or self._draining
        heard, needed, is_over = HeardState(), EVERYTHING, True
        if isinstance(dictation, SegmentedDictation) and not dictation.done.is_set():
            heard, is_over = dictation.read_state(), False
            needed = heard.find_lead(self._rate_hz or SAMPLE_RATE_HZ)[1]
        state = SessionState(
            seq=self._outbox.last_seq,
            audio_seq=self._audio_seq,
            rate_hz=self._rate_hz,
            odd=self._carry.odd.hex(),
            is_over=is_over,
            is_stopping=self._dictation is None,
            needed=needed,
            heard=heard,
            is_stored=self._recorder is not None and (self._recorder.is_stored or self._recorder.is_deleted),
        )
        return dump_state(state)

    def _keep_final(self, event: Mapping[str, Any]) -> None:
        """Store a final, once another server would tell it, too."""
        assert self._recorder is not None
        self._when_written(partial(self._recorder.add_final, event))

    def _when_written(self, call: Callable[[], None]) -> None:
        if self._journal is None:
            call()
        else:
            self._journal.then(call)

    async def open_logged(self, about: SessionAbout) -> tuple[OpenEngine, SttConfig]:
        """Open the engine of a session that another server had. Raises what `open_engine` raises."""
        config = StartConfig.model_validate(about.config)
        wanted = self._make_stt_config(config)
        engine = await open_engine(
            self._engines, self._settings, about.provider, wanted, live=True, is_admitted=True
        )
        return engine, wanted

    async def go_on(
        self,
        logged: LoggedSession,
        opened: tuple[OpenEngine, SttConfig] | None,
        last_event_seq: int,
        told_ms: int = 0,
    ) -> None:
        """Go on with a session that another server had, which has been taken.

        `told_ms`: what ends before has been told to the client, also where the log does not know of it.

        Raises:
            StorageUnavailable, SessionTaken, EngineFailed
        """
        about, state = SessionAbout.load(logged.about), SessionState.load(logged.state)
        self._config = StartConfig.model_validate(about.config)
        self._tokens = [(logged.token_hash, logged.label)]
        self._outbox.session_id = logged.label
        self._carry = OddByteCarry(bytes.fromhex(state.odd))
        self._rate_hz, self._audio_seq = state.rate_hz, state.audio_seq
        events: list[Event] = [orjson.loads(event) for event in logged.events]
        last_seq = max(state.seq, last_event_seq)
        self._outbox.go_on(events, last_seq=last_seq, lost_seq=state.lost_seq)
        for event in events:
            if event["type"] == "ready" and event["seq"] > last_event_seq:
                event["resume_token"] = token = self._issue_token(self, logged.label)
                self._tokens.append((hash_token(token).hex(), logged.label))
        self._ready = cast("ReadyEvent", {"type": "ready", "seq": 0})
        self._set_journal(logged.id, logged.epoch)
        assert self._journal is not None
        assert self._journals is not None
        self._journal.go_on(logged, state)
        if len(self._tokens) > 1:
            await self._journals.renew_token(logged, self._tokens[-1][0])
        recorder = await record_moved(self._store, logged, about, state)
        if opened is not None:
            await self._go_on_hearing(logged, about, state, recorder, opened, told_ms)
        else:
            recorder.end()

    async def _go_on_hearing(
        self,
        logged: LoggedSession,
        about: SessionAbout,
        state: SessionState,
        recorder: DictationRecorder,
        opened: tuple[OpenEngine, SttConfig],
        told_ms: int,
    ) -> None:
        (engine, wanted), config = opened, self._config
        meter = Meter(self._observer, engine.name, self.totals)
        builder = EventBuilder(
            EngineInfo(about.provider, about.model, _engine_info(engine.provider, wanted).lang),
            self._outbox.emit,
            meter,
            requested=frozenset(config.events),
            words=config.words,
            keep=self._keep_final,
        )
        if told_ms * SAMPLES_PER_MS > state.heard.told_end:
            builder.told_until_ms = told_ms + TOLD_MS
        first_ms = state.heard.find_lead(state.rate_hz or SAMPLE_RATE_HZ)[0] // SAMPLES_PER_MS
        described = partial(self._describe, recorder, builder.info, wanted, about.base_ms + first_ms)
        spooled = self._spool.begin(self.owner, described, recorder)
        dictation = SegmentedDictation(
            engine,
            builder,
            self._outbox,
            self._settings,
            meter,
            silence_ms=self._silence_ms(config),
            spooled=spooled,
        )
        dictation.is_logged = True
        dictation.go_on_decoding(state.heard)
        self._dictation, self._recorder, self.dictation_id = dictation, recorder, recorder.id
        self._begin_row = partial(recorder.begin, builder.info.provider, builder.info.model)
        self._run_soon(self, partial(self._run, dictation, recorder, spooled))
        if state.rate_hz is not None:
            self._begin_row()
            self._begin_row = None
            await dictation.hear_logged(state.heard, logged.audio, state.rate_hz)
        if state.is_stopping:
            self._drain()
        self._last_audio = self._last_ack = time.monotonic()

    def give_up(self) -> None:
        """The client has ended the session: what it has not been told is not wanted any more."""
        self._is_given_up = True

    async def cancel(self) -> None:
        """Free the engine without waiting for finals; returns when its running call has returned."""
        for scope in self.running:
            scope.cancel()
        while self.running:
            await self._dictation_ended.wait()

    # -- timers

    def tick(self, *, is_listening: bool, login_left_s: float | None = None) -> None:
        """Look at the clock: finalise for a stalled client, acknowledge, warn of limits, end what is idle.

        `is_listening`: the door waits for the client's next message; only then does silence count against it.
        `login_left_s`: until the caller's token expires; None where it does not.

        Raises:
            SlowReader, IdleTimeout
        """
        now = time.monotonic()
        connection = self._outbox.connection
        since = connection.sending_since if connection is not None else None
        if since is not None and now - since > self._limits.slow_reader_s:
            raise SlowReader(
                f"an event waited {self._limits.slow_reader_s:g} s for you to read it (limits.slow_reader_s)"
            )
        if self._dictation is not None:
            if self._dictation.is_speaking and is_listening and self._has_fallen_silent(now):
                self._dictation.finish_utterance()
            if now - self._last_ack >= ACK_EVERY_S:
                self._last_ack = now
                self._acknowledge(self._dictation)
            self._dictation.report_limits(now, login_left_s)
        self._report_progress(now)
        if is_listening:
            self._check_idle(now)
        else:
            self._last_message = now

    def _acknowledge(self, dictation: SegmentedDictation | PassthroughDictation) -> None:
        """A client forgets audio that is acknowledged: where another server may go on, that has to have it, too."""
        if self._journal is None or not self._journal.is_active:
            dictation.acknowledge(self._audio_seq)
        else:
            dictation.acknowledge(self._journal.logged_audio_seq, self._journal.position)

    def _report_progress(self, now: float) -> None:
        if self._opening_since is not None and now - self._opening_since >= LOADING_S:
            self._opening_since = None
            self._outbox.emit(status_event(Progress("loading")))
        for dictation in (self._dictation, self._draining):
            if dictation is not None and not dictation.done.is_set():
                dictation.report_progress()

    def _has_fallen_silent(self, now: float) -> bool:
        """Whether a client that is there has sent no audio for the stall limit.

        If only its line is lost, the rest of the utterance comes later: the utterance waits, without the engine.
        """
        line = self._outbox.connection.line if self._outbox.connection is not None else None
        if line is None:
            return now - self._last_audio > self._stall_s
        probe_from = self._last_audio + PROBE_AT * self._stall_s
        if now >= probe_from > self._probed_at:
            self._probed_at = now
            line.probe()
        if now - self._last_audio <= self._stall_s:
            return False
        is_there = line.is_alive_since(probe_from)
        if is_there is not self._is_awaited and (is_there or now - self._last_audio > 2 * self._stall_s):
            self._set_awaited(is_awaited=is_there)
        return is_there

    def _check_idle(self, now: float) -> None:
        if self._draining is not None and not self._draining.done.is_set():
            return
        name = "idle_socket_s" if self._dictation is None else "idle_session_s"
        limit: float = getattr(self._limits, name)
        if now - self._last_message > limit:
            raise IdleTimeout(f"no message for {limit:g} s (limits.{name}); send audio or `ping`")

    # -- inside

    async def _control(self, body: dict[str, Any]) -> Auth | Resume | None:
        match message := parse_control(body):
            case Auth() | Resume():
                return message
            case Start():
                await self.start(message.session_id, message.config or StartConfig())
            case Flush():
                await self.flush(message.id)
            case Ping():
                self._outbox.emit(pong_event(message.id))
            case _:
                self.stop()
        return None

    def _make_stt_config(self, config: StartConfig) -> SttConfig:
        lang, langs = choose_languages(config.lang, config.langs, self._settings.stt)
        return SttConfig(
            lang=lang,
            langs=langs,
            likely_langs=tuple(config.likely_langs),
            model=config.model,
            words=config.words,
            vocabulary=tuple(config.vocabulary),
            partials=config.partials,
        )

    async def _claim(self, session_id: str | None, dictation_id: UUID, config: StartConfig) -> Claim | None:
        """What there is of the dictation that this one goes on with; without it a new one begins."""
        try:
            return await self._recovery.claim(
                self.owner, session_id, dictation_id, config.sample_rate, config.told_ms
            )
        except (StorageUnavailable, OSError):
            logger.exception("a dictation that broke off cannot go on now")
            return None

    async def _go_on(self, claim: Claim, builder: EventBuilder) -> None:
        """Tell what was made of the lost session meanwhile, and hear what was not."""
        for n, final in enumerate(claim.finals, start=1):
            builder.recovered_final(n, final.part, final.end_ms)
        if isinstance(self._dictation, SegmentedDictation):
            self._rate_hz = claim.rate_hz if claim.audio else None
            if self._journal is not None and claim.audio:
                self._journal.add_audio(claim.audio)
            await self._dictation.hear_again(claim)
            self._last_audio = time.monotonic()

    def _describe(
        self, recorder: DictationRecorder, engine: EngineInfo, config: SttConfig, base_ms: int, rate_hz: int
    ) -> SpooledDictation:
        return SpooledDictation(
            dictation_id=recorder.id,
            user_id=self.owner,
            session_label=self._outbox.session_id,
            started_at=recorder.started_at,
            rate_hz=rate_hz,
            base_ms=base_ms,
            provider=engine.provider,
            model=engine.model,
            lang=config.lang,
            langs=config.langs,
            vocabulary=config.vocabulary,
        )

    async def _run(
        self,
        dictation: SegmentedDictation | PassthroughDictation,
        recorder: DictationRecorder,
        spooled: SpooledAudio | None,
    ) -> None:
        try:
            await dictation.run()
        finally:
            if self.dictation_id == recorder.id:
                self.dictation_id = None
            is_whole = dictation.done.is_set() or self._is_given_up
            self._when_written(partial(self._end_recording, dictation, recorder, spooled, is_whole=is_whole))

    def _end_recording(
        self,
        dictation: SegmentedDictation | PassthroughDictation,
        recorder: DictationRecorder,
        spooled: SpooledAudio | None,
        *,
        is_whole: bool,
    ) -> None:
        is_audio_kept = spooled is not None and bool(spooled.is_kept) and dictation.has_speech
        recorder.end(is_whole=is_whole, is_audio_kept=is_audio_kept)
        if spooled is not None:
            spooled.end(is_whole=is_whole)

    def _count_audio(self, seq: int | None) -> None:
        """An audio message has come, valid or not; its own number, if it has one, must be the next."""
        self._require_dictation()
        expected = self._audio_seq + 1
        if seq is not None and seq != expected:
            raise AudioSeqMismatch(
                f"`seq` is {seq}, but the next audio message is {expected}; go on with that"
            )
        self._audio_seq = expected
        if self._journal is not None:
            self._journal.note_change()

    def _require_dictation(self) -> SegmentedDictation | PassthroughDictation:
        if self._dictation is None:
            raise NotStarted("no dictation is going on; send `start` first")
        return self._dictation

    def _set_awaited(self, *, is_awaited: bool) -> None:
        self._is_awaited = is_awaited
        for dictation in (self._dictation, self._draining):
            if isinstance(dictation, SegmentedDictation) and not dictation.done.is_set():
                dictation.set_awaited(is_awaited=is_awaited)

    def _drain(self) -> None:
        self._dictation, self._draining = None, self._dictation
        if self._recorder is not None:
            self._when_written(self._recorder.note_heard)

    def _silence_ms(self, config: StartConfig) -> int | None:
        wanted = config.endpointing or self._settings.endpointing.profile
        if isinstance(wanted, EndpointingConfig):
            return wanted.silence_ms
        return self._settings.endpointing.silence_ms(wanted)


def hash_token(token: str) -> bytes:
    """What is kept of a resume token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _engine_info(provider: SttProvider, config: SttConfig) -> EngineInfo:
    """What is known before anything is said: the first model is the default; a sole language is the one spoken."""
    languages = provider.capabilities.languages or ()
    sole = languages[0] if len(languages) == 1 else None
    model = config.model or next(iter(provider.models()), None)
    return EngineInfo(provider.name, model, config.primary_lang or sole)

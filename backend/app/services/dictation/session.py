"""What stands behind a speech socket: which message may come when, one dictation after another, and its timers."""

import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import anyio

from app.core.config import Settings
from app.core.errors import (
    AlreadyStarted,
    AudioSeqMismatch,
    IdleTimeout,
    NotStarted,
    PrompterError,
    SampleRateChanged,
    SessionTooLong,
    SlowReader,
)
from app.core.metrics import Observer
from app.providers.base import RawSttSession, SttConfig, SttProvider
from app.schemas.stt import EndpointingConfig, StartConfig
from app.services.audio.pcm import OddByteCarry
from app.services.decoding.providers import AUTO, SttProviders
from app.services.decoding.utterance import OpenEngine, open_engine
from app.services.dictation.dictation import Dictation
from app.services.dictation.events import EngineInfo
from app.services.dictation.meter import Meter, SessionTotals
from app.services.dictation.outbox import Connection, Event, Outbox
from app.services.dictation.passthrough import PassthroughDictation
from app.services.history.dictation_writer import DictationRecorder, DictationStore

ACK_EVERY_S = 1.0


class SpeechSession:
    """What a client can do on one socket. The door calls it, one message at a time, and sends what it emits.

    It outlives its socket: a client that was lost may come back on another one. `SessionManager` owns it, runs its
    dictations (`run_soon`) and gives each its resume token (`issue_token`).
    """

    def __init__(
        self,
        settings: Settings,
        engines: SttProviders,
        keeper: DictationStore,
        owner: UUID,
        outbox: Outbox,
        observer: Observer,
        run_soon: Callable[["SpeechSession", Callable[[], Coroutine[Any, Any, None]]], None],
        issue_token: Callable[["SpeechSession", str | None], str],
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._keeper = keeper
        self.owner = owner
        """The user who speaks; nobody else resumes this or hears of it."""
        self.outbox = self._outbox = outbox
        self._observer = observer
        self.tally = SessionTotals()
        self._run_soon = run_soon
        self._issue_token = issue_token
        self._dictation: Dictation | PassthroughDictation | None = None
        self._draining: Dictation | PassthroughDictation | None = None
        self._config = StartConfig()
        self._carry = OddByteCarry()
        self._rate_hz: int | None = None
        self._audio_seq = 0
        self._busy = False
        self._ready: Event | None = None
        self._last_message = self._last_audio = self._last_ack = time.monotonic()
        self._stall_s = settings.limits.stall_s
        self.running: set[anyio.CancelScope] = set()
        """Around each dictation that still holds an engine."""
        self._ended = anyio.Event()
        self.failure: PrompterError | None = None
        """Why no dictation can go on here any more."""

    # -- lines

    def attach(self, line: Connection) -> None:
        """Serve this socket from now on; what happened while there was none does not count against the client."""
        self._outbox.attach(line)
        self._last_message = self._last_audio = self._last_ack = time.monotonic()
        self._busy = False
        if self.failure is not None:
            line.end(self.failure)

    def fail(self, failure: PrompterError) -> None:
        """An engine cannot go on: the client is told, now or when it comes back."""
        self.failure = failure
        if self._outbox.line is not None:
            self._outbox.line.end(failure)

    def ended(self) -> None:
        """A dictation holds its engine no more."""
        self._ended.set()
        self._ended = anyio.Event()

    async def finish(self) -> None:
        """Finalise what was said, as if the client had sent `stop`; returns when all of it is told, or kept."""
        if self._dictation is not None:
            self.stop()
        while self.running:
            await self._ended.wait()
        await self._outbox.send_pending()

    async def cancel(self) -> None:
        """Free the engine without waiting for finals; returns when its running call has."""
        for scope in self.running:
            scope.cancel()
        while self.running:
            await self._ended.wait()

    @property
    def started(self) -> bool:
        """Whether there has ever been a dictation."""
        return self._ready is not None

    @property
    def resumable(self) -> bool:
        """Whether a client may hold a token: its `ready` has been on the way."""
        return self._ready is not None and "seq" in self._ready

    def resume(self, last_event_seq: int) -> None:
        """Tell a client that has come back where to go on, and what it missed."""
        resumed = {
            "type": "resumed",
            "next_audio_seq": self._audio_seq + 1,
            "stopping": self._dictation is None,
        }
        self._outbox.replay(last_event_seq, resumed)

    # -- messages

    async def start(self, session_id: str | None, config: StartConfig) -> None:
        """Begin a dictation and answer `ready`.

        Raises:
            AlreadyStarted; and what `open_engine` raises.
        """
        if self._dictation is not None:
            raise AlreadyStarted("this socket has a dictation going on; send `stop` first")
        if self._draining is not None:
            await self._draining.done.wait()
        lang = self._settings.stt.lang if config.lang == AUTO else config.lang
        wanted = SttConfig(
            lang=lang,
            model=config.model,
            words=config.words,
            vocabulary=tuple(config.vocabulary),
            partials=config.partials,
        )
        engine = await open_engine(self._engines, self._settings, config.provider, wanted, live=True)
        self._config, self._carry, self._rate_hz, self._audio_seq = config, OddByteCarry(), None, 0
        self._outbox.session_id = session_id
        kept = self._keeper.begin(self.owner, session_id, store=config.store)
        voice = _voice(engine.provider, wanted)
        meter = Meter(self._observer, engine.name, self.tally)
        if isinstance(engine.session, RawSttSession):
            self._dictation = PassthroughDictation(
                engine.session,
                voice,
                self._outbox,
                self._settings,
                meter,
                partials=config.partials,
                keep=kept.add_final,
            )
        else:
            self._dictation = Dictation(
                engine,
                voice,
                self._outbox,
                self._settings,
                meter,
                silence_ms=self._silence_ms(config),
                events=frozenset(config.events),
                keep=kept.add_final,
            )
        self._emit_ready(engine, voice, lang, self._issue_token(self, session_id))
        self._last_audio = self._last_ack = time.monotonic()
        self._run_soon(self, partial(_run, self._dictation, kept))

    def count(self, seq: int | None) -> None:
        """An audio message has come, good or bad; its own number, if it has one, must be the next.

        Raises:
            NotStarted, AudioSeqMismatch
        """
        self._started()
        expected = self._audio_seq + 1
        if seq is not None and seq != expected:
            raise AudioSeqMismatch(
                f"`seq` is {seq}, but the next audio message is {expected}; go on with that"
            )
        self._audio_seq = expected

    async def audio(self, pcm: bytes, rate_hz: int) -> None:
        """The samples of a JSON chunk that has been counted.

        Raises:
            NotStarted, SampleRateChanged, SessionTooLong
        """
        dictation = self._started()
        if self._rate_hz is None:
            self._rate_hz = rate_hz
        elif rate_hz != self._rate_hz:
            raise SampleRateChanged(
                f"this dictation runs at {self._rate_hz} Hz, not {rate_hz}; keep the rate, or stop and start again"
            )
        if not pcm:
            return
        self._stall_s = max(self._settings.limits.stall_s, 1.5 * len(pcm) / (2 * rate_hz))
        try:
            await dictation.audio(pcm, rate_hz)
        except SessionTooLong:
            self._drain()
            await dictation.done.wait()
            raise
        finally:
            self._last_audio = time.monotonic()

    async def binary(self, data: bytes) -> None:
        """A binary frame: PCM16 at `config.sample_rate`, cut anywhere."""
        self.count(None)
        await self.audio(self._carry.push(data), self._config.sample_rate)

    async def flush(self, flush_id: str | int | None) -> None:
        """Finalise what has been said so far.

        Raises:
            NotStarted
        """
        await self._started().flush(flush_id)

    def stop(self) -> None:
        """End the dictation; its finals and `stopped` follow.

        Raises:
            NotStarted
        """
        self._started().stop()
        self._drain()

    def ping(self, ping_id: str | int | None) -> None:
        """Answer a sign of life."""
        self._outbox.emit({"type": "pong", "id": ping_id})

    # -- timers

    def received(self) -> None:
        """A message has come: whatever it is, the client lives."""
        self._last_message = time.monotonic()
        self._busy = True

    def handled(self) -> None:
        """The message is dealt with; only now does silence count against the client again."""
        self._last_message = time.monotonic()
        self._busy = False

    def tick(self) -> None:
        """Look at the clock: finalise for a stalled client, acknowledge, end what is idle.

        Raises:
            SlowReader, IdleTimeout
        """
        now = time.monotonic()
        limits = self._settings.limits
        since = self._outbox.sending_since
        if since is not None and now - since > limits.slow_reader_s:
            raise SlowReader(
                f"an event waited {limits.slow_reader_s:g} s for you to read it (limits.slow_reader_s)"
            )
        if self._dictation is not None:
            if self._dictation.speaking and not self._busy and now - self._last_audio > self._stall_s:
                self._dictation.end_utterance()
            if "ack" in self._config.events and now - self._last_ack >= ACK_EVERY_S:
                self._last_ack = now
                self._dictation.ack(self._audio_seq)
        self._check_idle(now)

    def _check_idle(self, now: float) -> None:
        if self._busy or (self._draining is not None and not self._draining.done.is_set()):
            return
        name = "idle_socket_s" if self._dictation is None else "idle_session_s"
        limit: float = getattr(self._settings.limits, name)
        if now - self._last_message > limit:
            raise IdleTimeout(f"no message for {limit:g} s (limits.{name}); send audio or `ping`")

    # -- inside

    def _started(self) -> Dictation | PassthroughDictation:
        if self._dictation is None:
            raise NotStarted("no dictation is going on; send `start` first")
        return self._dictation

    def _drain(self) -> None:
        self._dictation, self._draining = None, self._dictation

    def _silence_ms(self, config: StartConfig) -> int | None:
        wanted = config.endpointing or self._settings.endpointing.profile
        if isinstance(wanted, EndpointingConfig):
            return wanted.silence_ms
        if wanted == "manual":
            return None
        silence_ms: int = getattr(self._settings.endpointing, f"{wanted}_ms")
        return silence_ms

    def _emit_ready(self, engine: OpenEngine, voice: EngineInfo, lang: str, resume_token: str) -> None:
        self._ready = {
            "type": "ready",
            "provider": engine.name,
            "model": voice.model,
            "lang": lang,
            "reason": engine.reason,
            "resume_token": resume_token,
        }
        self._outbox.emit(self._ready)


def _voice(provider: SttProvider, config: SttConfig) -> EngineInfo:
    """What is known before anything was said: the first model is the default, a sole language the one spoken."""
    languages = provider.capabilities.languages or ()
    sole = languages[0] if len(languages) == 1 else None
    model = config.model or next(iter(provider.models()), None)
    return EngineInfo(provider.name, model, config.primary_lang or sole)


async def _run(dictation: Dictation | PassthroughDictation, kept: DictationRecorder) -> None:
    try:
        await dictation.run()
    finally:
        kept.end()

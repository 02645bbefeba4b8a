"""The door of the Wyoming protocol: a TCP listener, and one speech session for each connection."""

import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import anyio
import anyio.lowlevel
from anyio.abc import Listener, SocketAttribute, SocketStream

from app import __version__
from app.api.dialects.wyoming import (
    LABEL,
    Audio,
    Begin,
    Describe,
    End,
    Select,
    Send,
    Step,
    WyomingTranslator,
    make_error_event,
)
from app.api.dialects.wyoming_wire import EventDecoder, WyomingEvent, encode_event
from app.core.config import Settings
from app.core.errors import CannotStart, NotStarted, PrompterError
from app.core.logging import report_fault
from app.core.security import is_loopback
from app.core.supervision import Supervisor
from app.providers.base import SAMPLE_RATE_HZ
from app.schemas.providers import USABLE, SttProviderOut
from app.services.accounts.accounts import Accounts
from app.services.decoding.providers import SttProviders
from app.services.dictation.outbox import Connection, ServerClosing
from app.services.dictation.sessions import SessionManager, SocketLimiter
from app.services.transcription.request import find_model
from app.utils.languages import NAMES

logger = logging.getLogger(__name__)

TICK_S = 0.1
GOODBYE_S = 1.0
"""How long the last events may take on their way to a client."""
DESCRIBE_S = 0.7
"""Longest look at the engines: Home Assistant waits 1 s for `info`."""
CHECK_USER_S = 20.0
"""How often is looked whether the user of open connections may still use the server."""
READ_BYTES = 64 << 10
DEFAULT_PROGRAM = "prompter"
"""What the default engine is called; clients show it."""
RECORDING_SPEED = 2.0
HEAD_START_MS = 1000
"""Audio that comes more than `RECORDING_SPEED` times as fast as it was spoken, beyond a head start such as that of a
wake word, is a recording."""


class WyomingDoor:
    """Listens at `wyoming.uri`, if that is set. All dictations belong to one user, since the protocol has no log-in.

    Bounded as the speech socket: connections count among `limits.sockets`, a payload has at most
    `limits.message_bytes`, and the session's own limits hold.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        stt: SttProviders,
        sessions: SessionManager,
        sockets: SocketLimiter,
    ) -> None:
        self.settings = settings
        self.accounts = accounts
        self.stt = stt
        self.sessions = sessions
        self._sockets = sockets
        self._allows_any_peer = settings.insecure or settings.accounts.mode == "accounts"
        self._engines: Sequence[SttProviderOut] = ()
        self.tasks = Supervisor("Wyoming")
        self._listener: Listener[SocketStream] | None = None
        self.port = 0
        """The port that it listens on; 0 where it does not."""

    async def open(self) -> None:
        """Take the port, if there is one to take; `run` follows.

        Raises:
            CannotStart: the settings do not allow it, or the port cannot be had.
        """
        if not self.settings.wyoming.uri:
            return
        host, port = self.settings.wyoming.address
        await self._check_settings(host)
        try:
            self._listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
        except OSError as error:
            reason = (error.strerror or "no such address").lower()
            raise CannotStart(
                f"wyoming.uri: cannot listen at {host}:{port} ({reason}); choose another port"
            ) from error
        self.port = self._listener.extra(SocketAttribute.local_port)  # noqa: S610  # anyio's, not Django's

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve until the block ends; connections that are open then are closed."""
        async with self.tasks.run():
            if self._listener is not None:
                self.tasks.start_loop("listener", self._listen, self._listener)
            yield

    async def find_owner(self) -> UUID:
        """The user whose dictations they are.

        Raises:
            Unauthorized: there is no such user, or not any more.
        """
        return await self.accounts.find_active_user(self.settings.wyoming.user)

    async def list_engines(self) -> Sequence[SttProviderOut]:
        """The engines that can be used; those of the last look where one takes more than `DESCRIBE_S`.

        Nothing known yet is waited for: Home Assistant asks again, but would believe that there are none.
        """
        done = anyio.Event()
        self.tasks.start_job(self._look_at_engines, done)
        with anyio.move_on_after(DESCRIBE_S if self._engines else math.inf):
            await done.wait()
        return self._engines

    async def _look_at_engines(self, done: anyio.Event) -> None:
        self._engines = [each for each in await self.stt.list_states() if each.status in USABLE]
        done.set()

    async def _listen(self, listener: Listener[SocketStream]) -> None:
        async with listener:
            await listener.serve(self._serve)

    async def _check_settings(self, host: str) -> None:
        if not self._allows_any_peer and not is_loopback(host):
            raise CannotStart(
                f"wyoming.uri: {host!r} lets other machines in, and there are no accounts to keep strangers out; "
                "listen on 127.0.0.1, set PROMPTER_ACCOUNTS__MODE=accounts, or say --insecure"
            )
        try:
            await self.find_owner()
        except PrompterError as error:
            raise CannotStart(f"wyoming.user: {error.message}") from None

    async def _serve(self, stream: SocketStream) -> None:
        """One connection, from its first byte to its last."""
        try:
            async with stream:
                await self._admit(stream)
        except Exception as error:  # noqa: BLE001  # what got out would end the listener
            report_fault(logger, "on a Wyoming connection", error)

    async def _admit(self, stream: SocketStream) -> None:
        peer = str(stream.extra(SocketAttribute.remote_address)[0])  # noqa: S610  # anyio's, not Django's
        if self.sessions.closing or not (self._allows_any_peer or is_loopback(peer)):
            logger.warning("refused a Wyoming connection")
            return
        try:
            async with self._sockets.slot():
                await WyomingConnection(self, stream, await self.find_owner()).serve()
        except PrompterError as error:
            logger.warning("refused a Wyoming connection: %s", error.message)
            with anyio.move_on_after(GOODBYE_S), suppress(anyio.BrokenResourceError):
                await stream.send(encode_event(make_error_event(error)))


class WyomingConnection:
    """One connection and its session. It cannot be resumed: when the client leaves, the session ends at once."""

    def __init__(self, door: WyomingDoor, stream: SocketStream, owner: UUID) -> None:
        self._door = door
        self._stream = stream
        self._owner = owner
        self._connection = Connection()
        self._session = door.sessions.open(self._connection, owner, is_resumable=False)
        self._decoder = EventDecoder(door.settings.limits.message_bytes)
        self._translator = WyomingTranslator()
        self._sending = anyio.Lock()
        self._program = ""
        self._is_waiting = False
        """Whether all that came is taken, and the client's next bytes are waited for."""
        self._began_s = time.monotonic()
        self._heard_ms = 0.0
        """Audio of this command."""
        self._has_answered = anyio.Event()

    async def serve(self) -> None:
        """Serve until the client leaves or an error ends the connection."""
        reason: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._write)
                group.start_soon(self._tick)
                group.start_soon(self._watch_connection)
                group.start_soon(self._watch_owner)
                await self._read()
                group.cancel_scope.cancel()
        except* (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the client has left
        except* (PrompterError, ServerClosing) as errors:
            reason = _first(errors)
        except* Exception as errors:  # noqa: BLE001  # the client gets an error, and no other session is harmed
            reason = report_fault(logger, "on a Wyoming connection", _first(errors))
        try:
            if reason is not None:
                await self._say_goodbye(reason)
        finally:
            await self._door.sessions.leave(self._session, over=True)
            totals = self._session.totals
            logger.info(
                "Wyoming connection closed dictations=%d audio_s=%.1f finals=%d errors=%d",
                totals.dictations,
                totals.samples / SAMPLE_RATE_HZ,
                totals.finals,
                totals.failures,
            )

    # -- in

    async def _read(self) -> None:
        while True:
            self._is_waiting = True
            data = await self._stream.receive(READ_BYTES)
            self._is_waiting = False
            self._session.note_message()
            self._decoder.feed(data)
            while (event := self._decoder.next()) is not None:
                await self._take(event)
            if self._session.has_events:
                self._connection.notify()
                await self._session.wait_for_room()

    async def _take(self, event: WyomingEvent) -> None:
        if event.type == "audio-start":
            while self._translator.is_busy:
                await self._has_answered.wait()
        try:
            for step in self._translator.receive(event):
                await self._perform(step)
        except PrompterError as error:
            if error.fatal:
                raise
            self._session.count_error(error)
            for step in self._translator.fail(error):
                await self._perform(step)

    async def _perform(self, step: Step) -> None:
        match step:
            case Send():
                await self._send(step.event)
            case Audio():
                self._heard_ms += 1000 * len(step.pcm) / (2 * step.rate_hz)
                await self._session.feed(step.pcm, step.rate_hz)
            case Begin():
                await self._begin(step)
            case End():
                with suppress(NotStarted):  # it did not begin, or has just ended
                    self._session.stop()
            case Describe():
                await self._send(WyomingEvent("info", await self._describe()))
            case Select():
                self._program = step.program

    async def _begin(self, step: Begin) -> None:
        self._began_s, self._heard_ms = time.monotonic(), 0.0
        asked = step.model_id or self._program
        model_id = "" if asked == DEFAULT_PROGRAM else asked
        model = find_model(model_id, await self._door.stt.list_models() if model_id else {})
        chosen = step.config.model_copy(update={"provider": model.provider, "model": model.model})
        await self._session.start(LABEL, chosen)

    # -- out

    async def _write(self) -> None:
        while True:
            await self._connection.wait_for_events()
            await self._send_events()

    async def _send_events(self) -> None:
        for event in self._session.events():
            for step in self._translator.translate(event):
                await self._perform(step)
        if self._is_live:
            for step in self._translator.end_command():
                await self._perform(step)
        if not self._translator.is_busy:
            self._has_answered.set()
            self._has_answered = anyio.Event()

    async def _send(self, event: WyomingEvent) -> None:
        async with self._sending:
            self._connection.sending_since = time.monotonic()
            try:
                await self._stream.send(encode_event(event))
            finally:
                self._connection.sending_since = None

    @property
    def _is_live(self) -> bool:
        """Whether the client sends what it hears now, and all of it has been taken."""
        elapsed_ms = (time.monotonic() - self._began_s) * 1000
        return self._is_waiting and self._heard_ms <= RECORDING_SPEED * elapsed_ms + HEAD_START_MS

    # -- the clock and the end

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(TICK_S)
            self._session.tick(is_listening=self._is_waiting)
            self._connection.notify()

    async def _watch_connection(self) -> None:
        await self._connection.closing.wait()
        assert self._connection.reason is not None
        raise self._connection.reason

    async def _watch_owner(self) -> None:
        while True:
            await anyio.sleep(CHECK_USER_S)
            await self._door.find_owner()

    async def _say_goodbye(self, reason: Exception) -> None:
        """Send what was said before the server stops, or why the connection ends; a client must read it soon."""
        is_closing = isinstance(reason, ServerClosing)
        limit_s = self._door.settings.limits.stop_s if is_closing else GOODBYE_S
        with (
            anyio.move_on_after(limit_s),
            suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, PrompterError),
        ):
            if is_closing:
                for step in self._translator.end_now():
                    await self._perform(step)
                await self._session.finish()
                await self._send_events()
            elif isinstance(reason, PrompterError):
                self._session.count_error(reason)
                await self._stream.send(encode_event(make_error_event(reason)))

    # -- info

    async def _describe(self) -> dict[str, object]:
        """What there is. The first program is the default engine, the others are for `select-program`."""
        engines = await self._door.list_engines()
        default = [_make_program(DEFAULT_PROGRAM, each) for each in engines if each.default]
        named = [_make_program(each.name, each) for each in engines if not each.capabilities.raw_audio]
        others: dict[str, object] = {name: [] for name in ("tts", "handle", "intent", "wake", "mic", "snd")}
        return {"asr": [*default, *named], **others}


def _make_program(name: str, engine: SttProviderOut) -> dict[str, object]:
    languages = engine.capabilities.languages
    listed = sorted(NAMES) if languages is None else list(languages)
    models = [
        {**_make_artifact(f"{engine.name}/{model}", engine.description), "languages": listed}
        for model in engine.models or [engine.name]
    ]
    return {
        **_make_artifact(name, engine.description),
        "version": __version__,
        "models": models,
        "supports_transcript_streaming": True,
        "requires_external_vad": False,
    }


def _make_artifact(name: str, description: str) -> dict[str, object]:
    return {
        "name": name,
        "description": description,
        "attribution": {"name": "PROMPTer", "url": ""},
        "installed": True,
        "version": None,
    }


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found

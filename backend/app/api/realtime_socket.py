"""The endpoint WS /v1/realtime: OpenAI's Realtime transcription sessions, over the live speech session."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import parse_qs

import anyio
import orjson
from fastapi import APIRouter
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from app.api.deps import Resources, get_resources
from app.api.dialects.realtime import (
    Begin,
    Discard,
    End,
    Feed,
    Finalise,
    RealtimeTranslator,
    Step,
    Steps,
    read_event,
)
from app.api.dialects.realtime_session import BetaDisabled, Refusal, SessionConfig, merge_update, name_model
from app.api.errors import refuse_socket
from app.api.middleware.bearer import choose_subprotocol, read_token
from app.api.speech_socket import GOODBYE_S, SocketHandler, serve_socket
from app.core.errors import ModelNotFound, PrompterError
from app.core.line import find_line
from app.services.accounts.client_secrets import looks_like_client_secret
from app.services.dictation.events import Event
from app.services.dictation.messages import check_size
from app.services.dictation.outbox import ClientGone, ServerClosing
from app.services.transcription.request import find_model

router = APIRouter()

PATH = "/v1/realtime"
SUBPROTOCOL = "realtime"
FINISH_S = 0.8
"""How long the last words of a client that has left may take to be stored before its engine is free."""
_SPARE_BYTES = 1 << 20
_ID_BYTES = 12


class RealtimeEndpoint:
    """A transcription session: see docs/realtime.md."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        resources = get_resources(websocket)
        try:
            asked = _read_secret(scope, resources)
        except PrompterError as refusal:
            await refuse_socket(refusal, scope, receive, send)
            return
        models = await resources.stt.list_models()
        config, refused = _choose_config(scope, asked, models)
        translator = RealtimeTranslator(resources.settings, models, _make_id, config)
        if refused is not None:
            translator.refuse(refused)
        if (line := find_line(scope)) is not None:  # with room for the error that names the limit
            line.allow_messages(resources.settings.limits.realtime_message_bytes + _SPARE_BYTES)
        await websocket.accept(choose_subprotocol(scope, SUBPROTOCOL))
        await serve_socket(RealtimeHandler(websocket, send, resources, translator), resources)


router.routes.append(WebSocketRoute(PATH, RealtimeEndpoint(), name="realtime"))


class RealtimeHandler(SocketHandler):
    """One socket, whose messages a translator understands. Nobody resumes its session."""

    is_resumable = False

    def __init__(
        self, websocket: WebSocket, send: Send, resources: Resources, translator: RealtimeTranslator
    ) -> None:
        super().__init__(websocket, send, resources)
        self._line = find_line(websocket.scope)
        self._engines = resources.stt
        self._translator = translator
        self._room = anyio.Event()
        self._connection.notify()  # `session.created` waits

    # -- messages in

    async def _receive(self, message: str | bytes) -> None:
        self._session.note_message()
        check_size(message, self._limits.realtime_message_bytes, "limits.realtime_message_bytes")
        self._pull()
        try:
            event = read_event(message)
        except Refusal as refusal:
            self._translator.refuse(refusal)
            return
        del message  # an audio message is large, and the event has it
        if event.get("type") == "session.update":
            self._translator.models = await self._engines.list_models()
        try:
            await self._take_steps(self._translator.receive(event))
        except BetaDisabled as refusal:
            with anyio.move_on_after(GOODBYE_S):
                await self._finish_writing()
            raise ServerClosing(refusal.close_code, f"{refusal.kind}.{refusal.code}") from None

    async def _take_steps(self, steps: Steps) -> None:
        """Do on the session what the translator asks for, and tell it at once what comes of it."""
        failure: PrompterError | None = None
        while True:
            try:
                step = steps.send(failure)
            except StopIteration:
                return
            failure = None
            try:
                await self._take_step(step)
            except PrompterError as error:
                if error.fatal:
                    raise
                self._session.count_error(error)
                failure = error
            self._pull()
            await self._wait_for_room()
            if self._line is not None and self._line.is_lost:
                raise ClientGone  # in the middle of minutes of audio

    async def _take_step(self, step: Step) -> None:
        match step:
            case Feed():
                await self._session.feed(step.pcm, step.rate_hz)
            case Begin():
                await self._session.start(None, step.plan.config, vad=step.plan.vad)
            case Finalise():
                await self._session.flush(step.number)
            case Discard():
                self._session.discard(step.utterance_ids)
            case End():
                self._session.stop()

    # -- events out

    def _pull(self) -> None:
        """Have the translator see what the session has emitted, in order, before the client's next message."""
        for event in self._session.events():
            self._translator.translate(event)
        if self._translator.queued:
            self._connection.notify()

    def _encode(self, events: Iterable[Event]) -> Iterator[str]:
        """As one text each, what the client is to get for these events, and what waits."""
        for event in events:
            self._translator.translate(event)
            yield from self._take_texts()
        yield from self._take_texts()

    def _take_texts(self) -> Iterator[str]:
        for event in self._translator.take():
            self._room.set()
            yield orjson.dumps(event).decode()

    async def _wait_for_room(self) -> None:
        await self._session.wait_for_room()
        while self._translator.queued > self._limits.outbound_events:
            self._room = anyio.Event()
            await self._room.wait()

    # -- the clock and the end

    def _check_clock(self) -> None:
        """A client that is silent keeps its socket, and gives its engine back."""
        if self._is_listening and self._session.silent_s > self._limits.idle_session_s:
            for step in self._translator.pause():
                assert isinstance(step, End)
                self._session.stop()
        super()._check_clock()

    async def _leave(self, *, over: bool) -> None:  # noqa: ARG002  # nobody comes back
        """End at once. What was said is finalised and stored, if that takes no longer than the engine may be held."""
        self._session.detach()
        try:
            with anyio.move_on_after(FINISH_S):
                await self._session.finish()
        finally:
            await self._sessions.leave(self._session, over=True)


def _make_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def _read_secret(scope: Scope, resources: Resources) -> dict[str, object] | None:
    """The session of the client secret that a handshake carries, if it does.

    Raises:
        Unauthorized: the secret is not valid, or not any more.
    """
    token = None
    with suppress(PrompterError):  # without accounts any other credential is as good as none
        token = read_token(scope)
    if token is None or not looks_like_client_secret(token):
        return None
    return resources.accounts.client_secrets.read(token).session


def _choose_config(
    scope: Scope, asked: dict[str, object] | None, models: dict[str, list[str]]
) -> tuple[SessionConfig, Refusal | None]:
    """The session that a handshake asks for, and why its secret's is not taken, as when its weights are gone.

    A `model` in the address that is no speech model says nothing: clients send the name of a chat model there.
    """
    config = SessionConfig()
    named = parse_qs(scope["query_string"].decode("latin-1")).get("model", [""])[0]
    with suppress(ModelNotFound):
        if named:
            find_model(named, models)
            config = name_model(config, named)
    if asked is None:
        return config, None
    try:
        return merge_update(config, asked), None
    except Refusal as refusal:
        return config, refusal

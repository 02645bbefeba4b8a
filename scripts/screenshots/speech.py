"""A speech server whose events the states send themselves: for what a real one shows only now and then."""

import json
import re

from playwright.sync_api import Page, WebSocketRoute

_BYTES_PER_MS = 32


class ScriptedSpeech:
    """Stands in for `/ws/stt` on one page, which must not have opened it yet."""

    def __init__(self, page: Page, *, loads: bool = False) -> None:
        self._loads = loads
        self._is_down = False
        self._socket: WebSocketRoute | None = None
        self._seq = 0
        self._heard_ms = 0
        self._utterance = 0
        page.route_web_socket(re.compile("/ws/stt"), self._open)

    def send(self, kind: str, **fields: object) -> None:
        if self._socket is None:
            raise AssertionError("the page has not opened the speech socket")
        self._seq += 1
        self._socket.send(json.dumps({"type": kind, "session_id": "d1", "seq": self._seq, **fields}))

    def wait(self, state: str, *, place: int | None = None, backlog_ms: int = 0, **fields: object) -> None:
        """Tell what is awaited."""
        more = {"degraded": False, "partials": "on", "hint": None, **fields}
        self.send("status", state=state, place=place, backlog_ms=backlog_ms, waited_ms=0, **more)

    def speak(self, text: str, stable: str = "") -> None:
        """Somebody speaks."""
        self._utterance += 1
        self.send("speech_started", utterance_id=self._utterance, start_ms=self._heard_ms)
        self.send("partial", **self._words(text), stable=stable)

    def pause(self, text: str) -> None:
        """Speech pauses, and may go on."""
        self.send("eager_final", **self._words(text), timing=self._timing())

    def finish(self, text: str, doubted: str = "") -> None:
        """The utterance ends; the engine is not sure of one word."""
        self.send("speech_stopped", utterance_id=self._utterance, end_ms=self._heard_ms)
        self.send("final", **self._words(text), timing=self._timing(), words=self._weigh(text, doubted))

    def _words(self, text: str) -> dict[str, object]:
        return {
            "utterance_id": self._utterance,
            "revision": 1,
            "text": text,
            "start_ms": 0,
            "end_ms": self._heard_ms,
            "lang": "en",
            "provider": "whisper_local",
            "model": "base",
        }

    def _weigh(self, text: str, doubted: str) -> list[dict[str, object]]:
        """The words with how sure the engine is of each."""
        at = {"start_ms": 0, "end_ms": self._heard_ms}
        return [{"word": word, **at, "confidence": 0.2 if word == doubted else 0.95} for word in text.split()]

    def _timing(self) -> dict[str, int]:
        return {"speech_end_ms": self._heard_ms, "endpoint_ms": 610, "queue_ms": 0, "decode_ms": 84}

    def cut(self) -> None:
        """The line breaks, and no other is to be had."""
        if self._socket is not None:
            self._is_down = True
            self._socket.close(code=1012)

    def _open(self, socket: WebSocketRoute) -> None:
        if self._is_down:
            socket.close(code=1012)
        else:
            self._socket, self._seq = socket, 0
            socket.on_message(self._handle)

    def _handle(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._heard_ms += len(message) // _BYTES_PER_MS
            return
        received = json.loads(message)
        if received["type"] == "start" and self._loads:
            self.wait("loading")
        elif received["type"] == "start":
            engine = {"provider": "whisper_local", "model": "base", "lang": "auto", "reason": None}
            self.send("ready", **engine, resume_token="t")
        elif received["type"] == "flush":
            self.send("flushed", id=received["id"])
        elif received["type"] == "ping":
            self.send("pong", id=None)
        elif received["type"] == "stop":
            self.send("stopped", stats={})

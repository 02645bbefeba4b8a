"""The PocketSphinx worker process: answers one request after the other until its socket closes."""

import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, Header, Unpacker, pack

if TYPE_CHECKING:
    from app.providers.stt.pocketsphinx.recognizer import Recognizer


READ_BYTES = 1 << 16
WARM_UP_BLOCKS = 4


def main(connection: socket.socket) -> None:
    """Answer requests until `connection` closes. Ctrl-C is for the server alone: it closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    decoders = Decoders()
    unpacker = Unpacker()
    with connection, suppress(OSError):  # the server is gone: no answer can reach it
        while data := connection.recv(READ_BYTES):
            for header, body in unpacker.push(data):
                connection.sendall(pack(decoders.answer(header, body)))


class Decoders:
    """The decoders of this process by number; each is built when it is first used."""

    def __init__(self) -> None:
        # Imported here: the server imports this module to start `main`, and must never import the engine.
        from app.providers.stt.pocketsphinx.recognizer import LanguageModel

        self._model = LanguageModel()
        self._made: dict[int, Recognizer] = {}

    def answer(self, header: Header, body: bytes) -> Header:
        """Answer one request. An engine error ends the process: the server starts another one."""
        recognizer = self._recognizer(header["decoder"])
        match header["op"]:
            case "warm":
                return self._warm(recognizer)
            case "begin":
                recognizer.begin(header["cmn"])
                return {}
            case "feed":
                return {"text": recognizer.feed(body)}
            case "finish":
                result = recognizer.finish(body)
                return {
                    "text": result.text,
                    "words": result.words,
                    "cmn": result.cmn,
                    "decode_ms": result.decode_ms,
                }
        raise ValueError(f"unknown request {header['op']!r}")

    def _recognizer(self, number: int) -> "Recognizer":
        if number not in self._made:
            self._made[number] = self._model.make_recognizer()
        return self._made[number]

    def _warm(self, recognizer: "Recognizer") -> Header:
        """Decode a buzz, so that the first utterance does not wait for the model's pages."""
        started = time.perf_counter()
        buzz = b"".join((1 + 7919 * n % 6000).to_bytes(2, "little") for n in range(BLOCK_BYTES // 2))
        recognizer.begin(None)
        recognizer.feed(buzz * WARM_UP_BLOCKS)
        recognizer.finish(b"")
        return {"decode_ms": 1000 * (time.perf_counter() - started)}

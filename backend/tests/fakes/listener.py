"""A fake transcription service whose text depends on every sample it was sent."""

import io
import wave
import zlib

import numpy as np

from tests.fakes.upstream import FakeUpstream, Reply, Request, as_json

AUDIBLE = 500
"""Least sample value that it takes for speech."""


class Listener(FakeUpstream):
    """Answers `/v1/audio/transcriptions` with the checksum of the audio, or with nothing for silence."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        with wave.open(io.BytesIO(request.body[request.body.index(b"RIFF") :])) as file:
            pcm = file.readframes(file.getnframes())
            seconds = file.getnframes() / file.getframerate()
        samples = np.frombuffer(pcm, np.int16)
        text = f"heard {zlib.crc32(pcm):08x}" if np.abs(samples).max(initial=0) > AUDIBLE else ""
        half = seconds / 2
        words = [
            {"word": word, "start": half * place, "end": half * (place + 1)}
            for place, word in enumerate(text.split())
        ]
        return as_json({"text": text, "language": "english", "duration": seconds, "words": words})

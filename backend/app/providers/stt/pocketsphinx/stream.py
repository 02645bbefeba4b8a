"""A PocketSphinx dictation and its utterances: audio is kept until the final, so a dead worker loses no word."""

import asyncio
from collections.abc import Hashable

from app.core.errors import EngineFailed
from app.providers.base import Hypothesis, Samples, SttConfig, Transcript, Word
from app.providers.stt.pocketsphinx.pool import Lease, PendingLease, WorkerPool
from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, Header
from app.providers.stt.pocketsphinx.worker_process import WorkerDied

LANGUAGE = "en"
MODEL = "en-us"

REQUEST_BYTES = 4 * BLOCK_BYTES
"""Most audio in one request: utterances that share a worker take turns of at most 0.4 s of audio."""

DEATHS = 3
"""An utterance is given up when this many workers have died on it."""


class SphinxSession:
    """One dictation. Owns the speaker's cepstral mean, which each final with words renews."""

    def __init__(self, pool: WorkerPool, config: SttConfig) -> None:
        self.config = config
        self.state: str | None = None
        """The mean in the engine's notation. None: it is estimated from the utterance's beginning."""
        self._pool = pool

    async def open_stream(self) -> "SphinxStream":
        """Begin an utterance. It joins the queue for a decoder now, and does not wait for one."""
        return SphinxStream(self._pool, self)

    async def aclose(self) -> None:
        """Nothing is held between utterances."""


class SphinxStream:
    """One utterance. While it has no decoder, `accept` only keeps the audio, and `finish` waits."""

    def __init__(self, pool: WorkerPool, session: SphinxSession) -> None:
        self._pool = pool
        self._session = session
        self._cmn = session.state
        self._audio = bytearray()
        self._heard_bytes = 0
        self._begun = False
        self._deaths = 0
        self._text = ""
        self._pending: PendingLease | None = pool.queue()

    async def accept(self, samples: Samples) -> Hypothesis | None:
        self._audio += samples.astype("<i2", copy=False).tobytes()
        text = self._text
        while self._pending is not None and self._pending.done():
            try:
                text = await self._hear(self._pending.result())
                break
            except WorkerDied as death:
                self._lose_decoder(death)
        if text == self._text:
            return None
        self._text = text
        return Hypothesis(text)

    async def finish(self, speech_samples: int) -> Transcript:  # noqa: ARG002  # the engine finds the end itself
        while True:
            lease = await self._decoder()
            try:
                await self._hear(lease)
                reply = await lease.call("finish", bytes(self._audio[self._heard_bytes :]))
            except WorkerDied as death:
                self._lose_decoder(death)
            else:
                await self.aclose()
                if reply["text"]:  # a cough says nothing about the speaker
                    self._session.state = reply["cmn"]
                return self._transcript(reply)

    async def aclose(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None or pending.cancel() or pending.exception() is not None:
            return
        self._pool.give_back(pending.result())

    @property
    def worker(self) -> Hashable | None:
        """The worker process of this utterance's decoder."""
        pending = self._pending
        if pending is None or not pending.done() or pending.cancelled() or pending.exception() is not None:
            return None
        return pending.result().worker

    async def wait_for_worker(self) -> None:
        """Wait for a decoder, or for the error that there will be none."""
        assert self._pending is not None, "the stream is closed"
        # Not awaited itself: a cancelled caller must not cancel the lease.
        await asyncio.wait([self._pending])

    async def _decoder(self) -> Lease:
        await self.wait_for_worker()
        assert self._pending is not None
        return self._pending.result()

    async def _hear(self, lease: Lease) -> str:
        """Send the decoder the whole blocks that it does not have. Sent audio counts as heard, also when cancelled."""
        text = self._text
        if not self._begun:
            begun = lease.call("begin", cmn=self._cmn)
            self._begun = True
            await begun
        whole = len(self._audio) // BLOCK_BYTES * BLOCK_BYTES
        while self._heard_bytes < whole:
            piece = bytes(self._audio[self._heard_bytes : min(whole, self._heard_bytes + REQUEST_BYTES)])
            reply = lease.call("feed", piece)
            self._heard_bytes += len(piece)
            text = (await reply)["text"]
        return text

    def _lose_decoder(self, death: WorkerDied) -> None:
        """Start over with another worker, before all utterances that have not begun.

        Raises:
            EngineFailed: too many workers have died on this utterance.
        """
        self._pending = None
        self._deaths += death.running
        if self._deaths >= DEATHS:
            raise EngineFailed(
                f"the engine 'pocketsphinx' died {DEATHS} times on one utterance; say it again"
            )
        self._begun = False
        self._heard_bytes = 0
        self._pending = self._pool.queue(first=True)

    def _transcript(self, reply: Header) -> Transcript:
        words = tuple(Word(*word) for word in reply["words"]) if self._session.config.words else ()
        return Transcript(
            text=reply["text"], lang=LANGUAGE, model=MODEL, words=words, decode_ms=reply["decode_ms"]
        )

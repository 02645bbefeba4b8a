"""Speaks texts: chooses engine and voice, and gives the audio of one text in the format that was asked for."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import numpy as np
import soxr

from app.core.config import Settings
from app.core.errors import BadRequest, ModelNotFound, PrompterError, ProviderNotReady, ServerFull
from app.providers.base import TtsProvider, TtsRequest, TtsVoice
from app.providers.boundary import ProviderBoundary
from app.providers.media.encoder import SPOKEN_RATE_HZ, SpokenFormat, make_encoder
from app.providers.registry import CannotBuild, LazyRegistry, Registration, list_tts_registrations
from app.schemas.providers import USABLE
from app.services.speaking.voices import choose_voice

AUTO = "auto"
OPENAI_NAMES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")
"""Each of them means the default engine."""
RETRY_S = 5.0
"""When a client that was refused may try again."""
PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text to speak, as the route understood it."""

    text: str = field(repr=False)
    model: str = ""
    voice: str = ""
    speed: float = 1.0
    form: SpokenFormat = "mp3"


class Speaker:
    """The engines that speak, of one application."""

    def __init__(self, settings: Settings, registrations: Mapping[str, Registration] | None = None) -> None:
        """`registrations` are all that there are; None means those built in and those of packages."""
        self._settings = settings
        self._registry = LazyRegistry[TtsProvider](
            "engine that speaks",
            list_tts_registrations() if registrations is None else registrations,
            settings,
        )
        self._speaking = 0

    async def speak(self, request: SpeechRequest) -> "SpokenText":
        """A text that will be spoken when it is opened; its owner closes it.

        Raises:
            BadRequest, ModelNotFound, ProviderNotReady, ServerFull
        """
        most = self._settings.limits.speech_chars
        if not request.text.strip():
            raise BadRequest("`input` holds nothing to speak", param="input")
        if len(request.text) > most:
            raise BadRequest(
                f"`input` holds at most {most} characters (limits.speech_chars); send it in parts",
                param="input",
            )
        provider, voices = await self._choose(request.model)
        own = self._settings
        lang = own.stt.lang if own.stt.lang != AUTO else next(iter(own.stt.langs), "en")
        voice = choose_voice(
            request.voice,
            voices,
            text=request.text,
            configured=own.tts.voice,
            default_lang=lang.split("-")[0].lower(),
        )
        if self._speaking >= own.limits.speeches:
            raise ServerFull(
                f"{own.limits.speeches} texts are being spoken (limits.speeches); try again in {RETRY_S:g} s",
                retry_after_s=RETRY_S,
            )
        self._speaking += 1
        return SpokenText(self, provider, TtsRequest(request.text, voice, request.speed), request.form)

    async def list_voices(self) -> Sequence[TtsVoice]:
        """The voices of the default engine; none where no engine can speak."""
        try:
            return (await self._choose(""))[1]
        except PrompterError:
            return ()

    def release(self) -> None:
        """A text is no longer spoken."""
        self._speaking -= 1

    async def aclose(self) -> None:
        await self._registry.aclose()

    async def _choose(self, model: str) -> tuple[TtsProvider, Sequence[TtsVoice]]:
        name = self._settings.tts.provider if not model or model in OPENAI_NAMES else model
        if name != AUTO:
            if name not in self._registry:
                raise ModelNotFound(
                    f"there is no model of this name that speaks; known: {', '.join([*OPENAI_NAMES, *self._registry])}",
                    param="model",
                )
            return await self._get_ready(name)
        problem: ProviderNotReady | None = None
        for each in self._registry:
            try:
                return await self._get_ready(each)
            except ProviderNotReady as error:
                problem = problem or error
        raise problem or ProviderNotReady("there is no engine that speaks")

    async def _get_ready(self, name: str) -> tuple[TtsProvider, Sequence[TtsVoice]]:
        try:
            provider = await self._registry.get(name)
        except CannotBuild as error:
            raise ProviderNotReady(
                f"provider {name!r} of {error.origin!r} cannot be loaded ({type(error.error).__name__})"
            ) from error
        with ProviderBoundary(name):
            try:
                with anyio.fail_after(PROBE_S):
                    status = await provider.status()
                    voices = await provider.voices()
            except TimeoutError:
                raise ProviderNotReady(f"{name!r} gave no state within {PROBE_S:g} s") from None
        if status.state not in USABLE or not voices:
            raise ProviderNotReady(f"{name!r} cannot speak: {status.description}", note=status.note)
        return provider, voices


class SpokenText:
    """One text on its way: `open`, then `pieces`; `aclose` in every case."""

    def __init__(
        self, speaker: Speaker, provider: TtsProvider, request: TtsRequest, form: SpokenFormat
    ) -> None:
        self._speaker = speaker
        self._name = provider.name
        self._encoder = make_encoder(form)
        self._source = provider.speak(request)
        self._resampler: soxr.ResampleStream | None = None
        self._pieces = self._make_pieces()
        self._first = b""
        self._is_closed = False

    async def open(self) -> None:
        """Wait for the first bytes, so that a failure still has a status.

        Raises:
            ProviderNotReady, EngineFailed
        """
        self._first = await anext(self._pieces, b"")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the file after `open`, in order."""
        if self._first:
            yield self._first
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        """End the work; waits for a running call."""
        with anyio.CancelScope(shield=True):
            await self._pieces.aclose()
            await self._source.aclose()
        self._release()

    def _release(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._speaker.release()

    async def _make_pieces(self) -> AsyncGenerator[bytes, None]:
        with ProviderBoundary(self._name):
            async for pcm, rate_hz in self._source:
                if piece := await anyio.to_thread.run_sync(self._encode, pcm, rate_hz):
                    yield piece
        last = await anyio.to_thread.run_sync(self._encode_end)
        self._release()  # before the client has its last byte, and may come with its next text
        if last:
            yield last

    def _encode(self, pcm: bytes, rate_hz: int) -> bytes:
        if rate_hz == SPOKEN_RATE_HZ:
            return self._encoder.push(pcm)
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate_hz, SPOKEN_RATE_HZ, 1, dtype="int16", quality="HQ")
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        return self._encoder.push(self._resampler.resample_chunk(samples).astype("<i2").tobytes())

    def _encode_end(self) -> bytes:
        rest = b""
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(np.empty(0, np.int16), last=True)
            rest = self._encoder.push(samples.astype("<i2").tobytes())
        return rest + self._encoder.finish()

"""The local Whisper engine: decodes windows of audio with faster-whisper and a checkpoint from disk."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Literal, TypeVar

import anyio

from app.core.config import Settings
from app.core.errors import EngineFailed, LanguageNotSupported, ProviderNotReady, UnknownModel
from app.core.notes import Note, NoteCode
from app.providers.base import (
    ProviderStatus,
    SttCapabilities,
    SttConfig,
    ToldSpeech,
    WindowRequest,
    WindowResult,
)
from app.providers.stt.whisper.continuation import decode_continuation
from app.providers.stt.whisper.cost import measure_cost
from app.providers.stt.whisper.device import DeviceQuery
from app.providers.stt.whisper.full_window import DecodeRequest, DecodeResult, decode_full, hotwords
from app.providers.stt.whisper.language import LanguageChoice, find_code, find_codes
from app.providers.stt.whisper.model_pool import LoadedCheckpoint, ModelPool, count_workers, run_blocking
from app.providers.stt.whisper.short_window import MAX_FRAMES, decode_short
from app.schemas.providers import ProviderState
from app.utils.languages import list_codes
from app.weights.checkpoint_shelf import CheckpointShelf
from app.weights.checkpoints import Checkpoint
from app.weights.known_checkpoints import find_error_percent

T = TypeVar("T")

logger = logging.getLogger(__name__)

LANGUAGE_CONFIDENCE = 0.8
"""Probability from which the language of a window is sure."""

SURE_NO_SPEECH = 0.5
SURE_LOG_PROB = -0.7
"""A cautious session gives no text that is less sure than this."""

PARTIAL_TERMS = 8
"""Terms of the vocabulary for partials: each term costs time in every decode."""

PULL = "run `prompter models pull base`"
_TITLE = "Whisper"


class WhisperLocalProvider:
    """Owns the loaded checkpoints."""

    name = "whisper_local"
    type = "local"

    def __init__(self, settings: Settings, query: DeviceQuery | None = None) -> None:
        """`query` tells which devices there are: CTranslate2, where it is None."""
        self._settings = settings
        self._pool = ModelPool(settings, query)
        self._shelf = CheckpointShelf(settings)
        self.capabilities = _capabilities(self._shelf.default)

    async def status(self) -> ProviderStatus:
        """The state now. Imports and loads nothing."""
        if find_spec("faster_whisper") is None or find_spec("ctranslate2") is None:
            return ProviderStatus(
                state=ProviderState.NOT_INSTALLED,
                description="local Whisper; install faster-whisper to use it",
                note=Note(NoteCode.PACKAGE_MISSING),
                title=_TITLE,
            )
        default = await self._find_default()
        if default is None:
            return ProviderStatus(
                state=ProviderState.NO_MODEL,
                description=self._no_default(),
                note=Note(NoteCode.NO_CHECKPOINT),
                title=_TITLE,
            )
        if reason := self._pool.failure(default):
            return ProviderStatus(
                state=ProviderState.NO_MODEL,
                description=reason,
                note=Note(NoteCode.CHECKPOINT_UNUSABLE),
                title=_TITLE,
                model=default.name,
            )
        choice = self._pool.choice(default)
        return ProviderStatus(
            state=ProviderState.LOADING if self._pool.loading == default.name else ProviderState.READY,
            description=", ".join(filter(None, (_describe(default), str(choice or "")))),
            note=Note(NoteCode.HEARS, _measure(default)),
            title=_TITLE,
            model=default.name,
        )

    def models(self) -> list[str]:
        """As `SttProvider.models`: those that the last `status`, `start` or `open_session` found."""
        default = self._shelf.default
        names = [checkpoint.name for checkpoint in self._shelf.checkpoints]
        return sorted(names, key=lambda name: default is None or name != default.name)

    async def start(self) -> None:
        """Load the default checkpoint. Where only others are there, `open_session` loads the one that is asked for."""
        default = await self._find_default()
        if default is not None:
            await self._pool.load(default)
        elif not self.models():
            raise ProviderNotReady(self._no_default(), note=Note(NoteCode.NO_CHECKPOINT))

    async def open_session(self, config: SttConfig) -> "WhisperSession":
        """Begin a session. Loads its checkpoint where that is not the default.

        Raises:
            UnknownModel, LanguageNotSupported, ProviderNotReady
        """
        await self._find_default()
        checkpoint = self._choose(config)
        required = {tag: find_code(tag) for tag in config.required_langs}
        if not checkpoint.multilingual:
            self._check_languages(required, checkpoint, lambda code: code == "en")
            if config.translates:
                raise LanguageNotSupported(
                    f"checkpoint {checkpoint.name!r} knows English alone and translates nothing; ask for another model"
                )
        loaded = await self._pool.load(checkpoint)
        self._check_languages(required, checkpoint, loaded.speaks)
        return WhisperSession(
            loaded, config, tuple(required.values()), self._settings.stt.whisper_local.beam_size
        )

    def cost_key(self, model: str | None) -> str:
        """As `MeasurableSttProvider.cost_key`."""
        whisper = self._settings.stt.whisper_local
        checkpoint = self._choose(SttConfig(model=model))
        choice = self._pool.choice(checkpoint)
        place = f"{choice.device} {choice.compute_type}" if choice else "nowhere yet"
        how = f"{whisper.cpu_threads} threads, beam {whisper.beam_size}, live speech"
        return f"{checkpoint.name} ({checkpoint.size_bytes} bytes), {place}, {how}"

    async def measure_cost(self, model: str | None) -> float:
        """As `MeasurableSttProvider.measure_cost`."""
        loaded = await self._pool.load(self._choose(SttConfig(model=model)))
        beam_size, at_once = self._settings.stt.whisper_local.beam_size, count_workers(self._settings)
        loaded.users += 1
        try:
            return await run_blocking(
                lambda _: measure_cost(
                    loaded.whisper, beam_size, at_once, is_on_cpu=loaded.choice.device == "cpu"
                ),
                anyio.CapacityLimiter(1),
            )
        finally:
            loaded.users -= 1

    async def aclose(self) -> None:
        """Forget the checkpoints; a running decode keeps its own until it ends."""
        self._pool.clear()

    async def _find_default(self) -> Checkpoint | None:
        """The default checkpoint of this moment; its languages become those of the engine."""
        await self._shelf.refresh()
        self.capabilities = _capabilities(self._shelf.default)
        return self._shelf.default

    def _choose(self, config: SttConfig) -> Checkpoint:
        if config.model is None:
            if default := self._shelf.default:
                return default
            raise ProviderNotReady(self._no_default(), note=Note(NoteCode.NO_CHECKPOINT))
        known = {checkpoint.name: checkpoint for checkpoint in self._shelf.checkpoints}
        if config.model not in known:
            raise UnknownModel(
                f"whisper_local has no such checkpoint; known: {', '.join(known) or 'none'};"
                " `prompter models pull NAME` fetches one"
            )
        return known[config.model]

    def _check_languages(
        self, required: Mapping[str, str], checkpoint: Checkpoint, speaks: Callable[[str], bool]
    ) -> None:
        for tag, code in required.items():
            if not speaks(code):
                raise self._lacks_language(tag, checkpoint)

    def _lacks_language(self, tag: str, checkpoint: Checkpoint) -> LanguageNotSupported:
        others = [
            repr(other.name)
            for other in self._shelf.checkpoints
            if other.multilingual and not other.test_only and other.name != checkpoint.name
        ]
        way_out = f"ask for model {' or '.join(others)}" if others else f"{PULL} for about 100 languages"
        return LanguageNotSupported(
            f"checkpoint {checkpoint.name!r} does not know the language {list_codes([tag])}; {way_out}"
        )

    def _no_default(self) -> str:
        if wanted := self._settings.stt.whisper_local.model:
            there = " or ".join(map(repr, self.models()))
            way_out = f"name {there}" if there else f"{PULL} and name it"
            return f"the checkpoint {wanted!r} of the settings is not there or not complete; {way_out}"
        there = "".join(f"; {name!r} must be asked for by name" for name in self.models())
        return f"local Whisper, about 100 languages; there is no checkpoint: {PULL}{there}"


class WhisperSession:
    """A `WindowSttSession`: the checkpoint, language and vocabulary of one session."""

    def __init__(
        self, loaded: LoadedCheckpoint, config: SttConfig, langs: tuple[str, ...], beam_size: int
    ) -> None:
        """`langs` are Whisper's codes of the languages that may be spoken; empty for any."""
        self.model: str | None = loaded.checkpoint.name
        self._loaded = loaded
        self._lang = langs[0] if len(langs) == 1 else None
        self._choice = LanguageChoice(langs, find_codes(config.likely_langs), unheard=loaded.unheard)
        self._cautious = config.cautious
        self._translates = config.translates
        self._beam_size = beam_size
        self._terms = hotwords(config.vocabulary)
        self._few_terms = hotwords(config.vocabulary[:PARTIAL_TERMS])
        # The scheduler decides how many decodes run.
        self._threads = anyio.CapacityLimiter(math.inf)
        self._open = True
        loaded.users += 1

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._loaded.users -= 1

    async def decode(self, request: WindowRequest) -> WindowResult:
        """Decode at once in a thread. Cancelled, it returns when the thread has."""
        asked = self._describe(request)
        decoded, decode_ms = await self._call(
            lambda abandoned: self._decode(asked, request.window, abandoned)
        )
        if self._cautious and (decoded.no_speech > SURE_NO_SPEECH or decoded.log_prob < SURE_LOG_PROB):
            return WindowResult("", decoded.lang, rejected="no_speech", decode_ms=decode_ms)
        return _to_result(decoded, decode_ms)

    async def decode_continuation(self, request: WindowRequest, told: ToldSpeech) -> WindowResult | None:
        """As `ContinuingSttSession`. In a thread, as `decode`."""
        if self._cautious or self._translates:
            return None
        asked, whisper = self._describe(request), self._loaded.whisper
        decoded, decode_ms = await self._call(
            lambda abandoned: decode_continuation(whisper, asked, told, abandoned)
        )
        return None if decoded is None else _to_result(decoded, decode_ms)

    def _describe(self, request: WindowRequest) -> DecodeRequest:
        return DecodeRequest(
            samples=request.samples,
            speech_samples=request.speech_samples,
            lang=self._lang or request.lang,
            choice=replace(self._choice, spoken=request.spoken),
            hotwords=self._terms if request.final else self._few_terms,
            words=request.words
            and not self._translates,  # words of another language stand nowhere in the audio
            beam_size=self._beam_size,
            context="" if self._translates else request.context,
            context_lang=request.context_lang,
            final=request.final,
            task="translate" if self._translates else "transcribe",
        )

    async def _call(self, decode: Callable[[threading.Event], T]) -> tuple[T, float]:
        """The result of `decode` in a thread, and how long it took (ms)."""

        def timed(abandoned: threading.Event) -> tuple[T, float]:
            began_s = time.perf_counter()
            decoded = decode(abandoned)
            return decoded, (time.perf_counter() - began_s) * 1000

        try:
            return await run_blocking(timed, self._threads)
        except (RuntimeError, ValueError) as error:
            logger.exception("checkpoint %r failed to decode", self._loaded.checkpoint.name)
            raise EngineFailed(
                "whisper_local failed to decode an utterance; the server's log says why"
            ) from error

    def _decode(
        self, request: DecodeRequest, size: Literal["short", "full"], abandoned: threading.Event
    ) -> DecodeResult:
        whisper = self._loaded.whisper
        if size == "short":
            return decode_short(whisper, request, abandoned)
        if request.final:
            return decode_full(whisper, request, abandoned)
        return decode_short(whisper, request, abandoned, least_frames=MAX_FRAMES)


def _to_result(decoded: DecodeResult, decode_ms: float) -> WindowResult:
    return WindowResult(
        text=decoded.text,
        lang=decoded.lang,
        words=decoded.words,
        lang_sure=decoded.rejected is None
        and not decoded.is_speech_doubted
        and decoded.lang_probability >= LANGUAGE_CONFIDENCE,
        trusted=decoded.trusted,
        doubtful=decoded.doubtful,
        rejected=decoded.rejected,
        decode_ms=decode_ms,
        segments=decoded.segments,
        joined=decoded.joined,
        ends_before=decoded.ends_before,
        is_speech_doubted=decoded.is_speech_doubted,
    )


def _capabilities(default: Checkpoint | None) -> SttCapabilities:
    languages = None if default is None or default.multilingual else ("en",)
    return SttCapabilities(
        languages, streaming=True, words=True, vocabulary=True, network=False, translates=languages is None
    )


def _measure(checkpoint: Checkpoint) -> dict[str, str | int | float]:
    """What a person can expect of a checkpoint, in numbers."""
    measured: dict[str, str | int | float] = {
        "languages": 100 if checkpoint.multilingual else 1,
        "size_mb": checkpoint.size_bytes >> 20,
    }
    if percent := find_error_percent(checkpoint.name):
        measured["percent"] = percent
    return measured


def _describe(checkpoint: Checkpoint) -> str:
    languages = "about 100 languages" if checkpoint.multilingual else "English alone"
    percent = find_error_percent(checkpoint.name)
    accuracy = f"; about {percent:g} % of words wrong in clearly read English" if percent else ""
    return (
        f"local Whisper, checkpoint {checkpoint.name!r} ({checkpoint.size_bytes >> 20} MB),"
        f" {languages}{accuracy}"
    )

"""A speech engine that says how long it heard sound."""

import numpy as np

from prompter import (
    Hypothesis,
    ProviderState,
    ProviderStatus,
    Samples,
    Settings,
    SttCapabilities,
    SttConfig,
    Transcript,
    UnknownModel,
    Word,
)

AUDIBLE = 500
"""Least sample value that counts as sound."""


class SoundMeterProvider:
    name = "sound_meter"
    type = "example"
    capabilities = SttCapabilities(
        languages=None, streaming=True, words=True, vocabulary=False, network=False
    )

    def __init__(self, settings: Settings) -> None:
        del settings  # it has none

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "example: says for how many milliseconds there was sound")

    def models(self) -> list[str]:
        return ["meter"]

    async def start(self) -> None:
        pass

    async def open_session(self, config: SttConfig) -> "SoundMeterSession":
        if config.model not in (None, "meter"):
            raise UnknownModel(f"sound_meter has no model {config.model!r}; known: meter")
        return SoundMeterSession(config)

    async def aclose(self) -> None:
        pass


class SoundMeterSession:
    def __init__(self, config: SttConfig) -> None:
        self._words = config.words

    async def open_stream(self) -> "SoundMeterStream":
        return SoundMeterStream(self._words)

    async def aclose(self) -> None:
        pass


class SoundMeterStream:
    def __init__(self, words: bool) -> None:
        self._words = words
        self._heard = 0
        self._audible = 0

    async def accept(self, samples: Samples) -> Hypothesis | None:
        self._heard += len(samples)
        self._audible += int(np.count_nonzero(np.abs(samples) > AUDIBLE))
        return Hypothesis(self._text()) if self._audible else None

    async def finish(self, speech_samples: int) -> Transcript:
        if not self._audible:
            return Transcript("", rejected="no_speech")
        end_ms = min(speech_samples, self._heard) // 16
        words = (Word(self._text(), 0, end_ms, 1.0),) if self._words else ()
        return Transcript(self._text(), model="meter", words=words)

    async def aclose(self) -> None:
        pass

    def _text(self) -> str:
        return f"{self._audible}-audible-samples"

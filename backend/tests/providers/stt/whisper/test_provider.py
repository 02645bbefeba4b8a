"""The local Whisper engine on a real checkpoint: what it says and refuses, and who leaves in the middle."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import anyio
import numpy as np
import pytest
import pytest_asyncio

from app.core.errors import EngineFailed, LanguageNotSupported, ProviderNotReady, UnknownModel
from app.providers.base import SttConfig
from app.providers.stt.whisper import full_window
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.schemas.providers import ProviderState
from tests.support.checkpoints import (
    ENGLISH,
    ROOT,
    SPANISH,
    Whisper,
    make_whisper_settings,
    make_window_request,
    transcribe,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(known: Whisper) -> AsyncIterator[WhisperLocalProvider]:
    provider = WhisperLocalProvider(make_whisper_settings(str(known.path)))
    await provider.start()
    yield provider
    await provider.aclose()


def english_only(known: Whisper, folder: Path) -> Path:
    """A checkpoint that passes for an English-only one: without the empty token."""
    shutil.copytree(known.path, folder)
    vocabulary = folder / "vocabulary.json"
    vocabulary.unlink()
    tokens = json.loads((known.path / "vocabulary.json").read_text())
    vocabulary.write_text(json.dumps([token or "<|nothing|>" for token in tokens]))
    return folder


# -- what it says


@pytest.mark.parametrize("window", ["short", "full"])
async def test_finals_are_what_was_said_in_the_language_detected(
    provider: WhisperLocalProvider, known: Whisper, window: Literal["short", "full"]
) -> None:
    first = await transcribe(provider, known.english, window=window)
    assert (first.text, first.lang, first.lang_sure) == (ENGLISH, "en", True)
    assert (first.trusted, first.doubtful) == (True, None)
    assert first.decode_ms > 0
    second = await transcribe(provider, known.spanish, window=window)
    assert (second.text, second.lang) == (SPANISH, "es")


async def test_a_partial_of_the_whole_utterance_is_its_text(
    provider: WhisperLocalProvider, known: Whisper
) -> None:
    session = await provider.open_session(SttConfig())
    for window in ("short", "full"):
        partial = await session.decode(make_window_request(known.english, final=False, window=window))
        assert (partial.text, partial.words) == (ENGLISH, ())
    await session.aclose()


@pytest.mark.parametrize("lang", ["es", "es-MX"])
async def test_the_language_asked_for_is_used(
    provider: WhisperLocalProvider, known: Whisper, lang: str
) -> None:
    assert (await transcribe(provider, known.spanish, SttConfig(lang=lang))).text == SPANISH


async def test_a_context_in_another_language_is_dropped(
    provider: WhisperLocalProvider, known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompted: list[str] = []

    def count_tokens(model: Any, request: full_window.DecodeRequest, lang: str | None) -> list[int]:
        tokens = full_window.context_tokens(model, request, lang)
        prompted.append(lang or "" if tokens else "none")
        return tokens

    monkeypatch.setattr("app.providers.stt.whisper.short_window.context_tokens", count_tokens)
    session = await provider.open_session(SttConfig())
    for context_lang in ("en", "es", None):
        asked = make_window_request(known.english, window="short", context=SPANISH, context_lang=context_lang)
        assert (await session.decode(asked)).lang == "en"
    await session.aclose()
    assert prompted == ["en", "none", "en"]


async def test_the_language_of_an_earlier_final_is_used_where_it_is_given(
    provider: WhisperLocalProvider, known: Whisper
) -> None:
    session = await provider.open_session(SttConfig())
    assert (await session.decode(make_window_request(known.english, lang="es"))).lang == "es"
    assert (await session.decode(make_window_request(known.english))).lang == "en"
    await session.aclose()
    session = await provider.open_session(SttConfig(lang="en-GB"))
    assert (await session.decode(make_window_request(known.english, lang="es"))).lang == "en"
    await session.aclose()


async def test_neither_doubt_nor_silence_is_sure_of_the_language(
    provider: WhisperLocalProvider, known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        full_window.DecodeResult("", "fr", 0.99, rejected="no_speech"),
        full_window.DecodeResult("hola", "es", 0.5),
        full_window.DecodeResult("hola", "es", 0.9),
    ]
    script = iter(answers)
    monkeypatch.setattr("app.providers.stt.whisper.provider.decode_full", lambda *_: next(script))
    sure = [(await transcribe(provider, known.english)).lang_sure for _ in answers]
    assert sure == [False, False, True]


@pytest.mark.parametrize("window", ["short", "full"])
async def test_word_times_are_those_of_the_utterance(
    provider: WhisperLocalProvider, known: Whisper, window: Literal["short", "full"]
) -> None:
    lead = np.zeros(8000, np.int16)
    samples = np.concatenate([lead, known.english])
    words = (await transcribe(provider, samples, SttConfig(words=True), window)).words
    assert " ".join(word.text for word in words) == ENGLISH
    assert words[0].end_ms >= 500
    assert words[-1].end_ms <= len(samples) / 16


@pytest.mark.parametrize("window", ["short", "full"])
@pytest.mark.parametrize("kind", ["zeros", "hiss"])
async def test_no_speech_is_rejected(
    provider: WhisperLocalProvider, kind: str, window: Literal["short", "full"]
) -> None:
    noise = np.random.default_rng(1).standard_normal(48_000) * (0 if kind == "zeros" else 100)
    for final in (True, False):
        session = await provider.open_session(SttConfig())
        result = await session.decode(make_window_request(noise.astype(np.int16), final=final, window=window))
        await session.aclose()
        assert (result.text, result.rejected) == ("", "no_speech")


async def test_vocabulary_reaches_the_decoder_and_stays_in_its_session(
    provider: WhisperLocalProvider, known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = full_window.decode_full

    def spy(
        model: object, request: full_window.DecodeRequest, abandoned: threading.Event
    ) -> full_window.DecodeResult:
        seen.append(request.hotwords)
        return original(model, request, abandoned)

    monkeypatch.setattr("app.providers.stt.whisper.provider.decode_full", spy)
    terms = SttConfig(vocabulary=("FastAPI", "kubectl"))
    assert (await transcribe(provider, known.english, terms)).text == ENGLISH
    await transcribe(provider, known.english)
    assert seen == ["FastAPI, kubectl", None]


async def test_the_same_audio_gives_the_same_text_every_time(
    provider: WhisperLocalProvider, known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the decoder is unsure, and the usual ladder of temperatures would draw lots."""
    monkeypatch.setitem(full_window.PARAMETERS, "log_prob_threshold", 10.0)  # never sure
    session = await provider.open_session(SttConfig(lang="en"))
    generator = Generator(session._loaded.whisper.model)
    monkeypatch.setattr(session._loaded.whisper, "model", generator)
    texts = {(await transcribe(provider, known.english)).text for _ in range(3)}
    await session.aclose()
    assert texts == {ENGLISH}
    assert generator.asked
    assert not any(options.get("sampling_temperature") for options in generator.asked)


async def test_nothing_that_was_said_is_logged(
    provider: WhisperLocalProvider, known: Whisper, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await transcribe(provider, known.english, SttConfig(vocabulary=("Zanzibar",)))
    assert "Python" not in caplog.text
    assert "Zanzibar" not in caplog.text


# -- states


async def test_status_names_the_checkpoint_and_imports_nothing(known: Whisper) -> None:
    code = (
        "import asyncio, sys\n"
        "from app.core.config import Settings\n"
        "from app.providers.stt.whisper.provider import WhisperLocalProvider\n"
        f"settings = Settings(stt={{'whisper_local': {{'model': {str(known.path)!r}}}}})\n"
        "provider = WhisperLocalProvider(settings)\n"
        "print(asyncio.run(provider.status()), provider.models())\n"
        "assert not {'faster_whisper', 'ctranslate2', 'onnxruntime'} & set(sys.modules)\n"
    )
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, "-c", code], cwd=ROOT / "backend", stderr=subprocess.STDOUT
        )
    assert "ready" in done.stdout.decode()
    assert repr(known.path.name) in done.stdout.decode()


async def test_without_a_checkpoint_it_says_how_to_get_one(tmp_path: Path) -> None:
    provider = WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path))
    status = await provider.status()
    assert status.state is ProviderState.NO_MODEL
    assert "prompter models pull base" in status.description
    assert provider.models() == []
    for call in (provider.start(), provider.open_session(SttConfig())):
        with pytest.raises(ProviderNotReady, match="prompter models pull base"):
            await call


async def test_a_checkpoint_of_the_settings_that_is_missing_is_named(tmp_path: Path) -> None:
    provider = WhisperLocalProvider(make_whisper_settings("small", tmp_path))
    status = await provider.status()
    assert status.state is ProviderState.NO_MODEL
    assert "'small'" in status.description


async def test_the_test_checkpoint_is_used_only_when_asked_for(known: Whisper, tmp_path: Path) -> None:
    shutil.copytree(known.path, tmp_path / "whisper-samples")
    provider = WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path))
    status = await provider.status()
    assert status.state is ProviderState.NO_MODEL
    assert "'whisper-samples'" in status.description
    await provider.start()
    with pytest.raises(ProviderNotReady):
        await provider.open_session(SttConfig())
    session = await provider.open_session(SttConfig(model="whisper-samples"))
    assert session.model == "whisper-samples"
    assert (await session.decode(make_window_request(known.english))).text == ENGLISH
    await session.aclose()


# -- languages and models


async def test_an_english_checkpoint_refuses_spanish_with_a_way_out(known: Whisper, tmp_path: Path) -> None:
    english_only(known, tmp_path / "tiny.en")
    provider = WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path))
    assert provider.capabilities.languages == ("en",)
    with pytest.raises(LanguageNotSupported, match=r"'tiny.en'.*'es'.*prompter models pull base"):
        await provider.open_session(SttConfig(lang="es-MX"))

    shutil.copytree(known.path, tmp_path / "small")
    with pytest.raises(LanguageNotSupported, match="ask for model 'small'"):
        await provider.open_session(SttConfig(lang="es", model="tiny.en"))
    await provider.status()
    assert provider.capabilities.languages is None


async def test_a_language_that_whisper_does_not_have_is_refused(provider: WhisperLocalProvider) -> None:
    for config in (SttConfig(lang="tlh"), SttConfig(langs=("en", "tlh"))):
        with pytest.raises(LanguageNotSupported, match="an unknown language"):
            await provider.open_session(config)


@pytest.mark.parametrize("window", ["short", "full"])
async def test_only_the_languages_that_are_spoken_are_detected(
    provider: WhisperLocalProvider, known: Whisper, window: Literal["short", "full"]
) -> None:
    for langs, found in ((("es", "en-GB"), "en"), (("es", "pt"), None)):
        result = await transcribe(provider, known.english, SttConfig(langs=langs), window)
        assert result.lang == found or (found is None and result.lang in langs)


@pytest.mark.parametrize("model", ["base", "../whisper-samples", "/etc", ""])
async def test_only_names_of_the_list_can_be_asked_for(
    provider: WhisperLocalProvider, known: Whisper, model: str
) -> None:
    with pytest.raises(UnknownModel, match=known.path.name):
        await provider.open_session(SttConfig(model=model))


async def test_a_path_is_no_name_for_a_client(provider: WhisperLocalProvider, known: Whisper) -> None:
    with pytest.raises(UnknownModel):
        await provider.open_session(SttConfig(model=str(known.path)))


# -- clients that leave


async def test_an_engine_that_breaks_ends_with_one_error_and_no_details(
    provider: WhisperLocalProvider, known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("weights at /secret/place")

    monkeypatch.setattr("app.providers.stt.whisper.provider.decode_full", broken)
    with pytest.raises(EngineFailed) as caught:
        await transcribe(provider, known.english)
    assert "/secret" not in str(caught.value)
    monkeypatch.undo()
    assert (await transcribe(provider, known.english)).text == ENGLISH


class Generator:
    """In place of CTranslate2's model: the same, and remembers with which options it was asked."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.asked: list[dict[str, object]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, *args: object, **options: object) -> Any:
        self.asked.append(options)
        return self._model.generate(*args, **options)

"""The settings of a Realtime session: what a `session.update` changes, what is in force, and what is refused."""

from typing import Any

import pytest

from app.api.dialects.realtime_session import (
    LOGPROBS,
    BetaDisabled,
    DictationPlan,
    Refusal,
    SessionConfig,
    merge_update,
    name_model,
)
from app.core.config import Settings
from app.schemas.speech_socket import EndpointingConfig

SETTINGS = Settings(_env_file=None)
MODELS = {"whisper_local": ["base", "tiny.en"], "pocketsphinx": ["en-us"]}


def update(config: SessionConfig = SessionConfig(), **given: Any) -> SessionConfig:  # noqa: B008  # it is frozen
    """The settings after an update of `audio.input`."""
    return merge_update(config, {"type": "transcription", "audio": {"input": given}})


def plan(config: SessionConfig) -> DictationPlan:
    found = config.make_plan(SETTINGS, MODELS)
    assert found is not None
    return found


def in_force(config: SessionConfig) -> dict[str, Any]:
    told: dict[str, Any] = config.to_dict("sess_1", SETTINGS.vad)["audio"]["input"]
    return told


def test_what_holds_before_anything_is_asked_for() -> None:
    assert SessionConfig().to_dict("sess_1", SETTINGS.vad) == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {
                    "model": "whisper-1",
                    "language": None,
                    "languages": None,
                    "keywords": None,
                    "prompt": None,
                },
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 400,
                    "silence_duration_ms": 500,
                },
            }
        },
        "include": None,
    }


def test_an_absent_key_keeps_and_null_turns_off() -> None:
    config = update(
        transcription={"model": "base", "language": "es", "keywords": ["Kubernetes"], "prompt": "a talk"},
        turn_detection={"type": "server_vad", "silence_duration_ms": 350},
    )
    config = update(config, transcription={"language": None})
    wanted = in_force(config)
    assert wanted["transcription"]["model"] == "base"
    assert wanted["transcription"]["language"] is None
    assert wanted["transcription"]["keywords"] == ["Kubernetes"]
    assert wanted["turn_detection"]["silence_duration_ms"] == 350
    config = update(config, turn_detection={"threshold": 0.7})
    assert in_force(config)["turn_detection"]["silence_duration_ms"] == 350
    assert in_force(update(config, turn_detection=None))["turn_detection"] is None
    assert in_force(update(config, transcription=None))["transcription"] is None
    assert update(config, transcription=None).make_plan(SETTINGS, MODELS) is None
    assert merge_update(config, {"type": "transcription"}) == config


@pytest.mark.parametrize(
    ("given", "told", "rate"),
    [
        ({"type": "audio/pcm"}, {"type": "audio/pcm", "rate": 24_000}, 24_000),
        ({"type": "audio/pcm", "rate": 16_000}, {"type": "audio/pcm", "rate": 16_000}, 16_000),
        ({"type": "audio/pcmu"}, {"type": "audio/pcmu"}, 8000),
        ({"type": "audio/pcma"}, {"type": "audio/pcma"}, 8000),
    ],
)
def test_formats(given: dict[str, Any], told: dict[str, Any], rate: int) -> None:
    config = update(format=given)
    assert in_force(config)["format"] == told
    assert plan(config).rate_hz == rate


def test_what_is_said_of_the_speech_reaches_the_dictation() -> None:
    config = merge_update(
        SessionConfig(),
        {
            "type": "transcription",
            "include": [LOGPROBS, "something.new"],
            "audio": {
                "input": {
                    "transcription": {
                        "model": "whisper_local/base",
                        "languages": ["es", "english"],
                        "keywords": ["kubectl"],
                        "prompt": "FastAPI, pydantic",
                        "delay": "low",
                        "something_new": 1,
                    },
                    "noise_reduction": {"type": "near_field"},
                }
            },
        },
    )
    start = plan(config).config
    assert (start.provider, start.model) == ("whisper_local", "base")
    assert (start.lang, start.langs) == ("auto", ["es", "en"])
    assert start.vocabulary == ["kubectl", "FastAPI", "pydantic"]
    assert start.words
    assert in_force(config)["noise_reduction"] is None, "nothing of the kind is done"


@pytest.mark.parametrize(
    ("given", "silence_ms"),
    [
        ({"type": "server_vad"}, 500),
        ({"type": "server_vad", "silence_duration_ms": 200}, 200),
        ({"type": "server_vad", "silence_duration_ms": 1}, 100),
        ({"type": "server_vad", "silence_duration_ms": 60_000}, 10_000),
        ({"type": "semantic_vad"}, 4000),
        ({"type": "semantic_vad", "eagerness": "low"}, 8000),
        ({"type": "semantic_vad", "eagerness": "medium"}, 4000),
        ({"type": "semantic_vad", "eagerness": "high"}, 2000),
    ],
)
def test_the_silence_that_ends_a_turn(given: dict[str, Any], silence_ms: int) -> None:
    found = plan(update(turn_detection=given))
    assert found.config.endpointing == EndpointingConfig(silence_ms=silence_ms)
    assert found.silence_ms == silence_ms


def test_the_detector_follows_within_bounds_and_what_holds_is_told() -> None:
    config = update(turn_detection={"type": "server_vad", "threshold": 0.99, "prefix_padding_ms": 300})
    assert in_force(config)["turn_detection"]["threshold"] == 0.9
    assert in_force(config)["turn_detection"]["prefix_padding_ms"] == 400, "the least that keeps first words"
    assert plan(config).vad.neg_threshold == pytest.approx(0.75)
    longer = update(turn_detection={"type": "server_vad", "prefix_padding_ms": 600})
    assert plan(longer).vad.speech_pad_ms == 600
    assert plan(SessionConfig()).vad is SETTINGS.vad


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
def test_models_without_turn_detection_leave_it_to_the_client(model: str) -> None:
    config = update(transcription={"model": model})
    assert in_force(config)["turn_detection"] is None
    assert plan(config).config.endpointing == "manual"
    assert plan(config).config.provider is None, "all of OpenAI's names mean the default engine"
    asked = update(turn_detection={"type": "server_vad"}, transcription={"model": model})
    assert in_force(asked)["turn_detection"]["type"] == "server_vad"
    assert in_force(update(config, transcription={"model": "gpt-transcribe"}))["turn_detection"] is not None
    assert name_model(SessionConfig(), model) == config


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        (None, "missing_required_parameter", "session"),
        ([], "invalid_type", "session"),
        ({"type": "realtime"}, "invalid_parameter", "session.type"),
        ({"type": "dictation"}, "invalid_value", "session.type"),
        ({"audio": 7}, "invalid_type", "session.audio"),
        ({"audio": {"input": []}}, "invalid_type", "session.audio.input"),
        ({"include": "all"}, "invalid_type", "session.include"),
        ({"audio": {"input": {"format": "pcm16"}}}, "invalid_type", "session.audio.input.format"),
        (
            {"audio": {"input": {"format": {"type": "audio/opus"}}}},
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"rate": 7999}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"format": {"rate": "24000"}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        ({"audio": {"input": {"transcription": "on"}}}, "invalid_type", "session.audio.input.transcription"),
        (
            {"audio": {"input": {"transcription": {"language": 7}}}},
            "invalid_type",
            "session.audio.input.transcription.language",
        ),
        (
            {"audio": {"input": {"transcription": {"keywords": "a"}}}},
            "invalid_type",
            "session.audio.input.transcription.keywords",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "psychic"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "now"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
        ),
        (
            {"audio": {"input": {"turn_detection": {"threshold": True}}}},
            "invalid_type",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"silence_duration_ms": -1}}}},
            "invalid_type",
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(session: Any, code: str, param: str) -> None:
    with pytest.raises(Refusal) as refusal:
        merge_update(SessionConfig(), session)
    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert refusal.value.to_dict()["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "session",
    [
        {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}},
        {"type": "transcription", "turn_detection": {"type": "server_vad"}},
    ],
)
def test_the_flat_session_of_the_beta_is_over(session: dict[str, Any]) -> None:
    with pytest.raises(BetaDisabled) as refusal:
        merge_update(SessionConfig(), session)
    assert refusal.value.code == "beta_api_shape_disabled"


@pytest.mark.parametrize(
    ("transcription", "code", "param"),
    [
        ({"model": "huge"}, "model_not_found", "session.audio.input.transcription.model"),
        ({"language": "klingon!"}, "language_not_supported", "session.audio.input.transcription.language"),
        ({"language": "en-x"}, "invalid_value", "session.audio.input.transcription.language"),
    ],
)
def test_models_and_languages_that_there_are_not(
    transcription: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        update(transcription=transcription).make_plan(SETTINGS, MODELS)
    assert (refusal.value.code, refusal.value.param) == (code, param)

"""The settings of one Realtime transcription session: what a client asked for, merged, and what that means here; pure.

A `session.update` changes the keys that it names: an absent key keeps its value, null turns off. What cannot be meant
is refused as a whole, in the original's shape; unknown fields pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from app.core.config import Settings, VadSettings
from app.core.errors import PrompterError
from app.schemas.openai_errors import to_openai_status
from app.schemas.speech_socket import EndpointingConfig, StartConfig
from app.services.audio.g711 import G711_RATE_HZ
from app.services.audio.pcm import RATES_HZ
from app.services.transcription.request import (
    MANUAL_NAMES,
    OPENAI_NAMES,
    SILENCE_MS,
    find_model,
    parse_listed_languages,
    parse_named_language,
    parse_vocabulary,
)

Codec = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

DEFAULT_RATE_HZ = 24_000
THRESHOLDS = (0.1, 0.9)
"""What `threshold` is held within."""
HYSTERESIS = 0.15
"""How far below the threshold a frame counts as silence again, as in Silero's own code."""
Eagerness = Literal["low", "medium", "high", "auto"]
SEMANTIC_SILENCE_MS: dict[Eagerness, int] = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
LOGPROBS = "item.input_audio_transcription.logprobs"
_MAX_LANGUAGES = 16
_BETA_FIELDS = frozenset({
    "input_audio_format", "input_audio_transcription", "input_audio_noise_reduction", "turn_detection", "modalities",
    "output_audio_format",
})  # fmt: skip
"""Fields that only the beta's flat session had."""
_INPUT = "session.audio.input"


class Refusal(Exception):
    """What a client asked for is refused: code, message and field as the original names them."""

    def __init__(
        self, code: str, message: str, param: str | None = None, *, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind
        """The `type` of the error."""

    @classmethod
    def from_error(cls, error: PrompterError, param: str | None = None) -> "Refusal":
        kind = "server_error" if to_openai_status(error) >= 500 else "invalid_request_error"
        return cls(error.code, error.message, param or error.param, kind=kind)

    def to_dict(self) -> dict[str, Any]:
        """The error as the original writes it, without the id of the client's event."""
        return {"type": self.kind, "code": self.code, "message": self.message, "param": self.param}


class BetaDisabled(Refusal):
    """The client speaks the dialect of the beta, which ended in 2026: the original closes its socket."""

    close_code = 4000

    def __init__(self) -> None:
        super().__init__(
            "beta_api_shape_disabled",
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API: `session.update`"
            " with `session.type` 'transcription' and `session.audio.input`.",
        )


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the client's samples are written."""

    codec: Codec = "audio/pcm"
    rate_hz: int = DEFAULT_RATE_HZ

    def to_dict(self) -> dict[str, Any]:
        if self.codec == "audio/pcm":
            return {"type": self.codec, "rate": self.rate_hz}
        return {"type": self.codec}

    @property
    def bytes_per_sample(self) -> int:
        return 2 if self.codec == "audio/pcm" else 1


@dataclass(frozen=True, slots=True)
class Transcription:
    """What the client says of the speech, and which engine is to hear it."""

    model: str = OPENAI_NAMES[0]
    language: str | None = None
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    prompt: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "language": self.language,
            "languages": list(self.languages) or None,
            "keywords": list(self.keywords) or None,
            "prompt": self.prompt,
        }


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """When the server ends an utterance. None of the numbers is asked for: those of the settings hold."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int = 500
    eagerness: Eagerness = "auto"

    @property
    def silence_ms(self) -> int:
        if self.type == "semantic_vad":
            return SEMANTIC_SILENCE_MS[self.eagerness]
        return self.silence_duration_ms


@dataclass(frozen=True, slots=True)
class DictationPlan:
    """What one dictation of the speech session begins with. Another plan needs another dictation."""

    rate_hz: int
    config: StartConfig
    vad: VadSettings

    @property
    def silence_ms(self) -> int | None:
        """Silence that ends an utterance; None where the client commits."""
        endpointing = self.config.endpointing
        return endpointing.silence_ms if isinstance(endpointing, EndpointingConfig) else None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The settings in force. Without `transcription` nothing is heard; without `turn_detection` the client commits."""

    format: AudioFormat = AudioFormat()
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()
    names_turn_detection: bool = False
    """Whether a client has said when turns end; the model decides otherwise."""
    logprobs: bool = False

    def to_dict(self, session_id: str, vad: VadSettings) -> dict[str, Any]:
        """The session as `session.created` and `session.updated` tell it: what is in force."""
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "audio": {
                "input": {
                    "format": self.format.to_dict(),
                    "transcription": self.transcription and self.transcription.to_dict(),
                    "noise_reduction": None,
                    "turn_detection": self.turn_detection and _describe_turns(self.turn_detection, vad),
                }
            },
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def make_plan(self, settings: Settings, models: Mapping[str, Sequence[str]]) -> DictationPlan | None:
        """How to hear this session's audio; None where nothing is transcribed. `models`: see `find_model`.

        Raises:
            Refusal: there is no such model or language.
        """
        wanted = self.transcription
        if wanted is None:
            return None
        try:
            model = find_model(wanted.model, models)
            lang = parse_named_language(wanted.language)
            langs = parse_listed_languages(wanted.languages)[:_MAX_LANGUAGES]
            config = StartConfig(
                lang=lang or "auto",
                langs=list(langs),
                provider=model.provider,
                model=model.model,
                sample_rate=self.format.rate_hz,
                words=self.logprobs,
                vocabulary=list(parse_vocabulary(wanted.prompt or "", wanted.keywords)),
                endpointing=EndpointingConfig(silence_ms=self.turn_detection.silence_ms)
                if self.turn_detection
                else "manual",
                events=["speech_started", "speech_stopped", "utterance_discarded"],
            )
        except PrompterError as error:
            raise Refusal.from_error(error, f"{_INPUT}.transcription.{error.param or 'model'}") from None
        except ValidationError:
            raise Refusal(
                "invalid_value",
                "a language is a code like 'es' or 'en-GB'",
                f"{_INPUT}.transcription.language",
            ) from None
        return DictationPlan(self.format.rate_hz, config, choose_vad(self.turn_detection, settings.vad))


def choose_vad(turns: TurnDetection | None, vad: VadSettings) -> VadSettings:
    """The detector's settings for a session: the server's, but for what its client asked for and may have."""
    changed: dict[str, Any] = {}
    if turns is not None and turns.threshold is not None:
        threshold = min(max(turns.threshold, THRESHOLDS[0]), THRESHOLDS[1])
        if threshold != vad.threshold:
            changed = {"threshold": threshold, "neg_threshold": max(threshold - HYSTERESIS, 0.01)}
    if turns is not None and turns.prefix_padding_ms is not None:
        changed["speech_pad_ms"] = min(max(turns.prefix_padding_ms, vad.speech_pad_ms), 2000)
    return vad.model_copy(update=changed) if changed else vad


def _describe_turns(turns: TurnDetection, vad: VadSettings) -> dict[str, Any]:
    if turns.type == "semantic_vad":
        return {"type": turns.type, "eagerness": turns.eagerness}
    chosen = choose_vad(turns, vad)
    return {
        "type": turns.type,
        "threshold": chosen.threshold,
        "prefix_padding_ms": chosen.speech_pad_ms,
        "silence_duration_ms": turns.silence_duration_ms,
    }


# -- merging


def name_model(config: SessionConfig, model: str) -> SessionConfig:
    """The session with another model, whose own way to end turns holds where the client has named none."""
    transcription = replace(config.transcription or Transcription(), model=model)
    return _follow_model(replace(config, transcription=transcription))


def merge_update(config: SessionConfig, session: Any) -> SessionConfig:
    """The settings after a `session.update`.

    Raises:
        Refusal: nothing of the update is taken.
    """
    body = _require_object(session, "session", what="session")
    kind = body.get("type", "transcription")
    if kind == "realtime":
        raise Refusal(
            "invalid_parameter",
            "Passing a realtime session update event to a transcription session is not allowed: this server hears and"
            " does not speak. Use `session.type` 'transcription', and POST /v1/chat/completions for answers.",
            "session.type",
        )
    if kind != "transcription":
        raise Refusal("invalid_value", "Invalid value for 'session.type'. Supported values are: 'transcription'.",
                      "session.type")  # fmt: skip
    if _BETA_FIELDS & body.keys():
        raise BetaDisabled
    if "include" in body:
        config = replace(config, logprobs=_read_include(body["include"]))
    audio = body.get("audio")
    given = _require_object(audio, "session.audio") if audio is not None else {}
    if given.get("input") is not None:
        config = _merge_input(config, _require_object(given["input"], _INPUT))
    return config


def _merge_input(config: SessionConfig, given: dict[str, Any]) -> SessionConfig:
    if "format" in given:
        config = replace(config, format=_read_format(given["format"]))
    if "transcription" in given:
        config = replace(
            config, transcription=_merge_transcription(config.transcription, given["transcription"])
        )
    if "turn_detection" in given:
        turns = _merge_turns(config.turn_detection, given["turn_detection"])
        config = replace(config, turn_detection=turns, names_turn_detection=True)
    return _follow_model(config)


def _follow_model(config: SessionConfig) -> SessionConfig:
    """Models that end no turns by themselves leave that to the client, unless it has said otherwise."""
    if config.names_turn_detection or config.transcription is None:
        return config
    manual = config.transcription.model in MANUAL_NAMES
    return replace(config, turn_detection=None if manual else TurnDetection())


def _read_format(given: Any) -> AudioFormat:
    if given is None:
        return AudioFormat()
    param = f"{_INPUT}.format"
    body = _require_object(given, param)
    codec = body.get("type", "audio/pcm")
    if codec not in ("audio/pcm", "audio/pcmu", "audio/pcma"):
        raise Refusal(
            "invalid_value",
            f"Invalid value for '{param}.type'. Supported values are: 'audio/pcm', 'audio/pcmu' and 'audio/pcma'.",
            f"{param}.type",
        )
    if codec != "audio/pcm":
        return AudioFormat(codec, G711_RATE_HZ)
    rate = body.get("rate", DEFAULT_RATE_HZ)
    if type(rate) is not int or rate not in RATES_HZ:
        raise Refusal(
            "invalid_value", f"'{param}.rate' must be an integer from 8000 to 48000 (Hz).", f"{param}.rate"
        )
    return AudioFormat("audio/pcm", rate)


def _merge_transcription(before: Transcription | None, given: Any) -> Transcription | None:
    if given is None:
        return None
    param = f"{_INPUT}.transcription"
    body = _require_object(given, param)
    changed: dict[str, Any] = {}
    for name in ("model", "language", "prompt"):
        if name in body:
            changed[name] = _read_text(body[name], f"{param}.{name}")
    for name in ("languages", "keywords"):
        if name in body:
            changed[name] = _read_texts(body[name], f"{param}.{name}")
    if "model" in changed:
        changed["model"] = (changed["model"] or "").strip() or OPENAI_NAMES[0]
    return replace(before or Transcription(), **changed)


def _merge_turns(before: TurnDetection | None, given: Any) -> TurnDetection | None:
    if given is None:
        return None
    param = f"{_INPUT}.turn_detection"
    body = _require_object(given, param)
    kind = body.get("type", before.type if before else "server_vad")
    if kind not in ("server_vad", "semantic_vad"):
        raise Refusal(
            "invalid_value",
            f"Invalid value for '{param}.type'. Supported values are: 'server_vad' and 'semantic_vad'.",
            f"{param}.type",
        )
    turns = before if before is not None and before.type == kind else TurnDetection(type=kind)
    if kind == "semantic_vad":
        eagerness = body.get("eagerness", turns.eagerness) or "auto"
        if not isinstance(eagerness, str) or eagerness not in SEMANTIC_SILENCE_MS:
            raise Refusal(
                "invalid_value",
                f"Invalid value for '{param}.eagerness'. Supported values are: 'low', 'medium', 'high' and 'auto'.",
                f"{param}.eagerness",
            )
        return replace(turns, eagerness=eagerness)
    changed: dict[str, Any] = {}
    if body.get("threshold") is not None:
        changed["threshold"] = _read_number(body["threshold"], f"{param}.threshold")
    if body.get("prefix_padding_ms") is not None:
        changed["prefix_padding_ms"] = int(
            _read_number(body["prefix_padding_ms"], f"{param}.prefix_padding_ms")
        )
    if body.get("silence_duration_ms") is not None:
        silence_ms = int(_read_number(body["silence_duration_ms"], f"{param}.silence_duration_ms"))
        changed["silence_duration_ms"] = min(max(silence_ms, SILENCE_MS[0]), SILENCE_MS[-1])
    return replace(turns, **changed)


def _read_include(given: Any) -> bool:
    if given is None:
        return False
    if not isinstance(given, list):
        raise _wrong_type("session.include", "an array of strings")
    return LOGPROBS in given


def _require_object(given: Any, param: str, *, what: str = "") -> dict[str, Any]:
    if what and given is None:
        raise Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    if not isinstance(given, dict):
        raise _wrong_type(param, "an object")
    return given


def _read_text(given: Any, param: str) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise _wrong_type(param, "a string")
    return given[:100_000] or None


def _read_texts(given: Any, param: str) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise _wrong_type(param, "an array of strings")
    return tuple(each for each in given[:1000] if each.strip())


def _read_number(given: Any, param: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1e9:
        raise _wrong_type(param, "a number that is not negative")
    return float(given)


def _wrong_type(param: str, expected: str) -> Refusal:
    return Refusal("invalid_type", f"Invalid type for '{param}': expected {expected}.", param)

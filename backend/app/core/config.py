"""Every setting of the server: one class, read once, passed down by `create_app(settings)`, never a global."""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.assistants import AssistantSettings
from app.core.paths import base_folder, resolve_path

ALIASES: dict[str, tuple[str, ...]] = {
    "OPENAI_API_KEY": ("llm", "openai_compat", "api_key"),
    "OPENAI_BASE_URL": ("llm", "openai_compat", "base_url"),
    "OPENAI_MODEL": ("llm", "openai_compat", "model"),
    "JWT_SECRET_KEY": ("accounts", "jwt_secret_key"),
    "LOFT_API_URL": ("loft", "api_url"),
    "LOFT_API_KEY": ("loft", "api_key"),
}
"""Names that other tools use, and the setting that each one fills when its own name is not given."""


def _listed(value: object) -> object:
    """The parts of a comma-separated text; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class PocketSphinxSettings(BaseModel):
    """The embedded English engine."""

    workers: int = Field(0, ge=0, le=64, description="worker processes; 0 means one for each core")
    decoders: int = Field(
        4, ge=1, le=32, description="decoders a worker may hold, i.e. utterances at once (about 60 MB each)"
    )


class WhisperSettings(BaseModel):
    """The local Whisper engine (faster-whisper)."""

    model: str = Field(
        "",
        description="checkpoint: a path, a name under the models folder or in the Hugging Face cache; empty picks one",
    )
    compute_type: Literal["int8", "int8_float32", "int16", "float32"] = Field(
        "int8", description="arithmetic"
    )
    cpu_threads: int = Field(
        1, ge=1, le=64, description="threads of one decode; `scheduler.cores` decodes run at once"
    )
    beam_size: int = Field(5, ge=1, le=10, description="beams of a final decode")
    partial_window: Literal["short", "full", "auto"] = Field(
        "short", description="audio encoded for a partial: what is there, 30 s, or 30 s while cores are free"
    )
    final_window: Literal["short", "full", "auto"] = Field(
        "auto", description="the same for a final; a short one that is doubtful is decoded again in full"
    )


class SttUpstreamSettings(BaseModel):
    """A service with `/v1/audio/transcriptions`."""

    base_url: str = Field("", description="address that ends in /v1")
    api_key: SecretStr = Field(SecretStr(""), description="its key; empty sends none")
    model: str = Field("whisper-1", description="model name sent to it")
    timeout_s: float = Field(60.0, gt=0, le=600, description="seconds for one transcription")


class SttSettings(BaseModel):
    """Speech to text."""

    provider: str = Field("auto", description="engine used when `start` names none")
    lang: str = Field("auto", description="language used when `start` names none (BCP-47, or auto)")
    pocketsphinx: PocketSphinxSettings = PocketSphinxSettings()
    whisper_local: WhisperSettings = WhisperSettings()
    openai_compat: SttUpstreamSettings = SttUpstreamSettings()


class VadSettings(BaseModel):
    """The speech gate. Names and defaults of the thresholds are Silero's."""

    gate: Literal["webrtc+silero", "silero", "webrtc"] = Field(
        "webrtc+silero", description="which detectors decide; webrtc alone mistakes noise for speech"
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="probability at which a frame starts speech")
    neg_threshold: float = Field(
        0.35, gt=0, lt=1, description="probability below which a frame is silence again"
    )
    speech_pad_ms: int = Field(400, ge=400, le=2000, description="pre-roll kept before speech (ms)")
    min_speech_ms: int = Field(
        250, ge=0, le=2000, description="voiced time below which an utterance is discarded (ms)"
    )
    min_word_ms: int = Field(
        100, ge=0, le=2000, description="the same at stop, flush, or where the detector is sure (ms)"
    )


class EndpointingSettings(BaseModel):
    """When an utterance ends: silence after speech, by profile."""

    profile: Literal["command", "conversation", "dictation", "hands_free", "manual"] = Field(
        "conversation", description="profile used when `start` names none"
    )
    command_ms: int = Field(350, ge=100, le=10_000, description="silence of the profile `command` (ms)")
    conversation_ms: int = Field(
        600, ge=100, le=10_000, description="silence of the profile `conversation` (ms)"
    )
    dictation_ms: int = Field(1200, ge=100, le=10_000, description="silence of the profile `dictation` (ms)")
    hands_free_ms: int = Field(
        2000, ge=100, le=10_000, description="silence of the profile `hands_free` (ms)"
    )
    provisional_ms: int = Field(
        256, ge=100, le=10_000, description="silence after which the final is decoded in advance (ms)"
    )


class LimitSettings(BaseModel):
    """What keeps one client from harming the rest."""

    message_bytes: int = Field(1 << 20, ge=1024, le=16 << 20, description="largest WebSocket message (bytes)")
    header_bytes: int = Field(
        64 << 10, ge=1024, le=16 << 20, description="longest address and headers of a request (bytes)"
    )
    request_s: float = Field(
        30.0, gt=0, le=600, description="time in which headers are complete and a body brings something (s)"
    )
    body_bytes: int = Field(1 << 20, ge=1024, le=64 << 20, description="largest HTTP request body (bytes)")
    chat_bytes: int = Field(
        20 << 20, ge=1024, le=256 << 20, description="the same of `/v1/chat/completions`, images included"
    )
    upload_bytes: int = Field(
        100 << 20, ge=1024, le=4 << 30, description="the same of `/v1/audio/transcriptions` (bytes)"
    )
    upload_s: float = Field(4 * 3600.0, gt=0, description="longest recording that is uploaded (s)")
    uploads: int = Field(16, ge=1, le=1000, description="recordings that are decoded at once")
    sockets: int = Field(256, ge=1, le=100_000, description="speech sockets open at once")
    session_s: float = Field(4 * 3600.0, gt=0, description="longest session, in audio (s)")
    backlog_s: float = Field(
        120.0, gt=0, description="undecoded audio of a session; at the limit the server reads no more (s)"
    )
    utterance_s: float = Field(28.0, ge=5, le=29, description="longest utterance (s)")
    utterance_soft_s: float = Field(
        20.0, ge=2, le=28, description="age from which a short pause ends an utterance (s)"
    )
    stall_s: float = Field(
        1.5, gt=0, le=60, description="time without audio after which speech is finalised (s)"
    )
    idle_session_s: float = Field(
        15.0, gt=0, description="time without any message between start and stop (s)"
    )
    idle_socket_s: float = Field(600.0, gt=0, description="time without any message outside a session (s)")
    slow_reader_s: float = Field(
        10.0, gt=0, description="time an event may wait for a client that does not read (s)"
    )
    outbound_events: int = Field(
        256, ge=8, le=10_000, description="events that wait for a client, unanswered `flush`es included"
    )
    transcripts: int = Field(1000, ge=1, le=100_000, description="finished sessions whose transcript is kept")
    unstored_finals: int = Field(
        10_000, ge=0, le=1_000_000, description="finals that wait for the database; further ones are not kept"
    )
    resume_s: float = Field(
        30.0,
        ge=0,
        le=600,
        description="time a dictation waits for a client that was lost; 0 ends it at once (s)",
    )
    resume_events: int = Field(
        256, ge=8, le=10_000, description="events that were sent and stay for a client that resumes"
    )
    waiting_sessions: int = Field(
        256, ge=0, le=100_000, description="dictations that wait for lost clients; the oldest is ended first"
    )
    stop_s: float = Field(
        10.0, ge=0, le=600, description="time finals may take when `prompter serve` is told to end (s)"
    )


class SchedulerSettings(BaseModel):
    """Who decodes next on this machine's cores."""

    cores: int = Field(0, ge=0, le=1024, description="decodes at once; 0 means one for each core")
    admit_load: float = Field(
        0.85,
        ge=0,
        le=10,
        description="part of the cores that finals may take before a new dictation is refused; 0 admits all",
    )


BUILT_IN_LLM_NAMES = ("openai_compat", "llama_local", "echo")
"""Providers of language models that are always there; no profile can take their names."""
_PROFILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

VendorName = Literal["openai", "lm_studio", "ollama", "llama_cpp", "vllm", "openrouter", "other"]
"""Services whose habits are known; `other` is anything with OpenAI's wire."""


class LlmProfile(BaseModel):
    """A service that answers prompts, under a name of the operator's choice."""

    kind: VendorName | None = Field(
        None, description="what it is; by default the profile's name where that is a kind, else `other`"
    )
    base_url: str = Field("", description="its address; empty takes the usual one of its kind")
    api_key: SecretStr = Field(SecretStr(""), description="its key; empty sends none")
    model: str = Field("", description="model used where a request names only the profile")
    models: Annotated[list[str], NoDecode] = Field(
        [], description="models to offer, comma-separated; empty offers those that it lists"
    )
    connect_timeout_s: float | None = Field(None, gt=0, le=60, description="instead of the general setting")
    first_byte_timeout_s: float | None = Field(
        None, gt=0, le=3600, description="instead of the general setting"
    )
    idle_timeout_s: float | None = Field(None, gt=0, le=3600, description="instead of the general setting")

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value)


class LlamaSettings(BaseModel):
    """llama.cpp inside the server, for a GGUF file."""

    model: str = Field(
        "", description="GGUF file: a path, or a name under the models folder; empty picks the only one"
    )
    context_tokens: int = Field(8192, ge=256, le=1 << 20, description="context of each answer (tokens)")
    parallel: int = Field(2, ge=1, le=64, description="answers at once")
    threads: int = Field(0, ge=0, le=1024, description="threads; 0 leaves it to llama.cpp")
    gpu_layers: int = Field(0, ge=0, le=1000, description="layers kept on a GPU, where the wheel knows one")


class LlmUpstreamSettings(BaseModel):
    """The OpenAI-compatible service that answers prompts."""

    base_url: str = Field("", description="address that ends in /v1")
    api_key: SecretStr = Field(SecretStr(""), description="its key")
    model: str = Field("", description="model name sent to it")


class LlmSettings(BaseModel):
    """Language models."""

    provider: str = Field("", description="provider used when a request names none; empty picks one")
    openai_compat: LlmUpstreamSettings = LlmUpstreamSettings()
    llama_local: LlamaSettings = LlamaSettings()
    profiles: dict[str, LlmProfile] = Field(
        {}, description="services by name, see below; a name is letters, digits, `_` and `-`"
    )
    discover: bool = Field(True, description="look for model servers on this machine's usual ports")
    model_aliases: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="`id=profile/model`, comma-separated: what other names mean; `*` is any unknown name"
    )
    allowed_base_urls: Annotated[list[str], NoDecode] = Field(
        ["http://127.0.0.1:1234", "http://127.0.0.1:11434", "http://127.0.0.1:8080", "http://127.0.0.1:9931"],
        description="origins a request may name besides public HTTPS, comma-separated; localhost is 127.0.0.1",
    )
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="seconds to connect to an upstream")
    first_byte_timeout_s: float = Field(60.0, gt=0, le=3600, description="seconds to its first byte")
    local_first_byte_timeout_s: float = Field(
        300.0, gt=0, le=3600, description="the same of a local server, which may load the model first"
    )
    idle_timeout_s: float = Field(60.0, gt=0, le=600, description="seconds between two pieces of its answer")

    @field_validator("profiles")
    @classmethod
    def _named(cls, value: dict[str, LlmProfile]) -> dict[str, LlmProfile]:
        for name in value:
            if not _PROFILE_NAME.fullmatch(name):
                raise ValueError(
                    f"no profile can be called {name[:80]!r}; expected 1 to 64 letters, digits, '_' and '-'"
                )
            if name in BUILT_IN_LLM_NAMES:
                raise ValueError(f"a built-in provider is called {name!r}; give the profile another name")
        return value

    @field_validator("allowed_base_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value)

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _paired(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            return json.loads(value)
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): target.strip() for name, _, target in pairs}


class StorageSettings(BaseModel):
    """Where conversations, dictations and accounts are kept."""

    url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host/name`; empty keeps SQLite in the data folder",
    )
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="age at which dictations and idle conversations go; 0 keeps all (days)",
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in ("", "postgresql", "postgres"):
            raise ValueError("expected `postgresql://user:password@host/name`, or nothing for SQLite")
        return value


class AccountSettings(BaseModel):
    """Who may use the server."""

    mode: Literal["none", "accounts"] = Field(
        "none", description="`none` is one user on this machine; `accounts` asks everybody who they are"
    )
    jwt_secret_key: SecretStr = Field(
        SecretStr(""),
        description="key of access tokens, 32 bytes or more; empty makes one in the data folder",
    )
    access_minutes: int = Field(15, ge=1, le=1440, description="life of an access token (min)")
    refresh_days: int = Field(30, ge=1, le=365, description="life of a login that is used (days)")
    login_attempts: int = Field(
        5, ge=1, le=1000, description="wrong passwords of an account or address before it has to wait"
    )
    login_window_s: float = Field(
        300.0, ge=1, le=86_400, description="time within which they count, and the wait (s)"
    )


class ChatSettings(BaseModel):
    """Conversations with a model."""

    context_messages: int = Field(
        10, ge=1, le=1000, description="last messages of the branch sent to the model"
    )
    context_tokens: int = Field(
        8000, ge=256, le=2_000_000, description="budget of what is sent, estimated (tokens)"
    )
    system_prompt: str = Field("", description="system prompt of conversations that have none of their own")
    answer_s: float = Field(600.0, gt=0, le=3600, description="longest answer (s)")
    answer_chars: int = Field(
        1_000_000, ge=1000, le=10_000_000, description="the same in characters, its reasoning included"
    )
    answers: int = Field(256, ge=1, le=100_000, description="answers that are made at once")
    message_chars: int = Field(
        100_000, ge=1000, le=10_000_000, description="longest message of a user (characters)"
    )
    approval_s: float = Field(
        300.0, gt=0, le=86_400, description="time a tool waits for its user's approval (s)"
    )


class LoftSettings(BaseModel):
    """The shop of the toolset `loft`."""

    api_url: str = Field("", description="address of its API; empty uses demo data, where there are some")
    api_key: SecretStr = Field(SecretStr(""), description="its key; empty sends none")
    timeout_s: float = Field(10.0, gt=0, le=300, description="seconds for one question, all tries together")


class Settings(BaseSettings):
    """All settings. Environment names start with `PROMPTER_`; nested ones join with `__`; `.env` is read."""

    model_config = SettingsConfigDict(
        env_prefix="PROMPTER_",
        env_nested_delimiter="__",
        env_file=None,
        extra="ignore",
        validate_default=True,
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    insecure: bool = Field(False, description="allow other machines without accounts (do not)")
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        [], description="web origins allowed besides the server's own, comma-separated"
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [], description="names in the Host header allowed besides loopback's, comma-separated"
    )
    models_dir: Path = Field(Path("models"), description="folder of checkpoints")
    data_dir: Path = Field(Path("data"), description="folder of what the server keeps")
    tls_cert: str = Field("", description="certificate file (PEM) for https; empty serves plain http")
    tls_key: str = Field("", description="its key file (PEM)")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    stt: SttSettings = SttSettings()
    vad: VadSettings = VadSettings()
    endpointing: EndpointingSettings = EndpointingSettings()
    limits: LimitSettings = LimitSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    llm: LlmSettings = LlmSettings()
    storage: StorageSettings = StorageSettings()
    accounts: AccountSettings = AccountSettings()
    chat: ChatSettings = ChatSettings()
    assistants: AssistantSettings = AssistantSettings()
    loft: LoftSettings = LoftSettings()

    @field_validator("allowed_origins", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value)

    @field_validator("models_dir", "data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return resolve_path(value)

    @field_validator("tls_cert", "tls_key")
    @classmethod
    def _absolute_if_given(cls, value: str) -> str:
        return str(resolve_path(Path(value))) if value else ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the base class has it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, `.env`, then the aliases of other tools."""
        env_file = getattr(dotenv_settings, "env_file", None)
        return init_settings, env_settings, dotenv_settings, AliasSource(settings_cls, env_file)


class AliasSource(PydanticBaseSettingsSource):
    """Fills settings from the environment names in `ALIASES`, those of `.env` included."""

    def __init__(self, settings_cls: type[BaseSettings], env_file: Path | None) -> None:
        super().__init__(settings_cls)
        self._env_file = env_file

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Not used: `__call__` makes the whole mapping at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        known = {**(dotenv_values(self._env_file) if self._env_file else {}), **os.environ}
        values: dict[str, Any] = {}
        for name, path in ALIASES.items():
            if value := known.get(name):
                node = values
                for part in path[:-1]:
                    node = node.setdefault(part, {})
                node[path[-1]] = value
        return values


def load_settings() -> Settings:
    """The settings in force: environment first, then `.env` in the base folder."""
    return Settings(_env_file=base_folder() / ".env")

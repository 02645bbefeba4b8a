"""Every setting of the server, in one class. It is read once and handed to `create_app(settings)`; it is no global."""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.assistants import AssistantSettings
from app.core.endpointing_profiles import SILENCE_MS, EndpointingProfile
from app.core.paths import base_folder, resolve_path
from app.core.security import read_host_name, read_origin, read_tcp_uri

ALIASES: dict[str, tuple[str, ...]] = {
    "OPENAI_API_KEY": ("llm", "openai_compat", "api_key"),
    "OPENAI_BASE_URL": ("llm", "openai_compat", "base_url"),
    "OPENAI_MODEL": ("llm", "openai_compat", "model"),
    "JWT_SECRET_KEY": ("accounts", "jwt_secret_key"),
    "LOFT_API_URL": ("loft", "api_url"),
    "LOFT_API_KEY": ("loft", "api_key"),
}
"""Environment names of other tools, and the setting that each one fills where the setting's own name is not given."""


_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def _split_commas(value: object) -> object:
    """Return the parts of a comma-separated text; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class PocketSphinxSettings(BaseModel):
    """The built-in English speech engine, PocketSphinx."""

    workers: int = Field(
        0, ge=0, le=64, description="worker processes of PocketSphinx; 0 means one per CPU core"
    )
    decoders: int = Field(
        4, ge=1, le=32, description="utterances that one worker decodes at once (about 60 MB of memory each)"
    )


class WhisperSettings(BaseModel):
    """The local Whisper engine (faster-whisper)."""

    model: str = Field(
        "",
        description="Whisper checkpoint: a path, or a name in the models folder or the Hugging Face cache; "
        "empty picks one",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="where Whisper computes: `cuda` an NVIDIA GPU, `auto` one where CTranslate2 can use it; "
        "otherwise the CPU, and log and status say why",
    )
    compute_type: Literal[
        "auto", "int8", "int8_float32", "int8_float16", "int16", "float16", "bfloat16", "float32"
    ] = Field(
        "auto",
        description="number format in which Whisper computes; `auto` is int8 on a CPU and float16 on a GPU; one that "
        "the device does not have is replaced by that",
    )
    cpu_threads: int = Field(
        1, ge=1, le=64, description="CPU threads of one Whisper decode; `scheduler.cores` decodes run at once"
    )
    beam_size: int = Field(5, ge=1, le=10, description="beam size of the decode that makes a final")
    partial_window: Literal["short", "full"] = Field(
        "short",
        description="audio that Whisper encodes for a partial: `short` the speech, at least 6.4 s; `full` always 30 s",
    )
    final_window: Literal["short", "full"] = Field(
        "short",
        description="audio that Whisper encodes for a final: `short` the speech, at least 10 s; `full` always 30 s; a "
        "doubtful `short` one is decoded again with 30 s",
    )


class SttUpstreamSettings(BaseModel):
    """A service that transcribes speech at `/v1/audio/transcriptions`."""

    base_url: str = Field("", description="base URL of the transcription service, ending in /v1")
    api_key: SecretStr = Field(
        SecretStr(""), description="API key of the transcription service; empty sends none"
    )
    model: str = Field("whisper-1", description="model for dictations that name none")
    timeout_s: float = Field(
        60.0, gt=0, le=600, description="longest time for one transcription, all tries together (s)"
    )


class SttSettings(BaseModel):
    """Speech to text."""

    provider: str = Field("auto", description="speech engine for dictations that name none; `auto` picks one")
    lang: str = Field(
        "auto",
        description="language for dictations that name none: a BCP-47 code such as `es-MX`, or `auto` to detect it",
    )
    langs: Annotated[list[str], NoDecode] = Field(
        [],
        max_length=16,
        description="languages that are spoken, comma-separated: `auto` chooses among these alone; empty for any",
    )
    pocketsphinx: PocketSphinxSettings = PocketSphinxSettings()
    whisper_local: WhisperSettings = WhisperSettings()
    openai_compat: SttUpstreamSettings = SttUpstreamSettings()

    @field_validator("langs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_commas(value)

    @field_validator("langs")
    @classmethod
    def _tagged(cls, value: list[str]) -> list[str]:
        for tag in value:
            if not _LANGUAGE_TAG.fullmatch(tag):
                raise ValueError(f"{tag[:80]!r} is no language; expected BCP-47 tags such as es,en-GB")
        return value


class TtsSettings(BaseModel):
    """Text to speech."""

    provider: str = Field(
        "auto", description="engine that speaks where a request names none; `auto` picks one"
    )
    voice: str = Field(
        "",
        description="voice for requests that name none, or one of OpenAI's; empty takes one of the text's language",
    )


class WyomingSettings(BaseModel):
    """The door for Home Assistant and other clients of the Wyoming protocol."""

    uri: str = Field(
        "",
        description="address at which the Wyoming protocol is spoken, such as `tcp://127.0.0.1:10300`; empty: nowhere",
    )
    user: str = Field(
        "",
        description="user to whom dictations by Wyoming belong, on a server with accounts: the protocol has no log-in",
    )

    @field_validator("uri")
    @classmethod
    def _read_uri(cls, value: str) -> str:
        value = value.strip()
        if value:
            read_tcp_uri(value)
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `uri`, which is not empty."""
        return read_tcp_uri(self.uri)


class VadSettings(BaseModel):
    """Voice activity detection. Names and defaults of the thresholds are Silero's."""

    threshold: float = Field(0.5, gt=0, lt=1, description="speech probability at which speech begins")
    neg_threshold: float = Field(
        0.35, gt=0, lt=1, description="speech probability below which a frame counts as silence again"
    )
    speech_pad_ms: int = Field(
        400, ge=400, le=2000, description="audio kept from before the start of speech (ms)"
    )
    min_speech_ms: int = Field(
        250,
        ge=0,
        le=2000,
        description="voiced time below which an utterance without words is called `too_short` (ms)",
    )


class EndpointingSettings(BaseModel):
    """The silence that ends an utterance, by profile."""

    profile: EndpointingProfile = Field(
        "conversation", description="endpointing profile for dictations that name none"
    )
    command_ms: int = Field(
        SILENCE_MS["command"],
        ge=100,
        le=10_000,
        description="silence that ends an utterance in the profile `command` (ms)",
    )
    conversation_ms: int = Field(
        SILENCE_MS["conversation"],
        ge=100,
        le=10_000,
        description="silence that ends an utterance in the profile `conversation` (ms)",
    )
    dictation_ms: int = Field(
        SILENCE_MS["dictation"],
        ge=100,
        le=10_000,
        description="silence that ends an utterance in the profile `dictation` (ms)",
    )
    hands_free_ms: int = Field(
        SILENCE_MS["hands_free"],
        ge=100,
        le=10_000,
        description="silence that ends an utterance in the profile `hands_free` (ms)",
    )
    provisional_ms: int = Field(
        256,
        ge=250,
        le=10_000,
        description="silence after which the final is decoded early, for `eager_final` (ms)",
    )

    def silence_ms(self, profile: EndpointingProfile) -> int | None:
        """The silence that ends an utterance; None for `manual`, which has none."""
        silence: int | None = None if profile == "manual" else getattr(self, f"{profile}_ms")
        return silence


class LimitSettings(BaseModel):
    """Sizes, times and counts that keep one client from harming the others."""

    # HTTP requests
    header_bytes: int = Field(
        64 << 10, ge=1024, le=16 << 20, description="largest address and headers of an HTTP request (bytes)"
    )
    request_s: float = Field(
        30.0,
        gt=0,
        le=600,
        description="longest time for the headers of an HTTP request, and between two pieces of its body (s)",
    )
    body_bytes: int = Field(
        1 << 20, ge=1024, le=64 << 20, description="largest body of an HTTP request (bytes)"
    )
    chat_bytes: int = Field(
        20 << 20,
        ge=1024,
        le=256 << 20,
        description="largest body of a request for a model's answer or for embeddings under `/v1`, images included "
        "(bytes)",
    )
    upload_bytes: int = Field(
        100 << 20,
        ge=1024,
        le=4 << 30,
        description="largest body of a request to `/v1/audio/transcriptions` or `/v1/audio/translations` (bytes)",
    )
    upload_s: float = Field(
        4 * 3600.0, gt=0, description="longest recording that can be uploaded (s of audio)"
    )
    import_bytes: int = Field(
        256 << 20, ge=1024, le=4 << 30, description="largest file of conversations to import (bytes)"
    )
    import_unpacked_bytes: int = Field(
        1 << 30, ge=1024, le=16 << 30, description="most JSON in an archive to import, unpacked (bytes)"
    )
    import_message_chars: int = Field(
        1_000_000,
        ge=1000,
        le=10_000_000,
        description="longest message that is imported whole; of a longer one the beginning is kept (characters)",
    )
    imports: int = Field(16, ge=1, le=1000, description="imports that wait or are worked on at once")
    attachment_bytes: int = Field(
        25 << 20, ge=1024, le=1 << 30, description="largest file that is attached to a message (bytes)"
    )
    uploads: int = Field(16, ge=1, le=1000, description="recordings that are uploaded or transcribed at once")

    speech_chars: int = Field(
        4096, ge=1, le=1_000_000, description="longest text that is spoken in one request (characters)"
    )
    speeches: int = Field(8, ge=1, le=1000, description="texts that are spoken at once")

    # The speech socket and its sessions
    message_bytes: int = Field(
        1 << 20, ge=1024, le=16 << 20, description="largest message on a speech socket (bytes)"
    )
    realtime_message_bytes: int = Field(
        21 << 20,
        ge=1024,
        le=64 << 20,
        description="largest message on `/v1/realtime` (bytes); 15 MiB of audio are 20 MiB of base64",
    )
    large_messages: int = Field(
        8,
        ge=1,
        le=1000,
        description="messages on `/v1/realtime` beyond 256 KiB that are received or handled at once; further ones wait",
    )
    sockets: int = Field(256, ge=1, le=100_000, description="speech sockets that are open at once")
    session_s: float = Field(4 * 3600.0, gt=0, description="longest dictation (s of audio)")
    backlog_s: float = Field(
        120.0,
        gt=0,
        description="audio of one dictation that waits to be decoded; at this limit the server reads no more (s)",
    )
    utterance_s: float = Field(28.0, ge=5, le=29, description="longest utterance; it is ended there (s)")
    utterance_soft_s: float = Field(
        20.0, ge=2, le=28, description="length of an utterance from which a short pause ends it (s)"
    )
    stall_s: float = Field(
        1.5,
        gt=0,
        le=60,
        description="time without audio from a client that is there, after which an open utterance is ended (s)",
    )
    idle_session_s: float = Field(
        15.0,
        gt=0,
        description="time without any message during a dictation after which the socket is closed (s)",
    )
    idle_socket_s: float = Field(
        600.0,
        gt=0,
        description="time without any message outside a dictation after which the socket is closed (s)",
    )
    slow_reader_s: float = Field(
        10.0,
        gt=0,
        description="time that an event waits for a client that does not read, before the socket is closed (s)",
    )
    outbound_events: int = Field(
        256,
        ge=8,
        le=10_000,
        description="events that wait for one client, unanswered `flush` messages included",
    )
    stop_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="time limit for the last finals when `prompter serve` stops (s)",
    )

    # Resuming after a lost connection
    resume_s: float = Field(
        30.0,
        ge=0,
        le=600,
        description="time that a dictation waits for a client whose connection broke; 0 ends it at once (s)",
    )
    resume_events: int = Field(
        256, ge=8, le=10_000, description="events already sent that are kept for a client that resumes"
    )
    waiting_sessions: int = Field(
        256,
        ge=0,
        le=100_000,
        description="dictations that wait for a lost client at once; beyond that the oldest is ended",
    )

    # Keeping transcripts
    transcripts: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="labels (`session_id`) whose latest dictation stays in memory for `/llm/generate`",
    )
    unstored_finals: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="finals that wait to be written to the database; beyond that, finals are not stored",
    )


class SchedulerSettings(BaseModel):
    """Which decode runs next on this machine's cores."""

    cores: int = Field(0, ge=0, le=1024, description="decodes that run at once; 0 means one per CPU core")
    admit_load: float = Field(
        0.85,
        ge=0,
        le=10,
        description="share of the cores that finals of all who dictate, and the partials that no load leaves out, may "
        "take, measured or expected, before a new dictation is refused; 0 refuses none",
    )


class DecodeSettings(BaseModel):
    """Where speech is decoded: in the server's own process, or by workers on other machines."""

    tier: Literal["local", "ray"] = Field(
        "local", description="`local` decodes in this process; `ray` on the workers of a Ray cluster"
    )
    address: str = Field("", description="address of the Ray cluster (host:port), with the tier `ray`")
    node_address: str = Field(
        "", description="this machine's own address in the cluster; empty lets Ray find it"
    )
    heartbeat_s: float = Field(
        1.0, ge=0.05, le=60, description="time between two questions whether a worker is there (s)"
    )
    lost_after_s: float = Field(
        5.0,
        ge=0.1,
        le=300,
        description="a worker that has not answered for this long is lost: what it decodes is decoded again elsewhere "
        "(s)",
    )
    trusted_network: bool = Field(
        False,
        description="whether a firewall or a network of its own keeps strangers from the ports of Ray; without that, "
        "Ray's token (`RAY_AUTH_MODE=token`) must",
    )

    @model_validator(mode="after")
    def _has_address(self) -> "DecodeSettings":
        if self.tier == "ray" and not self.address:
            raise ValueError("the tier 'ray' needs the address of the cluster: PROMPTER_DECODE__ADDRESS")
        return self


BUILT_IN_LLM_NAMES = ("openai_compat", "llama_local", "echo")
"""Language-model providers that are always there; no profile can have one of these names."""
_PROFILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

VendorName = Literal["openai", "anthropic", "lm_studio", "ollama", "llama_cpp", "vllm", "openrouter", "other"]
"""Vendors whose habits are known; `other` is any service with OpenAI's API."""


ThinkTags = Literal["split", "keep"]
_THINK_TAGS = (
    "thoughts that a model writes between `<think>` and `</think>`: `split` gives them as `reasoning_content` "
    "under `/v1`, `keep` leaves the text as it is there; conversations always split them"
)


class LlmProfile(BaseModel):
    """A service that answers prompts, under a name that the operator chooses."""

    kind: VendorName | None = Field(
        None,
        description="vendor of the service; empty takes the profile's name where it is a vendor, else `other`",
    )
    base_url: str = Field("", description="base URL of the service; empty takes the usual one of its vendor")
    api_key: SecretStr = Field(SecretStr(""), description="API key of the service; empty sends none")
    model: str = Field("", description="model for requests that name only this profile")
    models: Annotated[list[str], NoDecode] = Field(
        [], description="models to offer, comma-separated; empty offers those that the service lists"
    )
    think_tags: ThinkTags = Field("split", description=_THINK_TAGS)
    connect_timeout_s: float | None = Field(
        None, gt=0, le=60, description="replaces `llm.connect_timeout_s` for this service (s)"
    )
    first_byte_timeout_s: float | None = Field(
        None, gt=0, le=3600, description="replaces the general limit for the first byte of an answer (s)"
    )
    idle_timeout_s: float | None = Field(
        None, gt=0, le=3600, description="replaces `llm.idle_timeout_s` for this service (s)"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_commas(value)


class LlamaSettings(BaseModel):
    """llama.cpp inside the server, for a GGUF file."""

    model: str = Field(
        "",
        description="GGUF file: a path, or a name in the models folder; "
        "empty takes the only one there, not counting SmolLM2, and else SmolLM2",
    )
    context_tokens: int = Field(
        8192, ge=256, le=1 << 20, description="context length of each llama.cpp answer (tokens)"
    )
    parallel: int = Field(2, ge=1, le=64, description="llama.cpp answers that are generated at once")
    answer_tokens: int = Field(
        2048,
        ge=1,
        le=1 << 20,
        description="longest llama.cpp answer, whatever the request asks for (tokens)",
    )
    answer_s: float = Field(
        300.0, gt=0, le=3600, description="time limit of a llama.cpp answer, from its first word (s)"
    )
    threads: int = Field(
        0, ge=0, le=1024, description="CPU threads of llama.cpp; 0 leaves the number to llama.cpp"
    )
    gpu_layers: int = Field(
        0, ge=0, le=1000, description="model layers on the GPU, where llama.cpp is built for one"
    )


class LlmUpstreamSettings(BaseModel):
    """The OpenAI-compatible service that answers prompts."""

    base_url: str = Field("", description="base URL of the language-model service, ending in /v1")
    api_key: SecretStr = Field(SecretStr(""), description="API key of the language-model service")
    model: str = Field("", description="model for requests that name none; required for the provider")
    think_tags: ThinkTags = Field("split", description=_THINK_TAGS)


class LlmSettings(BaseModel):
    """Language models."""

    provider: str = Field(
        "", description="language-model provider for requests that name none; empty picks one"
    )
    openai_compat: LlmUpstreamSettings = LlmUpstreamSettings()
    llama_local: LlamaSettings = LlamaSettings()
    profiles: dict[str, LlmProfile] = Field(
        {}, description="services by name; a name is made of letters, digits, `_` and `-`"
    )
    discover: bool = Field(True, description="look for model servers on the usual ports of this machine")
    model_aliases: Annotated[dict[str, str], NoDecode] = Field(
        {},
        description="other names of models, as `name=profile/model`, comma-separated; `*` is every unknown name",
    )
    allowed_base_urls: Annotated[list[str], NoDecode] = Field(
        ["http://127.0.0.1:1234", "http://127.0.0.1:11434", "http://127.0.0.1:8080", "http://127.0.0.1:9931"],
        description="origins that a request may name besides public https, comma-separated; "
        "localhost counts as 127.0.0.1",
    )
    connections: int = Field(
        20,
        ge=0,
        le=1000,
        description="models that one user can connect in the page; 0 lets nobody connect one",
    )
    connections_key: SecretStr = Field(
        SecretStr(""),
        description="secret that encrypts the keys of connected models, 32 characters or more; empty keeps one in the "
        "file `connections.key` of the data folder. Servers that share a database need the same one",
    )
    connect_timeout_s: float = Field(
        5.0, gt=0, le=60, description="longest time to connect to a service or model server (s)"
    )
    first_byte_timeout_s: float = Field(
        60.0, gt=0, le=3600, description="longest wait for the first byte of a service's answer (s)"
    )
    local_first_byte_timeout_s: float = Field(
        300.0,
        gt=0,
        le=3600,
        description="longest wait for the first byte from a local model server, which may load its model first (s)",
    )
    idle_timeout_s: float = Field(
        60.0, gt=0, le=600, description="longest pause between two pieces of an answer (s)"
    )

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
        return _split_commas(value)

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
    """Where conversations, dictations and accounts are stored."""

    url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host/name`; empty keeps SQLite in the data folder",
    )
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="age at which dictations and unused conversations are deleted; 0 keeps all (days)",
    )
    spool: bool = Field(
        True,
        description="whether the audio of a dictation is kept in the data folder until its text is stored, so that a "
        "crash of the server loses none of it",
    )
    spool_mb: int = Field(1000, ge=1, le=1_000_000, description="most audio of one user that is kept so (MB)")
    audio_hours: float = Field(
        24.0,
        ge=0,
        le=8760,
        description="how long the audio of a dictation is kept after its end, to hear or to transcribe it again; with "
        "accounts only for users who turn that on; 0 keeps none (h)",
    )
    audio_mb: int = Field(
        2000,
        ge=1,
        le=1_000_000,
        description="most audio of one user that is kept after its end; the oldest is deleted first (MB)",
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in ("", "postgresql", "postgres"):
            raise ValueError("expected `postgresql://user:password@host/name`, or nothing for SQLite")
        return value


class AccountSettings(BaseModel):
    """Who may use the server, and how long log-ins last."""

    mode: Literal["none", "accounts"] = Field(
        "none",
        description="`none`: one user, without log-in; `accounts`: every caller needs a log-in or an API key",
    )
    jwt_secret_key: SecretStr = Field(
        SecretStr(""),
        description="key that signs access tokens, 32 bytes or more; empty generates one in the data folder",
    )
    access_minutes: int = Field(15, ge=1, le=1440, description="lifetime of an access token (min)")
    refresh_days: int = Field(30, ge=1, le=365, description="lifetime of a log-in since its last use (days)")
    login_attempts: int = Field(
        5,
        ge=1,
        le=1000,
        description="wrong passwords within `login_window_s` after which an account has to wait; "
        "an address has four times as many",
    )
    login_window_s: float = Field(
        300.0, ge=1, le=86_400, description="time within which wrong passwords count (s)"
    )


class ChatSettings(BaseModel):
    """Conversations with a model."""

    context_messages: int = Field(
        10, ge=1, le=1000, description="number of last messages of the branch that the model receives"
    )
    context_tokens: int = Field(
        8000, ge=256, le=2_000_000, description="estimated size of what the model receives (tokens)"
    )
    system_prompt: str = Field("", description="system prompt of conversations without their own")
    answer_s: float = Field(600.0, gt=0, le=3600, description="longest duration of an answer (s)")
    answer_chars: int = Field(
        1_000_000, ge=1000, le=10_000_000, description="longest answer, reasoning included (characters)"
    )
    answers: int = Field(256, ge=1, le=100_000, description="concurrent answers in conversations")
    titles: bool = Field(True, description="whether models name conversations, after their first answer")
    message_chars: int = Field(
        100_000, ge=1000, le=10_000_000, description="longest message of a user (characters)"
    )
    approval_s: float = Field(
        300.0, gt=0, le=86_400, description="time that a tool call waits for its user's approval (s)"
    )


class SharingSettings(BaseModel):
    """Links that show a conversation to whoever has them."""

    enabled: bool = Field(
        True,
        description="whether users may share conversations by link; off, the links that there are open nothing",
    )
    links: int = Field(200, ge=1, le=10_000, description="links that a user may have at the same time")
    requests_per_minute: int = Field(
        120, ge=1, le=100_000, description="shared pages that one address may open in a minute"
    )


class ExportSettings(BaseModel):
    """Conversations as files."""

    pdf_s: float = Field(120.0, ge=5, le=3600, description="longest time to make one PDF file (s)")
    pdf_memory_mb: int = Field(
        2048, ge=512, le=65_536, description="address space of the process that makes a PDF file (MiB)"
    )
    pdf_at_once: int = Field(1, ge=1, le=64, description="PDF files that are made at the same time")
    pdf_waiting: int = Field(8, ge=0, le=1000, description="PDF files that wait; more are refused")
    pdf_conversations: int = Field(
        50, ge=1, le=1000, description="most conversations of one export as PDF, which makes a file for each"
    )


class AttachmentSettings(BaseModel):
    """Files of messages: how many, how much of their text a model is sent, and how long they are kept unsent."""

    files: int = Field(20, ge=1, le=1000, description="most files of one message")
    text_tokens: int = Field(
        20_000,
        ge=100,
        le=2_000_000,
        description="estimated size of the texts of files that a model is sent besides `chat.context_tokens`; what is "
        "longer is cut, and says so (tokens)",
    )
    images: int = Field(
        20, ge=0, le=1000, description="most pictures that one request sends to a model, the newest first"
    )
    user_mb: int = Field(2000, ge=1, le=10_000_000, description="most files of one user that are kept (MB)")
    unsent_hours: float = Field(
        24.0, gt=0, le=8760, description="how long a file is kept that no message has (h)"
    )
    readers: int = Field(
        2, ge=1, le=64, description="files that are read at once, each in a process of its own"
    )
    transcriptions: int = Field(
        8, ge=0, le=1000, description="attached recordings of one user that are or wait to be transcribed"
    )


class WebSettings(BaseModel):
    """The web page."""

    theme: str = Field(
        "", description="theme file (JSON) of the page for whoever has chosen no other; see docs/themes.md"
    )

    @field_validator("theme")
    @classmethod
    def _absolute_if_given(cls, value: str) -> str:
        return str(resolve_path(Path(value))) if value else ""


class LoftSettings(BaseModel):
    """The shop that the toolset `loft` asks."""

    api_url: str = Field("", description="address of the shop's API; empty uses demo data, if there are any")
    api_key: SecretStr = Field(SecretStr(""), description="API key of the shop; empty sends none")
    timeout_s: float = Field(
        10.0, gt=0, le=300, description="time limit of one question to the shop, all tries together (s)"
    )


class Settings(BaseSettings):
    """All settings. Names in the environment start with `PROMPTER_`, and groups are joined by `__`."""

    model_config = SettingsConfigDict(
        env_prefix="PROMPTER_",
        env_nested_delimiter="__",
        env_file=None,
        extra="ignore",
        validate_default=True,
        hide_input_in_errors=True,  # uvicorn prints the error: an address of a database may hold its password
    )

    host: str = Field("127.0.0.1", description="address that the server listens on")
    port: int = Field(
        8000, ge=0, le=65535, description="port that the server listens on; 0 selects a free one"
    )
    insecure: bool = Field(
        False, description="whether to accept other machines without accounts; not recommended"
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        [], description="web origins that may use the server, besides its own; comma-separated"
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [], description="accepted names in the `Host` header, besides those of loopback; comma-separated"
    )
    models_dir: Path = Field(Path("models"), description="folder of model files")
    data_dir: Path = Field(Path("data"), description="folder of the database, keys and certificates")
    tls_cert: str = Field("", description="certificate file (PEM) for https; empty serves plain http")
    tls_key: str = Field("", description="file with the certificate's key (PEM)")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="how the log is written: plain lines, or `json`, one object on each line"
    )
    stt: SttSettings = SttSettings()
    tts: TtsSettings = TtsSettings()
    wyoming: WyomingSettings = WyomingSettings()
    vad: VadSettings = VadSettings()
    endpointing: EndpointingSettings = EndpointingSettings()
    limits: LimitSettings = LimitSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    decode: DecodeSettings = DecodeSettings()
    llm: LlmSettings = LlmSettings()
    storage: StorageSettings = StorageSettings()
    accounts: AccountSettings = AccountSettings()
    chat: ChatSettings = ChatSettings()
    sharing: SharingSettings = SharingSettings()
    exports: ExportSettings = ExportSettings()
    attachments: AttachmentSettings = AttachmentSettings()
    assistants: AssistantSettings = AssistantSettings()
    loft: LoftSettings = LoftSettings()
    web: WebSettings = WebSettings()

    @field_validator("allowed_origins", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_commas(value)

    @field_validator("allowed_origins")
    @classmethod
    def _read_origins(cls, value: list[str]) -> list[str]:
        return [read_origin(origin) for origin in value]

    @field_validator("allowed_hosts")
    @classmethod
    def _read_hosts(cls, value: list[str]) -> list[str]:
        return [read_host_name(name) for name in value]

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
        """Order of precedence: arguments, environment, `.env`, then the names of other tools."""
        env_file = getattr(dotenv_settings, "env_file", None)
        return init_settings, env_settings, dotenv_settings, AliasSource(settings_cls, env_file)


class AliasSource(PydanticBaseSettingsSource):
    """Fills settings from the environment names in `ALIASES`, those of `.env` included."""

    def __init__(self, settings_cls: type[BaseSettings], env_file: Path | None) -> None:
        super().__init__(settings_cls)
        self._env_file = env_file

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Unused: `__call__` makes the whole mapping at once."""
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
    """Read the settings: the environment first, then `.env` in the base folder."""
    return Settings(_env_file=base_folder() / ".env")

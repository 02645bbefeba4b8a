"""The public API of PROMPTer: the client, and what a package with an engine or a toolset of its own needs.

A client imports `PromptClient` and its errors. An engine implements `SttProvider`, `LlmProvider` or `TtsProvider`, and
registers under the entry-point group `prompter.stt_providers`, `prompter.llm_providers` or `prompter.tts_providers`; a
`Toolset` registers under `prompter.toolsets`. They import nothing but this package.
"""

from app.client.errors import AudioError, ClientError, ConnectionLost, Refused, ServerFailed, Unreachable
from app.client.events import Answer, Event, Segment, Transcription, join_finals
from app.client.pacing import paced
from app.client.prompt_client import PromptClient
from app.client.recordings import open_recording
from app.core.config import Settings
from app.core.errors import (
    EngineFailed,
    MissingConfig,
    PrompterError,
    ProviderNotReady,
    UnknownModel,
    UpstreamError,
)
from app.providers.base import (
    ChatMessage,
    Hypothesis,
    LlmChunk,
    LlmConfig,
    LlmProvider,
    MeasurableSttProvider,
    ProviderStatus,
    RawSttSession,
    Samples,
    SttCapabilities,
    SttConfig,
    SttProvider,
    SttSession,
    SttStream,
    Transcript,
    TtsProvider,
    TtsRequest,
    TtsVoice,
    Usage,
    Word,
)
from app.schemas.providers import ProviderState
from app.toolsets.base import FunctionToolset, Tool, ToolContext, ToolFailed, Toolset

__all__ = [
    "Answer",
    "AudioError",
    "ChatMessage",
    "ClientError",
    "ConnectionLost",
    "EngineFailed",
    "Event",
    "FunctionToolset",
    "Hypothesis",
    "LlmChunk",
    "LlmConfig",
    "LlmProvider",
    "MeasurableSttProvider",
    "MissingConfig",
    "PromptClient",
    "PrompterError",
    "ProviderNotReady",
    "ProviderState",
    "ProviderStatus",
    "RawSttSession",
    "Refused",
    "Samples",
    "Segment",
    "ServerFailed",
    "Settings",
    "SttCapabilities",
    "SttConfig",
    "SttProvider",
    "SttSession",
    "SttStream",
    "Tool",
    "ToolContext",
    "ToolFailed",
    "Toolset",
    "Transcript",
    "Transcription",
    "TtsProvider",
    "TtsRequest",
    "TtsVoice",
    "UnknownModel",
    "Unreachable",
    "UpstreamError",
    "Usage",
    "Word",
    "join_finals",
    "open_recording",
    "paced",
]

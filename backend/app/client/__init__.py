"""A client of the server in plain Python: `PromptClient`, its events and its errors."""

from app.client.errors import AudioError, ClientError, ConnectionLost, Refused, ServerFailed, Unreachable
from app.client.events import Answer, Event, Segment, Transcription, Word
from app.client.prompt_client import PromptClient

__all__ = [
    "Answer",
    "AudioError",
    "ClientError",
    "ConnectionLost",
    "Event",
    "PromptClient",
    "Refused",
    "Segment",
    "ServerFailed",
    "Transcription",
    "Unreachable",
    "Word",
]

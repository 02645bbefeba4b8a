"""The fixed lists of live speech: when an utterance ends, and why one comes to nothing.

Each list stands here alone. The wire's models, the settings, the metrics, the client and the command line import it,
the web app's types are generated from it, and tests name the document that lacks a member. The optional events are
listed beside their models, in `schemas/speech_socket.py`.
"""

from enum import StrEnum
from typing import Literal, get_args

EndpointingProfile = Literal["command", "conversation", "dictation", "hands_free", "manual"]
"""How long a silence ends an utterance; with `manual` the client's `flush` alone does."""

ENDPOINTING_PROFILES: tuple[EndpointingProfile, ...] = get_args(EndpointingProfile)

SILENCE_MS: dict[EndpointingProfile, int] = {
    "command": 350,
    "conversation": 600,
    "dictation": 1200,
    "hands_free": 2000,
}
"""The silence (ms) of each profile by default. `EndpointingSettings` in `core/config.py` lets an operator change it."""


class DiscardReason(StrEnum):
    """Why an utterance comes to nothing. An engine of a plugin may give a reason beside these: see `OTHER_REASON`."""

    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    EMPTY = "empty"
    HALLUCINATION = "hallucination"
    ENGINE_ERROR = "engine_error"


OTHER_REASON = "other"
"""What the metrics call a reason that is not a DiscardReason: the number of labels stays bounded."""

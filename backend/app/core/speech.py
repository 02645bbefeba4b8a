"""The fixed lists of live speech: when an utterance ends, why one comes to nothing, which events are optional.

Each list stands here alone: the wire's models, the settings, the metrics, the client and the command line import it,
the web app's types are generated from it, and `tests/core/test_speech.py` names the document that lacks a member.
"""

from enum import StrEnum
from typing import Literal, get_args

EndpointingProfile = Literal["command", "conversation", "dictation", "hands_free", "manual"]
"""How long a silence ends an utterance. `EndpointingSettings` in `core/config.py` holds the milliseconds of each;
`manual` has none: the client's `flush` alone ends an utterance."""

ENDPOINTING_PROFILES: tuple[EndpointingProfile, ...] = get_args(EndpointingProfile)

OptionalEvent = Literal[
    "speech_started", "speech_stopped", "utterance_discarded", "eager_final", "turn_resumed", "ack", "status"
]
"""Event types that a client gets only if `start.config.events` names them."""

OPTIONAL_EVENTS: frozenset[str] = frozenset(get_args(OptionalEvent))


class DiscardReason(StrEnum):
    """Why an utterance comes to nothing. An engine of a plugin may give a reason beside these: see `OTHER_REASON`."""

    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    EMPTY = "empty"
    HALLUCINATION = "hallucination"
    ENGINE_ERROR = "engine_error"


OTHER_REASON = "other"
"""What the metrics call a reason that is not a DiscardReason: the number of labels stays bounded."""

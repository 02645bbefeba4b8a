"""The fixed lists of live speech: when an utterance ends, and why one comes to nothing.

Each list stands here alone. The wire's models, the settings, the metrics, the client and the command line import it,
the web app's types are generated from it, and tests name the document that lacks a member. The optional events are
listed beside their models, in `schemas/stt.py`.
"""

from enum import StrEnum
from typing import Literal, get_args

EndpointingProfile = Literal["command", "conversation", "dictation", "hands_free", "manual"]
"""How long a silence ends an utterance. `EndpointingSettings` in `core/config.py` holds the milliseconds of each;
`manual` has none: the client's `flush` alone ends an utterance."""

ENDPOINTING_PROFILES: tuple[EndpointingProfile, ...] = get_args(EndpointingProfile)


class DiscardReason(StrEnum):
    """Why an utterance comes to nothing. An engine of a plugin may give a reason beside these: see `OTHER_REASON`."""

    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    EMPTY = "empty"
    HALLUCINATION = "hallucination"
    ENGINE_ERROR = "engine_error"


OTHER_REASON = "other"
"""What the metrics call a reason that is not a DiscardReason: the number of labels stays bounded."""

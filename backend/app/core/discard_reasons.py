"""The reasons for which an utterance comes to nothing. The wire, the metrics and the documents take them from here."""

from enum import StrEnum


class DiscardReason(StrEnum):
    """Why an utterance comes to nothing. An engine of a plugin may give a reason beside these: see `OTHER_REASON`."""

    TOO_QUIET = "too_quiet"
    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    EMPTY = "empty"
    HALLUCINATION = "hallucination"
    ENGINE_ERROR = "engine_error"
    CLEARED = "cleared"


OTHER_REASON = "other"
"""What the metrics call a reason that is not a DiscardReason: the number of labels stays bounded."""

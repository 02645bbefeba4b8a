"""The endpointing profiles: how long a silence ends an utterance in each. Change a number here.

The wire's models, the settings, the client and the command line import this list, the web app's types are generated
from it, and tests name the document that lacks a member.
"""

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

"""The definition of an assistant, as settings and TOML files give it."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The form of an assistant's name."""

ApprovalMode = Literal["allow", "ask", "off"]
"""`allow`: a call runs at once. `ask`: a person is asked before each call. `off`: the model is not offered the tool."""
ApprovalDecision = Literal["approved", "denied", "expired"]
"""How a question to a person ended; `expired`: without an answer in time."""


class AssistantLimits(BaseModel):
    """The limits of one answer, whatever the model does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: int = Field(8, ge=1, le=100, description="requests to the model for one answer")
    calls: int = Field(16, ge=0, le=1000, description="tool calls for one answer")
    seconds: float = Field(
        300.0, gt=0, le=3600, description="longest duration of an answer, without the wait for approvals (s)"
    )


class AssistantDefinition(BaseModel):
    """One assistant: a model with instructions and tools."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("", max_length=200, description="name that users see; empty uses the assistant's name")
    description: str = Field("", max_length=1000, description="its purpose, in one line")
    language: str = Field(
        "",
        max_length=35,
        description="language of the server's own texts for this assistant (BCP-47); empty is English",
    )
    instructions: str = Field("", max_length=100_000, description="system prompt of the assistant")
    model: str = Field(
        "", max_length=300, description="its model, as `provider/model`; empty uses the default one"
    )
    toolsets: Annotated[list[Annotated[str, Field(max_length=64)]], NoDecode] = Field(
        [], max_length=64, description="names of its toolsets, comma-separated"
    )
    limits: AssistantLimits = AssistantLimits()
    approval: Annotated[dict[Annotated[str, Field(max_length=64)], ApprovalMode], NoDecode] = Field(
        {},
        description="`tool=allow`, `tool=ask` or `tool=off`, comma-separated; a tool that writes is never `allow`",
    )

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        """Split a comma-separated text into its parts, each once; leave anything else as it is."""
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        return list(dict.fromkeys(map(str, value))) if isinstance(value, list) else value

    @field_validator("approval", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): word.strip() for name, _, word in pairs}


class AssistantSettings(BaseModel):
    """All assistants, and the settings that they share."""

    folder: Path = Field(
        Path("assistants"), description="folder of the files `NAME.toml`, one for each assistant"
    )
    shipped: bool = Field(True, description="whether to offer the assistants that come with PROMPTer")
    call_s: float = Field(30.0, gt=0, le=600, description="longest duration of a tool call (s)")
    threads: int = Field(
        32,
        ge=1,
        le=1000,
        description="plain functions of tools that run at once, and as many calls that go on although nobody waits for "
        "them",
    )
    output_chars: int = Field(
        16_000, ge=100, le=1_000_000, description="longest result of a tool call (characters)"
    )
    named: dict[str, AssistantDefinition] = Field(
        {}, description="assistants by name; a name has letters, digits, `_` and `-`"
    )

    @field_validator("named")
    @classmethod
    def _check_names(cls, value: dict[str, AssistantDefinition]) -> dict[str, AssistantDefinition]:
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"no assistant can be called {name[:80]!r}; expected 1 to 64 letters, digits, '_' and '-'"
                )
        return value

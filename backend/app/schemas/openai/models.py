"""The words of `/v1/models`."""

from typing import Literal

from pydantic import BaseModel, Field


class ModelOut(BaseModel):
    """One model that can be asked for."""

    id: str = Field(description="what a request calls it", examples=["lm_studio/qwen3-8b"])
    object: Literal["model"] = Field("model", description="always `model`")
    created: int = Field(
        description="when the server began to offer it (s since 1970)", examples=[1795190400]
    )
    owned_by: str = Field(
        description="the provider that answers, see `/providers/llm`", examples=["lm_studio"]
    )
    name: str = Field(description="the same for people", examples=["qwen3-8b (lm_studio)"])


class ModelList(BaseModel):
    """Models."""

    object: Literal["list"] = Field("list", description="always `list`")
    data: list[ModelOut] = Field(description="every one that can be asked for now")

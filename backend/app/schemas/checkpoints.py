"""The wire of weights: what is here, what can be fetched, and the download that is under way."""

from typing import Literal

from pydantic import BaseModel, Field


class SpeedOut(BaseModel):
    """How fast this machine writes with a checkpoint."""

    rate: float = Field(description="seconds of one core for a second of speech", examples=[0.12])
    measured: bool = Field(
        description="false: estimated by size from another checkpoint that was measured on this machine"
    )
    pace: Literal["keeps_up", "lags", "too_slow"] = Field(
        description="whether the text of a speaker is there soon after the speech"
    )


class CheckpointOut(BaseModel):
    """Weights that are here, or can be fetched."""

    name: str = Field(description="short name, which the routes take", examples=["small"])
    kind: Literal["whisper", "gguf"] = Field(
        description="`whisper` turns speech into text, `gguf` answers prompts"
    )
    size_bytes: int = Field(description="on disk, of what the hub alone has about")
    download_bytes: int = Field(description="what a download brings; 0 where there is nothing to fetch")
    partial_bytes: int = Field(
        description="what an unfinished download has left, which the next goes on with"
    )
    languages: list[str] | None = Field(description="language tags; null means about 100", examples=[["en"]])
    error_percent: float | None = Field(
        description="words wrong in clearly read English (LibriSpeech test-clean); null where not known",
        examples=[3.4],
    )
    licence: str = Field(description="empty where the server does not know it", examples=["MIT"])
    origin: str = Field(description="who made them; empty where the server does not know it")
    recommended: bool = Field(description="whether it is among the few to offer first")
    here: bool = Field(description="whether they are complete on this machine")
    default: bool = Field(description="whether requests that name no model use them")
    removable: bool = Field(
        description="whether `DELETE` removes them: they were fetched, and no setting names them"
    )
    engine: str = Field(description="the provider that uses them", examples=["whisper_local"])
    model: str = Field(description="the name by which requests ask the provider for them", examples=["small"])
    can_run: bool = Field(description="whether the packages that run them are installed")
    speed: SpeedOut | None = Field(description="for `whisper`; null where nothing was measured yet")


class FetchErrorOut(BaseModel):
    """Why a download failed."""

    code: Literal[
        "source_unreachable",
        "weights_not_found",
        "damaged_file",
        "disk_full",
        "folder_not_writable",
        "fetched_elsewhere",
        "fetch_failed",
    ] = Field(description="stable; see the table of downloads")
    message: str = Field(
        description="what was wrong and how to go on, in English; empty for who may not change anything"
    )
    need_bytes: int | None = Field(description="with `disk_full`: free space that is needed, where known")
    free_bytes: int | None = Field(description="with `disk_full`: free space that there was, where known")


class FetchOut(BaseModel):
    """One download."""

    name: str = Field(description="the weights", examples=["small"])
    state: Literal["fetching", "measuring", "done", "failed", "cancelled"] = Field(
        description="`measuring`: complete and in use, the speed of this machine is being measured"
    )
    done_bytes: int = Field(description="bytes that are here")
    total_bytes: int = Field(description="bytes in all")
    bytes_per_s: float | None = Field(description="over the last seconds; null where none came")
    error: FetchErrorOut | None = Field(description="with `failed`")


class CheckpointList(BaseModel):
    """The weights, and the download."""

    items: list[CheckpointOut] = Field(description="first what hears, then what answers; smaller ones first")
    free_bytes: int = Field(description="free space on the disk of the models folder")
    may_change: bool = Field(description="whether the caller may fetch and remove")
    fetch: FetchOut | None = Field(
        description="the download under way, else the last one since the server started"
    )


class CheckpointRemovedOut(BaseModel):
    """The weights are gone."""

    status: Literal["removed"] = Field("removed", description="always `removed`")

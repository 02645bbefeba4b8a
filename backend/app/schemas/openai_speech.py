"""The bodies of `/v1/audio/speech` and `/v1/audio/voices`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class VoiceIn(BaseModel):
    """A voice by its id, as an object."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: str = Field(max_length=200, description="id of a voice", examples=["es"])


class SpeechIn(BaseModel):
    """A text to speak. Unknown fields are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"input": "Say hello", "voice": "alloy", "response_format": "wav"}]},
    )

    input: str = Field(repr=False, description="the text", examples=["Say hello"])
    model: str = Field(
        "",
        max_length=200,
        description="an engine (`espeak_ng`), or `tts-1` and OpenAI's other names, which mean the default one",
        examples=["tts-1"],
    )
    voice: str | VoiceIn = Field(
        "",
        description="a voice of `GET /v1/audio/voices`, or a language (`es`); OpenAI names (`alloy` …) mean one of "
        "the text's language",
        examples=["alloy"],
    )
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = Field(
        "mp3", description="format of the audio: 24 kHz, mono; `pcm` is 16-bit little-endian without a header"
    )
    speed: float = Field(1.0, ge=0.25, le=4, description="speed; an engine may know fewer", examples=[1.0])
    stream_format: Literal["audio"] = Field(
        "audio", description="the audio itself, as it is made; `sse` is refused"
    )


class VoiceOut(BaseModel):
    """A voice that requests can name."""

    id: str = Field(description="what requests name", examples=["es-419"])
    name: str = Field(description="for people", examples=["Spanish (Latin America)"])
    languages: list[str] = Field(description="what it speaks, as BCP-47 tags", examples=[["es-419", "es"]])


class VoiceList(BaseModel):
    """The voices of the default engine."""

    voices: list[VoiceOut] = Field(description="all of them; empty where no engine can speak")

"""The bodies of `/v1/audio/transcriptions`: its fields, its answers and their parts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Texts = Annotated[
    list[Annotated[str, Field(max_length=10_000)]], BeforeValidator(_listed), Field(max_length=1000)
]


class InputAudio(BaseModel):
    """A recording in a JSON body."""

    data: str = Field(repr=False, description="base64 of the file", examples=["UklGRiQAAABXQVZF"])
    format: str = Field(
        "",
        max_length=100,
        description="the format; ignored: the first bytes of the file decide",
        examples=["wav"],
    )


class TranscriptionIn(BaseModel):
    """The fields of a transcription request. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    model: str = Field(
        "",
        max_length=200,
        description="a speech engine (`pocketsphinx`), a checkpoint (`whisper_local/base`, `base`), or `whisper-1`, "
        "which means the default one",
        examples=["whisper-1"],
    )
    language: str | None = Field(
        None, max_length=100, description="a code (`es`, `en-GB`) or an English name", examples=["en"]
    )
    languages: Texts = Field(
        [], description="languages by code or name, of which one is spoken in each utterance"
    )
    prompt: str = Field(
        "",
        max_length=100_000,
        description="terms that the recording may contain, for engines that can use them",
    )
    keywords: Texts = Field([], description="terms that the recording may contain, as a list")
    response_format: ResponseFormat = Field(
        "json",
        description="the format of the answer; `diarized_json` is refused: no engine tells speakers apart",
    )
    temperature: Annotated[float | None, BeforeValidator(_empty_is_none)] = Field(
        None, ge=0, le=2, description="accepted and ignored: the engines choose their own"
    )
    stream: Annotated[bool | None, BeforeValidator(_empty_is_none)] = Field(
        None, description="true: an event for each segment as soon as it is transcribed"
    )
    timestamp_granularities: Annotated[list[Literal["word", "segment"]], BeforeValidator(_listed)] = Field(
        [], max_length=10, description="`word` adds word times to `verbose_json`"
    )
    chunking_strategy: Any = Field(
        None, description="`auto`, or `{type: server_vad, silence_duration_ms}`: the pause at which to cut"
    )


class TranscriptionJsonIn(TranscriptionIn):
    """A transcription request as JSON, with the recording in it."""

    input_audio: InputAudio = Field(description="the recording")


class DurationUsage(BaseModel):
    """The usage: the length of the recording."""

    type: Literal["duration"] = Field("duration", description="always `duration`")
    seconds: float = Field(description="length of the recording (s)", examples=[3.43])


_DISCARDED = Field(None, description="what came to nothing, in order; left out where nothing did")


class DiscardedOut(BaseModel):
    """Audio of the recording that came to nothing."""

    reason: str = Field(
        description="as in `utterance_discarded` of the speech socket; an engine may have reasons of its own",
        examples=["no_speech"],
    )
    start_ms: int = Field(description="where it begins (ms)", examples=[420])
    end_ms: int = Field(description="where it ends (ms)", examples=[3200])
    dbfs: float = Field(description="its level (dB below full scale)", examples=[-61.5])


_UNCOVERED = Field(
    None, description="speech in the middle of the text that has no words; left out where there is none"
)


class UncoveredOut(BaseModel):
    """Audible speech that the text has no words for."""

    start_ms: int = Field(description="where it begins (ms)", examples=[9100])
    end_ms: int = Field(description="where it ends (ms)", examples=[11_300])
    dbfs: float = Field(description="its level (dB below full scale)", examples=[-64.2])


class TranscriptionOut(BaseModel):
    """The text of a recording."""

    text: str = Field(
        description="the whole text", examples=["Write a Python function that reverses a list."]
    )
    usage: DurationUsage
    discarded: list[DiscardedOut] | None = _DISCARDED
    uncovered: list[UncoveredOut] | None = _UNCOVERED


class WordOut(BaseModel):
    """One word and its times."""

    word: str = Field(description="the word", examples=["Write"])
    start: float = Field(description="where it begins (s)", examples=[0.42])
    end: float = Field(description="where it ends (s)", examples=[0.66])


class SegmentOut(BaseModel):
    """A sentence or part of one. A field that engines do not provide has a neutral value that clients accept."""

    id: int = Field(description="number of the segment: 0, 1, 2 …", examples=[0])
    seek: int = Field(description="start of the segment, in hundredths of a second", examples=[42])
    start: float = Field(description="where it begins (s)", examples=[0.42])
    end: float = Field(description="where it ends (s)", examples=[3.2])
    text: str = Field(description="its text", examples=["Write a Python function that reverses a list."])
    tokens: list[int] = Field(description="always empty")
    temperature: float = Field(description="always 0", examples=[0.0])
    avg_logprob: float = Field(
        description="mean logarithm of the words' confidence; 0 where it is not known", examples=[-0.2]
    )
    compression_ratio: float = Field(
        description="length of the text over that of its compression", examples=[0.9]
    )
    no_speech_prob: float = Field(description="always 0: audio without speech is left out", examples=[0.0])


class VerboseTranscriptionOut(BaseModel):
    """The text of a recording with times."""

    task: Literal["transcribe", "translate"] = Field(
        "transcribe", description="`translate` of `/v1/audio/translations`"
    )
    language: str = Field(
        description="English name in lower case; `unknown` where the engine does not tell",
        examples=["english"],
    )
    duration: float = Field(description="length of the recording (s)", examples=[3.43])
    text: str = Field(
        description="the whole text", examples=["Write a Python function that reverses a list."]
    )
    segments: list[SegmentOut] = Field(description="one entry for each segment")
    words: list[WordOut] | None = Field(None, description="the words, where word times were requested")
    usage: DurationUsage
    discarded: list[DiscardedOut] | None = _DISCARDED
    uncovered: list[UncoveredOut] | None = _UNCOVERED

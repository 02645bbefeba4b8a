"""The translator of Wyoming by replay: commands and their one transcript, chunks, silence, mistakes."""

import random
from typing import Any, cast

import pytest
from wyoming.asr import Transcribe, VadSensitivity
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Eventable

from app.api.dialects.wyoming import (
    UNSPOKEN_MS,
    Audio,
    Begin,
    Describe,
    End,
    Select,
    Send,
    Step,
    WyomingTranslator,
)
from app.api.dialects.wyoming_wire import WyomingEvent, encode_event
from app.core.errors import (
    AlreadyStarted,
    EngineFailed,
    InvalidMessage,
    LanguageNotSupported,
    PrompterError,
    UnsupportedFormat,
)
from app.services.dictation.events import Event

START = AudioStart(rate=16_000, width=2, channels=1)
SECOND = AudioChunk(rate=16_000, width=2, channels=1, audio=bytes(32_000))
ANSWER = ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]


def receive(translator: WyomingTranslator, *sent: Eventable) -> list[Step]:
    steps: list[Step] = []
    for each in sent:
        event = each.event()
        steps += translator.receive(WyomingEvent(event.type, event.data, event.payload or b""))
    return steps


def happen(translator: WyomingTranslator, kind: str, **fields: Any) -> list[WyomingEvent]:
    """What is sent for an event of the session."""
    filled = {"text": "", "lang": "en", "start_ms": 0, "end_ms": 1000, **fields}
    steps = translator.translate(cast("Event", {"type": kind, **filled}))
    assert all(isinstance(step, Send) for step in steps)
    return [step.event for step in steps if isinstance(step, Send)]


def begun(asked: Transcribe | None = None) -> WyomingTranslator:
    """A command that has begun."""
    translator = WyomingTranslator()
    receive(translator, *([asked] if asked else []), START, SECOND)
    happen(translator, "ready")
    return translator


def text_of(events: list[WyomingEvent]) -> str:
    [transcript] = [event for event in events if event.type == "transcript"]
    return str(transcript.data["text"])


def chunks_of(events: list[WyomingEvent]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "transcript-chunk")


def test_a_command() -> None:
    """In the order of Home Assistant: transcribe, audio-start, audio-chunk …, audio-stop."""
    translator = WyomingTranslator()
    [begin] = receive(translator, Transcribe(language="es"), START)
    assert isinstance(begin, Begin)
    assert (begin.config.lang, begin.model_id, begin.config.endpointing) == ("es", "", None)
    assert receive(translator, SECOND) == [Audio(bytes(32_000), 16_000)]
    assert receive(translator, AudioStop()) == [End()]
    assert translator.is_busy
    happen(translator, "ready")
    sent = happen(translator, "final", text="Enciende la luz.", lang="es")
    sent += happen(translator, "stopped")
    assert [event.type for event in sent] == [
        "transcript-start",
        "transcript-chunk",
        "transcript-chunk",
        *ANSWER[2:],
    ]
    assert (text_of(sent), chunks_of(sent)) == ("Enciende la luz.", "Enciende la luz.")
    assert sent[0].data == {"language": "es"}
    assert not translator.is_busy


def test_silence_has_a_transcript_too() -> None:
    translator = begun()
    receive(translator, AudioStop())
    sent = happen(translator, "stopped")
    assert [event.type for event in sent] == ["transcript-start", "transcript", "transcript-stop"]
    assert text_of(sent) == ""


def test_a_long_command_has_one_transcript() -> None:
    translator = begun()
    sent = happen(translator, "final", text="The first part of the sentence.")
    sent += happen(translator, "final", text="and its second part.", joined=True)
    sent += happen(translator, "utterance_discarded", reason="no_speech")
    sent += happen(translator, "final", text="Another one.")
    receive(translator, AudioStop())
    sent += happen(translator, "stopped")
    whole = "The first part of the sentence and its second part. Another one."
    assert (text_of(sent), chunks_of(sent)) == (whole, whole)
    assert [event.type for event in sent].count("transcript-start") == 1


def test_chunks_are_the_stable_prefix_as_it_grows() -> None:
    translator = begun()
    sent = happen(translator, "partial", stable="", text="Turn")
    assert sent == []
    sent += happen(translator, "partial", stable="Turn on", text="Turn on the")
    sent += happen(translator, "partial", stable="Turn on", text="Turn on the lights")
    sent += happen(translator, "partial", stable="Turn on the", text="Turn on the lights")
    assert [event.data.get("text") for event in sent[1:]] == ["Turn on", " the"]
    sent += happen(translator, "final", text="Turn on the lights.")
    receive(translator, AudioStop())
    sent += happen(translator, "stopped")
    assert chunks_of(sent) == text_of(sent) == "Turn on the lights."


def test_the_transcript_counts_where_the_final_has_other_words() -> None:
    translator = begun()
    sent = happen(translator, "partial", stable="Torn on the", text="Torn on the")
    sent += happen(translator, "final", text="Turn on the lights.")
    receive(translator, AudioStop())
    sent += happen(translator, "stopped")
    assert (chunks_of(sent), text_of(sent)) == ("Torn on the lights.", "Turn on the lights.")


# -- the end of a command


def test_the_silence_behind_speech_ends_a_live_command() -> None:
    translator = begun()
    assert translator.end_command() == []
    happen(translator, "speech_started")
    assert translator.end_command() == []
    sent = happen(translator, "final", text="Turn on the lights.")
    assert translator.end_command() == [End()]
    assert translator.end_command() == []
    sent += happen(translator, "stopped")
    assert text_of(sent) == "Turn on the lights."
    assert (
        receive(translator, SECOND, AudioStop()) == []
    )  # its own detector ends it later, and gets nothing more
    assert isinstance(receive(translator, START)[0], Begin)


def test_who_goes_on_speaking_is_not_cut_off() -> None:
    translator = begun()
    happen(translator, "final", text="Turn on")
    happen(translator, "speech_started")
    assert translator.end_command() == []
    happen(translator, "final", text="the lights.")
    assert translator.end_command() == [End()]


def test_noise_ends_nothing_and_endless_silence_does() -> None:
    translator = begun()
    happen(translator, "speech_started")
    happen(translator, "utterance_discarded", reason="no_speech")
    assert translator.end_command() == []
    receive(translator, *[SECOND] * (UNSPOKEN_MS // 1000 - 1))
    assert translator.end_command() == []
    receive(translator, SECOND)
    assert translator.end_command() == [End()]
    assert text_of(happen(translator, "stopped")) == ""


def test_the_end_of_the_server_ends_a_command() -> None:
    translator = begun()
    assert translator.end_now() == [End()]
    happen(translator, "final", text="Turn on")
    assert text_of(happen(translator, "stopped")) == "Turn on"
    assert translator.end_now() == []


# -- what a client may ask for


def begin(asked: Transcribe) -> Begin:
    [step] = receive(WyomingTranslator(), asked, START)
    assert isinstance(step, Begin)
    return step


@pytest.mark.parametrize(
    ("sensitivity", "silence_ms"),
    [
        (VadSensitivity.AGGRESSIVE, 250),
        (VadSensitivity.DEFAULT, 700),
        ("relaxed", 1250),
        ("keen", 700),
        (None, None),
    ],
)
def test_the_sensitivity_is_the_pause(sensitivity: Any, silence_ms: int | None) -> None:
    found = begin(Transcribe(vad_sensitivity=sensitivity)).config.endpointing
    assert getattr(found, "silence_ms", None) == silence_ms


def test_names_come_before_terms() -> None:
    asked = Transcribe(
        name="whisper_local/base", transcript_terms=["lamp", "Ana"], transcript_names=["Ana", " Bob "]
    )
    step = begin(asked)
    assert (step.model_id, step.config.vocabulary) == ("whisper_local/base", ["Ana", "Bob", "lamp"])


@pytest.mark.parametrize(
    ("language", "tag"), [("es_MX", "es-mx"), ("en", "en"), ("auto", "auto"), (None, "auto")]
)
def test_languages(language: str | None, tag: str) -> None:
    assert begin(Transcribe(language=language)).config.lang == tag


def test_an_unknown_language_has_an_error_and_its_audio_is_left_out() -> None:
    translator = WyomingTranslator()
    with pytest.raises(LanguageNotSupported) as refused:
        receive(translator, Transcribe(language="!!"), START)
    [told] = translator.fail(refused.value)
    assert isinstance(told, Send)
    assert (told.event.type, told.event.data["code"]) == ("error", "language_not_supported")
    assert receive(translator, SECOND, SECOND, AudioStop()) == []
    assert isinstance(receive(translator, Transcribe(language="es"), START)[0], Begin)


def test_other_events() -> None:
    translator = WyomingTranslator()
    assert translator.receive(WyomingEvent("describe")) == [Describe()]
    assert translator.receive(WyomingEvent("select-program", {"name": "pocketsphinx"})) == [
        Select("pocketsphinx")
    ]
    assert translator.receive(WyomingEvent("ping", {"text": "x"})) == [
        Send(WyomingEvent("pong", {"text": "x"}))
    ]
    assert translator.receive(WyomingEvent("run-satellite")) == []


def test_other_formats_become_mono_pcm16() -> None:
    translator = WyomingTranslator()
    receive(translator, AudioStart(rate=48_000, width=4, channels=2))
    frame = AudioChunk(rate=48_000, width=4, channels=2, audio=b"\0\0\0\x10\0\0\0\x30")
    assert receive(translator, frame) == [Audio(b"\0\x20", 48_000)]


def test_audio_without_a_start_begins_a_command() -> None:
    begin, audio = receive(WyomingTranslator(), SECOND)
    assert (type(begin), type(audio)) == (Begin, Audio)


def test_a_stop_without_audio_is_answered() -> None:
    translator = WyomingTranslator()
    steps = receive(translator, AudioStop())
    assert [step.event.type for step in steps if isinstance(step, Send)] == [
        "transcript-start", "transcript", "transcript-stop",
    ]  # fmt: skip


# -- mistakes


def test_a_second_start_and_a_changed_format() -> None:
    translator = begun()
    with pytest.raises(AlreadyStarted):
        receive(translator, START)
    with pytest.raises(InvalidMessage):
        receive(translator, AudioChunk(rate=8000, width=2, channels=1, audio=b"\0\0"))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"width": 3}, UnsupportedFormat),
        ({"channels": 0}, UnsupportedFormat),
        ({"rate": "16000"}, InvalidMessage),
    ],
)
def test_a_wrong_format(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        WyomingTranslator().receive(
            WyomingEvent("audio-start", {"rate": 16_000, "width": 2, "channels": 1, **wrong})
        )


def test_a_failure_in_the_middle_ends_the_command_and_the_next_one_is_apart() -> None:
    translator = begun()
    told, end = translator.fail(EngineFailed("it broke"))
    assert (isinstance(told, Send), end) == (True, End())
    assert receive(translator, SECOND, AudioStop()) == []
    receive(translator, START)
    assert happen(translator, "final", text="of the first") == []
    assert happen(translator, "stopped") == []
    happen(translator, "ready")
    happen(translator, "final", text="of the second")
    receive(translator, AudioStop())
    assert text_of(happen(translator, "stopped")) == "of the second"


# -- anything


STRANGE: list[Any] = [
    None,
    True,
    -1,
    0,
    2,
    16_000,
    1 << 70,
    1.5,
    "",
    "es",
    "!!",
    "x" * 300,
    [],
    ["a", 3, None],
    {},
    {"a": 1},
]
KINDS = (
    "describe",
    "select-program",
    "transcribe",
    "audio-start",
    "audio-chunk",
    "audio-stop",
    "ping",
    "detect",
    "",
)
FIELDS = (
    "rate", "width", "channels", "language", "name", "vad_sensitivity", "transcript_names", "transcript_terms", "text"
)  # fmt: skip
HAPPENINGS = (
    "ready",
    "speech_started",
    "partial",
    "final",
    "utterance_discarded",
    "stopped",
    "error",
    "flushed",
)


def test_twenty_thousand_strange_events_break_nothing() -> None:
    """Every failure is one of ours, each command has one answer at most, and what is kept does not grow."""
    chance = random.Random(7)
    translator = WyomingTranslator()
    answers = commands = 0
    for _ in range(20_000):
        data: dict[str, Any] = {"rate": 16_000, "width": 2, "channels": 1}
        for name in chance.sample(FIELDS, chance.randrange(3)):
            data[name] = chance.choice(STRANGE)
        event = WyomingEvent(chance.choice(KINDS), data, chance.randbytes(chance.randrange(9)))
        try:
            steps = translator.receive(event)
        except PrompterError as error:
            steps = translator.fail(error)
        text = chance.choice(["", "Hi.", "and more"])
        told = {"text": text, "stable": text, "lang": chance.choice([None, "en"]), "start_ms": 0, "end_ms": 9}
        steps += translator.translate(cast("Event", {"type": chance.choice(HAPPENINGS), **told}))
        steps += translator.end_command() if chance.random() < 0.1 else []
        commands += sum(isinstance(step, Begin) for step in steps) + (event.type == "audio-stop")
        answers += sum(isinstance(step, Send) and step.event.type == "transcript" for step in steps)
        for step in steps:
            if isinstance(step, Send):
                encode_event(step.event)
    assert 100 < answers <= commands
    translator.end_now()

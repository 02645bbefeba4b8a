"""What travels between gateways and workers: it arrives as it was sent, and its repr has nothing that anybody said."""

import pickle
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import numpy as np
import pytest

from app.core.errors import PrompterError, all_errors
from app.core.notes import Note, NoteCode
from app.providers.base import (
    Hypothesis,
    ProviderStatus,
    SttCapabilities,
    SttConfig,
    ToldSpeech,
    Transcript,
    WindowRequest,
    WindowResult,
    Word,
)
from app.schemas.providers import ProviderState
from app.services.decoding.policy import Priority
from app.services.tier.calls import (
    Answer,
    AnyAnswer,
    Call,
    CloseStream,
    DecodeContinuation,
    DecodeWindow,
    EngineState,
    HeardStream,
    HearStream,
    Look,
    MeasureCost,
    OpenedSession,
    OpenSession,
    Place,
    StartEngine,
    Turn,
    Value,
    WorkerState,
)

SAID = "zanzibar"
"""Stands wherever a person's words or a prompt may stand."""
SAMPLE = 12_321
"""The value of all samples."""

AUDIO = np.full(6, SAMPLE, np.int16)
CONFIG = SttConfig(lang="es-MX", langs=("es", "en"), model="base", words=True, vocabulary=(SAID,))
PLACE = Place(gateway="12-ab", session=3, engine="fake", config=CONFIG)
TURN = Turn(priority=Priority.PARTIAL, audio_s=1.5, within_s=0.1, cost_key="fake/base")
REQUEST = WindowRequest(
    samples=AUDIO, speech_samples=4, final=True, window="short", context=SAID, spoken=(("es", 2.0),)
)
TOLD = ToldSpeech(AUDIO, SAID, "es")
STATE = EngineState(
    status=ProviderStatus(ProviderState.READY, "a fake", Note(NoteCode.NO_WORKER)),
    models=("base",),
    capabilities=SttCapabilities(("en",), streaming=True, words=True, vocabulary=True, network=False),
)
WORDS = (Word(SAID, 0, 80, 0.5),)

CALLS: tuple[Call, ...] = (
    Look(gateway="12-ab", load=0.25),
    StartEngine(engine="fake"),
    MeasureCost(engine="fake", model="base"),
    OpenSession(engine="fake", config=CONFIG),
    DecodeWindow(place=PLACE, turn=TURN, request=REQUEST),
    DecodeContinuation(place=PLACE, turn=TURN, request=REQUEST, told=TOLD),
    HearStream(place=PLACE, turn=TURN, stream=2, state=SAID, begins_at=640, samples=AUDIO, speech_samples=4),
    CloseStream(place=PLACE, stream=2),
)
VALUES: tuple[Value, ...] = (
    WorkerState(version="1.0", slots=2, engines={"fake": STATE}, load_elsewhere=0.5),
    OpenedSession(kind="continuing", model="base"),
    WindowResult(SAID, "es", WORDS, trusted=True, decode_ms=3.0),
    HeardStream(hypothesis=Hypothesis(SAID, SAID)),
    HeardStream(transcript=Transcript(SAID, lang="es", words=WORDS), state=SAID),
    0.25,
    None,
)
ANSWERS: tuple[AnyAnswer, ...] = (
    *(Answer(value=value, waited_s=0.5, busy=3) for value in VALUES),
    Answer(is_shed=True),
)


def is_equal(one: object, other: object) -> bool:
    """As `==`, where a part may be an array."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if is_dataclass(one):
        return all(is_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    return one == other


def list_classes(union: Any) -> set[type]:
    """The classes of a union, those of a union within it, too."""
    inner = get_args(union)
    return {found for each in inner for found in list_classes(each)} if inner else {union}


def carry(value: Any) -> Any:
    """The value as it arrives on another machine."""
    return pickle.loads(pickle.dumps(value, protocol=5))


def test_there_is_an_example_of_each() -> None:
    assert {type(call) for call in CALLS} == list_classes(Call)
    assert {type(value) for value in VALUES} == list_classes(Value)


@pytest.mark.parametrize("value", [*CALLS, *ANSWERS], ids=lambda value: type(value).__name__)
def test_it_arrives_as_it_was_sent(value: Call | AnyAnswer) -> None:
    assert is_equal(carry(value), value)


def test_a_call_of_a_few_seconds_stays_small() -> None:
    """The way through a cluster is bounded by what it carries: little more than the audio."""
    speech = np.zeros(30 * 16_000, np.int16)
    request = WindowRequest(samples=speech, speech_samples=len(speech), final=True, window="full")
    call = DecodeWindow(place=PLACE, turn=TURN, request=request)
    assert len(pickle.dumps(call, protocol=5)) < speech.nbytes + 2_000


@pytest.mark.parametrize("value", [*CALLS, *ANSWERS], ids=lambda value: type(value).__name__)
def test_its_repr_has_no_word_and_no_audio(value: Call | AnyAnswer) -> None:
    """Whatever logs a call or an answer, in Ray too, logs nothing of a dictation."""
    shown = repr(value)
    assert SAID not in shown
    assert str(SAMPLE) not in shown


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_arrives_with_all_that_a_client_is_told(kind: type[PrompterError]) -> None:
    error = kind("say it again", retry_after_s=2.5, param="model", note=Note(NoteCode.NO_WORKER))
    found = carry(Answer(error=error)).error
    assert type(found) is kind
    assert (found.to_dict(), found.retry_after_s, found.param, found.fatal) == (
        error.to_dict(),
        2.5,
        "model",
        error.fatal,
    )

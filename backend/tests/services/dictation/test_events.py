"""The events: the same fields as the documented models, and the optional ones only for clients that asked."""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from app.core.discard_reasons import DiscardReason
from app.core.errors import EngineFailed
from app.core.metrics import Observer
from app.providers.base import SttConfig, Transcript, Word
from app.schemas import speech_socket
from app.schemas.speech_socket import OPTIONAL_EVENTS
from app.services.audio.segmenter import UtteranceEnded, UtterancePaused
from app.services.dictation.events import (
    EngineInfo,
    Event,
    EventBuilder,
    Keeping,
    Receipt,
    UtteranceState,
    encode_event,
    error_event,
    pong_event,
    resumed_event,
)
from app.services.dictation.latency_meter import Meter, SessionTotals
from tests.support.utterances import CLEAR_SPEECH

SHAPES = {get_args(shape.__annotations__["type"])[0]: shape for shape in get_args(Event)}
MODELS = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(speech_socket.ServerEvent)[0])
}
SAID = Transcript("hello", "en", "tiny", (Word("hello", 100, 400, 0.98765),), decode_ms=7)
ENDED = UtteranceEnded(1, 1600, 32_000, 16_000, 25_600, CLEAR_SPEECH)


class Sent:
    """An event builder, and what it emitted."""

    def __init__(self, *requested: str, words: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.kept: list[str] = []
        self.observer = Observer()
        self.builder = EventBuilder(
            EngineInfo("fake", "tiny", "en"),
            lambda event: self.events.append(dict(event)),
            Meter(self.observer, "fake", SessionTotals()),
            requested=frozenset(requested),
            words=words,
            keep=lambda event: self.kept.append(event["text"]),
        )

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


def emit_everything(sent: Sent) -> None:
    """One of each event of a dictation, `resumed` and `pong` too."""
    builder, utterance = sent.builder, UtteranceState(1, 1600, onset=2400)
    builder.ready(SttConfig(lang="en"), None, "token", Keeping())
    builder.speech_started(1, 1600, 8000)
    builder.partial(utterance, "hel", "", 8000)
    builder.eager_final(utterance, UtterancePaused(1, 16_000, 20_000), SAID)
    builder.turn_resumed(utterance, 24_000)
    builder.speech_stopped(ENDED)
    builder.final(utterance, ENDED, SAID, Receipt(16_000, 25_600, 3.2, 7.4))
    builder.discarded(UtteranceState(2, 40_000), 48_000, DiscardReason.NO_SPEECH)
    builder.ack(4, received=48_000, backlog=16_000)
    builder.status(degraded=True, partials="off")
    builder.flushed("f")
    builder.engine_error(EngineFailed("broken"))
    builder.stopped(48_000)
    sent.events += [dict(resumed_event(3, stopping=False)), dict(pong_event(None))]


def test_every_event_has_a_shape_and_a_model() -> None:
    assert set(SHAPES) == set(MODELS)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_shape_has_the_fields_of_its_model(kind: str) -> None:
    assert set(SHAPES[kind].__annotations__) | _inherited(SHAPES[kind]) == set(MODELS[kind].model_fields)


def _inherited(shape: Any) -> set[str]:
    return set(shape.__required_keys__ | shape.__optional_keys__)


@pytest.mark.parametrize("words", [True, False])
def test_what_is_emitted_is_what_is_documented(words: bool) -> None:
    sent = Sent(*OPTIONAL_EVENTS, words=words)
    emit_everything(sent)
    assert set(sent.kinds) == set(MODELS)
    for seq, event in enumerate(sent.events, 1):
        model: type[BaseModel] = MODELS[event["type"]]
        shown = event | {"session_id": "s1", "seq": seq}
        read = model.model_validate(shown, strict=True)
        assert read.model_dump(exclude_unset=True) == shown, "a field is unknown to the model"


def test_a_final_says_that_it_goes_on_only_where_it_does() -> None:
    sent = Sent("eager_final")
    for transcript in (SAID, replace(SAID, joined=True)):
        utterance = UtteranceState(1, 1600)
        sent.builder.eager_final(utterance, UtterancePaused(1, 16_000, 20_000), transcript)
        sent.builder.final(utterance, ENDED, transcript, Receipt(16_000, 25_600, 3.2, 7.4))
    assert [event.get("joined") for event in sent.events] == [None, None, True, True]


def test_a_client_gets_the_optional_events_that_it_asked_for() -> None:
    for requested in ([], ["ack"], ["speech_started", "status"], [*OPTIONAL_EVENTS]):
        sent = Sent(*requested)
        emit_everything(sent)
        assert set(sent.kinds) & OPTIONAL_EVENTS == set(requested)


def test_who_gets_an_eager_final_also_gets_what_takes_it_back() -> None:
    sent = Sent("eager_final")
    emit_everything(sent)
    assert set(sent.kinds) & OPTIONAL_EVENTS == {"eager_final", "turn_resumed"}


def test_who_did_not_ask_for_eager_finals_has_none_taken_back() -> None:
    sent = Sent("turn_resumed")
    emit_everything(sent)
    assert "turn_resumed" not in sent.kinds
    assert [event["revision"] for event in sent.events if event["type"] == "final"] == [2]


def test_a_final_has_its_times_and_words() -> None:
    sent = Sent(words=True)
    sent.builder.final(UtteranceState(1, 1600), ENDED, SAID, Receipt(16_000, 25_600, 3.2, 7.4))
    [final] = sent.events
    assert final["timing"] == {"speech_end_ms": 1000, "endpoint_ms": 600, "queue_ms": 3, "decode_ms": 7}
    assert final["words"] == [{"word": "hello", "start_ms": 200, "end_ms": 500, "confidence": 0.988}]
    assert (final["start_ms"], final["end_ms"], final["revision"]) == (100, 2000, 1)
    assert sent.kept == ["hello"]


def test_a_partial_has_no_closing_mark_at_its_end() -> None:
    sent, utterance = Sent(), UtteranceState(1, 1600)
    for text, stable in (("Hello.", ""), ("Hello", "Hello."), ("Hello. ¿Qué tal?", "Hello."), ("...", "")):
        sent.builder.partial(utterance, text, stable, 3200)
    assert [(event["text"], event["stable"]) for event in sent.events] == [
        ("Hello", ""),
        ("Hello. ¿Qué tal", "Hello"),
    ]


def test_a_partial_that_says_nothing_new_is_not_emitted() -> None:
    sent, utterance = Sent(), UtteranceState(1, 0)
    for text in ("", "a", "a", "a b"):
        sent.builder.partial(utterance, text, "", 1600)
    assert [(event["text"], event["revision"]) for event in sent.events] == [("a", 1), ("a b", 2)]


def test_an_utterance_without_text_is_discarded_as_empty() -> None:
    sent = Sent("utterance_discarded")
    for transcript in (Transcript(""), Transcript("x", rejected="hallucination")):
        sent.builder.final(UtteranceState(1, 1600), ENDED, transcript, Receipt(0, 0, 0, 0))
    assert [event["reason"] for event in sent.events] == ["empty", "hallucination"]
    assert not sent.kept


@pytest.mark.parametrize(
    ("transcript", "reason"),
    [
        (Transcript(""), "too_short"),
        (Transcript("", rejected="no_speech"), "too_short"),
        (Transcript("", rejected="hallucination"), "hallucination"),
    ],
)
def test_the_audio_names_an_utterance_in_which_the_engine_hears_nothing(
    transcript: Transcript, reason: str
) -> None:
    sent = Sent("utterance_discarded")
    ended = replace(ENDED, likely_reason=DiscardReason.TOO_SHORT)
    sent.builder.final(UtteranceState(1, 1600), ended, transcript, Receipt(0, 0, 0, 0))
    assert [event["reason"] for event in sent.events] == [reason]


def test_an_empty_final_takes_a_partial_back_where_discards_are_not_reported() -> None:
    sent, utterance = Sent(), UtteranceState(1, 1600)
    sent.builder.discarded(utterance, 3200, DiscardReason.EMPTY)
    assert sent.events == []
    sent.builder.partial(utterance, "hum", "", 3200)
    sent.builder.discarded(utterance, 3200, DiscardReason.EMPTY)
    assert [(event["type"], event["text"]) for event in sent.events] == [("partial", "hum"), ("final", "")]
    assert sent.events[-1]["revision"] == 2
    assert sent.events[-1]["timing"] == {
        "speech_end_ms": 200,
        "endpoint_ms": 0,
        "queue_ms": 0,
        "decode_ms": 0,
    }


def test_totals_become_the_stats_of_stopped() -> None:
    sent = Sent(*OPTIONAL_EVENTS)
    emit_everything(sent)
    stopped = next(event for event in sent.events if event["type"] == "stopped")
    assert stopped["stats"] == {
        "audio_ms": 3000,
        "speech_ms": 900,
        "utterances": 0,
        "finals": 1,
        "discarded": 1,
    }


def test_an_event_is_one_json_text() -> None:
    event = error_event(EngineFailed("broken"), fatal=True)
    assert json.loads(encode_event(event)) == {
        "type": "error",
        "code": "engine_failed",
        "message": "broken",
        "note": {"code": "engine_failed", "params": {}},
        "fatal": True,
    }

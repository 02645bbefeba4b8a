"""Items of a Realtime session: deltas that only grow, and one transcript of several finals."""

from typing import Any, cast

from app.api.dialects.realtime_items import GrowingText, Item, describe_item
from app.services.dictation.events import FinalEvent, PartialEvent


def partial(stable: str, lang: str = "en") -> PartialEvent:
    return cast("PartialEvent", {"stable": stable, "lang": lang})


def final(text: str, lang: str = "en", **more: Any) -> FinalEvent:
    return cast("FinalEvent", {"text": text, "lang": lang, **more})


def test_what_was_shown_is_never_taken_back() -> None:
    text = GrowingText()
    assert text.grow("what is") == "what is"
    assert text.grow("what is") == ""
    assert text.grow("what") == ""
    assert text.grow("what was the weather") == " the weather", "by the words beyond those that were shown"
    assert text.shown == "what is the weather"


def test_text_without_spaces_grows_by_characters() -> None:
    text = GrowingText()
    text.grow("今天天", "zh")
    assert text.grow("金天天气", "zh") == "气"


def test_one_utterance() -> None:
    item = Item("item_1", 0)
    deltas = [item.show_partial((1, 1), partial(stable)) for stable in ("", "What", "What is the")]
    deltas.append(item.add_final((1, 1), final("What is the weather?"), 0))
    deltas.append(item.finish())
    assert deltas == ["", "What", " is the", " weather", "?"]
    assert item.transcript == "".join(deltas) == "What is the weather?"


def test_utterances_become_one_text_and_the_deltas_are_it() -> None:
    item = Item("item_1", 0)
    deltas = [
        item.add_final((1, 1), final("He asked himself."), 0),
        item.show_partial((1, 2), partial("something")),
        item.add_final((1, 2), final("something warm.", joined=True), 0),
        item.show_partial((1, 3), partial("Then")),
        item.add_final((1, 3), final("Then nothing."), 0),
        item.add_final((2, 1), final("In another dictation."), 0),
        item.finish(),
    ]
    assert item.transcript == "He asked himself something warm. Then nothing. In another dictation."
    assert "".join(deltas) == item.transcript


def test_what_is_told_of_the_finals() -> None:
    item = Item("item_1", 0, waits_for={(1, 1), (1, 2)})
    words = [{"word": "hola", "start_ms": 0, "end_ms": 80, "confidence": 0.5}]
    uncovered = [{"start_ms": 100, "end_ms": 900, "dbfs": -40.0}]
    item.add_final((1, 1), final("hola", "es", words=words, uncovered=uncovered), 2000)
    item.drop((1, 2))
    assert not item.waits_for
    assert list(item.languages) == ["es"]
    assert item.list_logprobs() == [{"token": "hola", "logprob": -0.6931, "bytes": [104, 111, 108, 97]}]
    assert item.uncovered == [{"start_ms": 2100, "end_ms": 2900, "dbfs": -40.0}]


def test_the_shape_of_an_item() -> None:
    assert describe_item("item_1")["content"] == [{"type": "input_audio", "transcript": None}]

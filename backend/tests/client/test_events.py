"""Events of the speech socket as a client sees them."""

from app.client.events import Event, Segment, SegmentWord, join_finals, make_segments


def test_a_message_keeps_fields_that_only_a_newer_server_knows() -> None:
    message = {"type": "future", "text": "hi", "extra": [1]}
    event = Event.from_wire(message)
    assert (event.type, event.text, event.stable, event.data) == ("future", "hi", "", message)


def test_a_message_without_anything_is_an_event_all_the_same() -> None:
    assert Event.from_wire({}) == Event(type="")


def test_a_final_is_a_segment_with_times_and_words() -> None:
    word = {"word": "hi", "start_ms": 10, "end_ms": 20, "confidence": 0.9}
    final = Event.from_wire({"type": "final", "text": "hi", "start_ms": 5, "end_ms": 30, "words": [word]})
    assert Segment.from_final(final) == Segment(
        text="hi", start_ms=5, end_ms=30, words=(SegmentWord(text="hi", start_ms=10, end_ms=20),)
    )


def test_a_final_without_times_begins_at_zero() -> None:
    assert Segment.from_final(Event.from_wire({"type": "final", "text": "hi"})) == Segment("hi", 0, 0)


def test_finals_that_go_on_are_one_sentence() -> None:
    finals = [
        Event.from_wire({"type": "final", "text": "He asked himself.", "lang": "en"}),
        Event.from_wire({"type": "partial", "text": "something"}),
        Event.from_wire({"type": "final", "text": "something warm.", "lang": "en", "joined": True}),
        Event.from_wire({"type": "final", "text": "Then he left.", "lang": "en"}),
    ]
    assert join_finals(finals) == "He asked himself something warm. Then he left."
    said = [segment.text for segment in make_segments([finals[0], *finals[2:]])]
    assert said == ["He asked himself", "something warm.", "Then he left."]

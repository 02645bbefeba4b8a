"""Tool events: whatever a model or a tool wrote can be stored, sent and read again."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.storage.tool_events import ToolEvent, interrupt_open_calls, load_tool_events, to_plain_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
)


@given(JSON)
def test_whatever_a_model_writes_can_be_stored_and_sent(value: Any) -> None:
    kept = ToolEvent.create("tool_call", 0, 0, {"arguments": value}).to_json()
    sent = orjson.loads(orjson.dumps(kept))
    assert sent == kept
    assert b"\\u0000" not in orjson.dumps(kept)
    assert load_tool_events([kept])[0].to_json() == kept


def test_what_is_endless_is_cut() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert len(orjson.dumps(to_plain_json(deep))) < 100
    assert len(to_plain_json("x" * 10**6)) < 10**5
    assert len(to_plain_json(list(range(10**5)))) == 200
    assert to_plain_json(10**4000) == "…"
    assert to_plain_json({1: float("nan"), "big": 1 << 60}) == {"1": "nan", "big": str(1 << 60)}


def test_what_another_version_wrote_is_left_out() -> None:
    assert load_tool_events([None, 3, {"event": "new"}, {"event": "tool_call", "text": "0"}]) == ()
    assert load_tool_events(None) == ()


def test_what_is_open_at_the_end_says_whether_it_was_made() -> None:
    """Whoever waited for an answer has to know what may have been done."""
    events = [
        ToolEvent.create("tool_call", 0, 0, {"call_id": "ended"}),
        ToolEvent.create("tool_result", 0, 0, {"call_id": "ended"}),
        ToolEvent.create("tool_call", 0, 0, {"call_id": "runs"}),
        ToolEvent.create("tool_call", 0, 0, {"call_id": "approved"}),
        ToolEvent.create("approval_required", 0, 0, {"call_id": "approved"}),
        ToolEvent.create("approval_decided", 0, 0, {"call_id": "approved"}),
        ToolEvent.create("tool_call", 0, 0, {"call_id": "asks"}),
        ToolEvent.create("approval_required", 0, 0, {"call_id": "asks"}),
    ]
    errors = interrupt_open_calls(events, text=3, reasoning=1, code="stopped", message="it was stopped")
    assert {error.call_id: error.data["error"] for error in errors} == {
        "runs": "it was stopped; how the call ended is unknown",
        "approved": "it was stopped; how the call ended is unknown",
        "asks": "it was stopped; the call was not made",
    }
    assert {(error.name, error.text, error.reasoning, error.data["code"]) for error in errors} == {
        ("tool_error", 3, 1, "stopped")
    }

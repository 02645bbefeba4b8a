"""The outbox: events in order, numbered when they leave, kept within bounds, sent again after a resume."""

import anyio
import pytest

from app.core.errors import PrompterError
from app.services.dictation.events import (
    Event,
    FinalEvent,
    PartialEvent,
    error_event,
    pong_event,
    resumed_event,
)
from app.services.dictation.outbox import Connection, Outbox


def final(utterance_id: int = 1) -> FinalEvent:
    return {
        "type": "final",
        "text": "hello",
        "revision": 1,
        "utterance_id": utterance_id,
        "start_ms": 0,
        "end_ms": 900,
        "lang": "en",
        "provider": "fake",
        "model": None,
        "timing": {"speech_end_ms": 900, "endpoint_ms": 600, "queue_ms": 0, "decode_ms": 1},
    }


def partial(utterance_id: int = 1, text: str = "hel") -> PartialEvent:
    return {
        "type": "partial",
        "text": text,
        "stable": "",
        "revision": 1,
        "utterance_id": utterance_id,
        "start_ms": 0,
        "end_ms": 900,
        "lang": "en",
        "provider": "fake",
        "model": None,
    }


def filled(events: int, kept: int) -> Outbox:
    outbox = Outbox(limit=8, kept=kept)
    outbox.attach(Connection())
    for number in range(events):
        outbox.emit(final(number))
        list(outbox.events())
    return outbox


def replayed(outbox: Outbox, last_seq: int) -> list[Event]:
    outbox.attach(Connection())
    outbox.replay(last_seq, resumed_event(1, stopping=False))
    return list(outbox.events())


def test_events_bear_the_label_and_count_from_1_as_they_leave() -> None:
    outbox = Outbox(limit=8, kept=8)
    outbox.emit(final(1))
    outbox.session_id = "s1"
    outbox.emit(final(2))
    assert outbox.pending == 2
    assert [(event["session_id"], event["seq"]) for event in outbox.events()] == [(None, 1), ("s1", 2)]
    assert outbox.pending == 0


def test_what_was_sent_is_kept_within_bounds() -> None:
    outbox = filled(10_000, 16)
    assert len(replayed(outbox, 10_000 - 8)) == 1 + 8
    assert not outbox.can_replay(0)
    assert outbox.can_replay(10_000 - 8)
    assert not outbox.can_replay(10_001)
    assert len(outbox._sent) <= 16


def test_partials_go_before_finals() -> None:
    outbox = filled(4, 16)
    for number in range(1000):
        outbox.emit(partial(number))
        list(outbox.events())
    assert len(outbox._sent) <= 16
    assert outbox.can_replay(0)
    again = replayed(outbox, 0)
    assert [event["seq"] for event in again[:5]] == [0, 1, 2, 3, 4]
    assert [event["type"] for event in again[:5]] == ["resumed"] + ["final"] * 4


def test_the_last_event_of_one_socket_is_not_sent_again() -> None:
    outbox = filled(2, 16)
    assert outbox.number(error_event(PrompterError("broken"), fatal=True))["seq"] == 3
    outbox.attach(Connection())
    outbox.replay(1, resumed_event(1, stopping=False))
    outbox.emit(final(3))
    assert [(event["type"], event["seq"]) for event in outbox.events()] == [
        ("resumed", 1),
        ("final", 2),
        ("final", 4),
    ]


def test_a_partial_that_has_not_left_gives_way_to_the_next_one_of_its_utterance() -> None:
    outbox = Outbox(limit=8, kept=8)
    for event in (partial(1, "a"), partial(1, "a b"), final(1), partial(2, "c"), partial(3, "d")):
        outbox.emit(event)
    texts = [event.get("text") for event in outbox.events()]
    assert texts == ["a b", "hello", "c", "d"]


async def test_an_engine_waits_while_too_many_events_stand() -> None:
    outbox = Outbox(limit=2, kept=8)
    connection = Connection()
    outbox.attach(connection)
    done = anyio.Event()

    async def deliver() -> None:
        for number in range(5):
            outbox.emit(final(number))
            await outbox.deliver()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(deliver)
        await connection.wait_for_events()
        await anyio.wait_all_tasks_blocked()
        assert outbox.pending == 3
        assert not done.is_set()
        taken = list(outbox.events())
        await anyio.wait_all_tasks_blocked()
        assert done.is_set()
    assert len(taken) + outbox.pending == 5


@pytest.mark.parametrize("is_attached", [True, False])
async def test_nobody_waits_for_a_client_that_is_not_there(is_attached: bool) -> None:
    """While a session waits for its client, its engine goes on and its events stand."""
    outbox = Outbox(limit=2, kept=8)
    if is_attached:
        outbox.attach(Connection())
    async with anyio.create_task_group() as group:
        for number in range(5):
            outbox.emit(pong_event(number))
        group.start_soon(outbox.deliver)
        await anyio.wait_all_tasks_blocked()
        outbox.detach()
    assert outbox.pending == 5


async def test_the_first_reason_closes_a_connection() -> None:
    connection = Connection()
    first, second = PrompterError("first"), PrompterError("second")
    connection.close(first)
    connection.close(second)
    assert connection.closing.is_set()
    assert connection.reason is first

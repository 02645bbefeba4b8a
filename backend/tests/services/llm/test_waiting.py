"""What readers of an answer are told while nothing of it arrives."""

from app.providers.base import Wait
from app.services.llm.waiting import WAIT_S, WORKING_S, Status, WaitWatch


def test_a_silent_model_is_told_to_work_after_a_while_and_each_second() -> None:
    watch = WaitWatch(100.0, 0)
    assert watch.observe(0, 100 + WORKING_S - 0.1) is None
    assert watch.observe(0, 100 + WORKING_S) == Status("working", None, 4000)
    checks = [watch.observe(0, 104 + quarter / 4) for quarter in range(33)]
    assert list(dict.fromkeys(status and status.waited_ms for status in checks)) == list(
        range(4000, 13_000, 1000)
    )


def test_what_arrives_ends_it_and_silence_begins_anew() -> None:
    watch = WaitWatch(100.0, 0)
    assert watch.observe(0, 110.0) is not None
    assert watch.observe(3, 110.2) is None
    assert watch.observe(3, 110.2 + WORKING_S - 0.1) is None
    assert watch.observe(3, 116.2) == Status("working", None, 6000)


def test_a_wait_that_is_over_at_once_is_not_told() -> None:
    watch = WaitWatch(100.0, 0)
    watch.note(Wait("loading"), 100.0)
    assert watch.observe(0, 100 + WAIT_S - 0.1) is None
    watch.note(None, 100 + WAIT_S - 0.1)
    assert watch.observe(0, 101.0) is None


def test_loading_is_followed_by_work_and_by_no_gap() -> None:
    watch = WaitWatch(100.0, 0)
    watch.note(Wait("loading"), 100.0)
    assert watch.observe(0, 101.0) == Status("loading", None, 1000)
    watch.note(None, 101.5)
    assert watch.observe(0, 102.0) == Status("working", None, 2000)
    watch.note(Wait("queued", 1), 103.0)
    assert watch.observe(0, 103.0) == Status("queued", 1, 3000)


def test_a_place_moves_up_without_a_new_delay() -> None:
    watch = WaitWatch(100.0, 0)
    watch.note(Wait("queued", 2), 100.0)
    assert watch.observe(0, 101.0) == Status("queued", 2, 1000)
    watch.note(Wait("queued", 1), 101.0)
    assert watch.observe(0, 101.1) == Status("queued", 1, 1000)


def test_while_the_user_is_asked_the_answer_waits_for_nothing_else() -> None:
    watch = WaitWatch(100.0, 0)
    assert watch.observe(0, 130.0, is_asking=True) is None
    assert watch.observe(0, 131.0) is None
    assert watch.observe(0, 130.0 + WORKING_S) == Status("working", None, 4000)

"""A deadline that is paused: the time of a pause does not count, and pauses may overlap."""

import math

import anyio
import pytest

from app.utils.deadline import PausableDeadline


async def test_the_scope_is_cancelled_at_the_deadline() -> None:
    deadline = PausableDeadline(0.02)
    with anyio.fail_after(30):
        with deadline.make_scope() as scope:
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_pause_does_not_count() -> None:
    deadline = PausableDeadline(100)
    scope = deadline.make_scope()
    before = scope.deadline
    with deadline.pause():
        assert scope.deadline == math.inf
        started_s = anyio.current_time()
        await anyio.sleep(0.03)
    paused_s = anyio.current_time() - started_s
    assert scope.deadline == pytest.approx(before + paused_s, abs=0.02)


async def test_the_time_goes_on_when_the_last_pause_ends() -> None:
    deadline = PausableDeadline(100)
    scope = deadline.make_scope()
    with deadline.pause():
        with deadline.pause():
            assert scope.deadline == math.inf
        assert scope.deadline == math.inf
    assert 0 < scope.deadline - anyio.current_time() <= 100


async def test_a_scope_made_in_a_pause_ends_after_it() -> None:
    deadline = PausableDeadline(0.02)
    with anyio.fail_after(30):
        with deadline.pause():
            scope = deadline.make_scope()
            with scope:
                await anyio.sleep(0.05)
        with deadline.make_scope() as next_scope:
            await anyio.sleep_forever()
    assert not scope.cancelled_caught
    assert next_scope.cancelled_caught


async def test_a_pause_ends_where_its_block_fails() -> None:
    deadline = PausableDeadline(100)
    scope = deadline.make_scope()
    with pytest.raises(ValueError, match="stop"), deadline.pause():
        raise ValueError("stop")
    assert scope.deadline < math.inf

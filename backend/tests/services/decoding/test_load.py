"""Costs, shares and pressure: what the scheduler learns, and what it asks of partials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.decoding.load import CALM_S, LEVELS, DecodeCosts, FairShares, PressureMonitor
from app.services.decoding.policy import Job, JobState, Priority, SchedulingPolicy


def test_a_cost_is_learned_for_each_engine_and_never_guessed() -> None:
    costs = DecodeCosts()
    assert costs.estimate_s("short", 4.0) == 0
    for _ in range(30):
        costs.learn("short", 4.0, 0.4)
    costs.learn("full", 4.0, 2.0)

    assert costs.estimate_s("short", 2.0) == pytest.approx(0.2)
    assert costs.estimate_s("full", 2.0) == pytest.approx(1.0)
    for _ in range(30):
        costs.learn("short", 4.0, 0.8)
    assert costs.estimate_s("short", 2.0) == pytest.approx(0.4, rel=0.01), "the newest count most"


# -- pressure


def late(monitor: PressureMonitor, waited_s: float, now: float, times: int = 40) -> None:
    for _ in range(times):
        monitor.final_started(waited_s, now)


@pytest.mark.parametrize(
    ("waited_s", "factor", "partials"),
    [(0.0, 1, "on"), (0.04, 1, "on"), (0.06, 2, "on"), (0.25, 4, "first_only"), (0.6, 4, "off")],
)
def test_the_longer_finals_wait_the_more_partials_give_up(
    waited_s: float, factor: float, partials: str
) -> None:
    monitor = PressureMonitor()
    late(monitor, waited_s, 1.0)
    assert (monitor.update(1.0).factor, monitor.update(1.0).partials) == (factor, partials)


def test_pressure_rises_at_once_and_falls_step_by_step() -> None:
    monitor = PressureMonitor()
    late(monitor, 1.0, 0.0)
    assert monitor.level == 3
    late(monitor, 0.0, 0.1)

    levels = []
    for tenth in range(1, 150):
        monitor.update(tenth / 10)
        levels.append(monitor.level)
    assert levels == sorted(levels, reverse=True)
    assert [levels.count(level) for level in (3, 2, 1)] == [pytest.approx(10 * CALM_S, abs=2)] * 3
    assert levels[-1] == 0


def test_a_delay_just_under_the_threshold_does_not_flutter() -> None:
    """Between 60 % of a threshold and the threshold itself nothing changes."""
    monitor = PressureMonitor()
    late(monitor, 0.055, 0.0)
    for second in range(1, 100):
        late(monitor, 0.049, second)
        assert monitor.level == 1
        late(monitor, 0.031, second + 0.5)
        assert monitor.level == 1


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=80))
def test_pressure_never_falls_faster_than_a_level_in_calm_s(finals: list[tuple[float, float]]) -> None:
    monitor, now, fell_at = PressureMonitor(), 0.0, -CALM_S
    for passed, waited_s in finals:
        before, now = monitor.level, now + passed
        monitor.final_started(waited_s, now)
        if monitor.level < before:
            assert monitor.level == before - 1
            assert now - fell_at >= CALM_S - 1e-9
            fell_at = now


def test_yesterdays_rush_degrades_nobody() -> None:
    monitor = PressureMonitor()
    late(monitor, 5.0, 0.0)
    for second in range(120):
        monitor.update(second)
    assert monitor.update(120.0) == LEVELS[0]


# -- shares


def test_who_uses_more_than_his_part_is_above_his_share_for_a_while() -> None:
    shares = FairShares(2)
    shares.charge(1, 3.0, 10.0)
    shares.charge(2, 0.1, 10.0)

    assert shares.is_over_share(1, 2, 10.0)
    assert not shares.is_over_share(2, 2, 10.0)
    assert not shares.is_over_share(1, 1, 10.0), "alone, nobody is above his share"
    assert not shares.is_over_share(1, 2, 13.0), "forgiven soon"


def test_partials_are_off_for_those_above_their_share_alone() -> None:
    policy = SchedulingPolicy(2)
    late(policy.monitor, 2.0, 0.0)
    policy.shares.charge(1, 4.0, 0.0)
    greedy = policy.submit(Job(1, Priority.FIRST_PARTIAL, 1.0, 1.0), 0.0)
    modest = policy.submit(Job(2, Priority.FIRST_PARTIAL, 1.0, 1.0), 0.0)
    later = policy.submit(Job(3, Priority.PARTIAL, 1.0, 1.0), 0.0)
    policy.dispatch(0.0)

    assert (greedy.state, modest.state, later.state) == (JobState.SHED, JobState.RUNNING, JobState.SHED)
    assert policy.pressure_on(1, 0.0).partials == "off"
    assert policy.pressure_on(2, 0.0).partials == "first_only"
    policy.dispatch(2.9)
    assert policy.pressure_on(1, 2.9).partials == "off", "no flutter while the pressure lasts"


def test_who_was_greedy_is_not_held_to_it_when_the_pressure_comes_again() -> None:
    policy = SchedulingPolicy(2)
    policy.shares.charge(1, 4.0, 0.0)
    policy.shares.charge(2, 0.1, 0.0)
    told = []
    for rush in (0.0, 100.0):
        late(policy.monitor, 2.0, rush)
        policy.submit(Job(1, Priority.FINAL, 1.0, 1.0), rush)
        policy.dispatch(rush)
        told.append(policy.pressure_on(1, rush).partials)
        for second in range(60):
            policy.dispatch(rush + second)
    assert told == ["off", "first_only"]

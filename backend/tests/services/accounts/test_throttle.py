"""The throttle on scripted time: how many tries, how long a wait, and how much it remembers."""

import math

from hypothesis import given
from hypothesis import strategies as st

from app.services.accounts.throttle import Throttle, make_address_key


def test_a_few_tries_at_once_then_one_every_so_often() -> None:
    throttle = Throttle(5, 300)
    for _ in range(5):
        assert throttle.wait_s("ada", 1000) == 0
        throttle.take("ada", 1000)
    assert throttle.wait_s("ada", 1000) == 60
    assert throttle.wait_s("ada", 1059) == 1
    assert throttle.wait_s("ada", 1060) == 0
    throttle.take("ada", 1060)
    assert throttle.wait_s("ada", 1061) == 59
    assert throttle.wait_s("grace", 1000) == 0


def test_all_tries_are_back_after_the_window() -> None:
    throttle = Throttle(3, 30)
    for _ in range(3):
        throttle.take("ada", 0)
    for _ in range(3):
        assert throttle.wait_s("ada", 30) == 0
        throttle.take("ada", 30)
    assert throttle.wait_s("ada", 30) == 10


def test_a_try_that_succeeds_is_given_back() -> None:
    throttle = Throttle(2, 20)
    for _ in range(100):
        assert throttle.wait_s("ada", 5) == 0
        throttle.take("ada", 5)
        throttle.give_back("ada", 5)
    assert len(throttle) == 0


@given(
    st.integers(1, 20),
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 50), st.booleans()), max_size=200),
)
def test_no_way_of_trying_gets_more_than_its_share(
    tries: int, window_s: float, attempts: list[tuple[float, bool]]
) -> None:
    """In any stretch of time: at most the burst and what the rate allows, whatever the rhythm."""
    throttle = Throttle(tries, window_s)
    now_s, passed = 0.0, []
    for pause_s, patient in attempts:
        now_s += pause_s
        wait_s = throttle.wait_s("ada", now_s)
        if wait_s and patient:
            now_s += wait_s
            wait_s = throttle.wait_s("ada", now_s + 1e-6)
            assert wait_s == 0, "who waits as long as told may try"
        if not wait_s:
            throttle.take("ada", now_s)
            passed.append(now_s)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            allowed = tries + math.ceil((passed[last] - passed[first]) * tries / window_s + 1e-3)
            assert last - first + 1 <= allowed


def test_memory_is_bounded_and_a_flood_frees_nobody() -> None:
    throttle = Throttle(5, 300, max_keys=100)
    for _ in range(5):
        throttle.take("victim", 0)
    for number in range(10_000):
        throttle.take(f"made up {number}", 1)
        assert len(throttle) <= 100
    assert throttle.wait_s("victim", 1) > 0


def test_who_owes_nothing_is_forgotten_first() -> None:
    throttle = Throttle(1, 10, max_keys=2)
    throttle.take("early", 0)
    throttle.take("late", 5)
    throttle.take("new", 11)
    assert throttle.wait_s("late", 11) > 0
    assert len(throttle) == 2


def test_an_address_stands_for_one_customer() -> None:
    assert make_address_key("192.0.2.7") == "192.0.2.7"
    assert make_address_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert make_address_key("2001:db8::1") == make_address_key("2001:db8::ffff:1") == "2001:db8::/64"
    assert make_address_key("2001:db8:0:1::1") != make_address_key("2001:db8::1")
    assert len(make_address_key("no address " * 100)) == 64

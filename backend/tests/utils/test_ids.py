"""Ids: of version 7, rising, and in one form only."""

import time

import pytest

from app.utils.ids import new_id, parse_id


def test_ids_rise_and_are_of_version_7() -> None:
    made = [new_id() for _ in range(5000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert abs((made[0].int >> 80) - time.time() * 1000) < 5000


@pytest.mark.parametrize(
    "wrong", ["", "x", "{01a1fc12-93de-7062-ad0b-134c1b6ce114}", "01a1fc1293de7062ad0b134c1b6ce114"]
)
def test_a_malformed_id_is_no_id(wrong: str) -> None:
    assert parse_id(wrong) is None
    assert parse_id(str(one := new_id())) == parse_id(str(one).upper()) == one

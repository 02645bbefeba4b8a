"""Ids: of version 7, rising, and in one form only."""

import time
from uuid import UUID

import pytest

from app.utils import ids
from app.utils.ids import continue_after, new_id, parse_id


def test_ids_rise_and_are_of_version_7() -> None:
    made = [new_id() for _ in range(5000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert abs((made[0].int >> 80) - time.time() * 1000) < 5000


def test_ids_go_on_after_a_stored_one_while_the_clock_is_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    ahead_ms = time.time_ns() // 1_000_000 + 3_600_000
    stored = UUID(int=ahead_ms << 80 | 0x7FFF << 64 | 0b10 << 62 | (1 << 62) - 1)
    assert new_id() < stored
    continue_after(stored)
    made = [new_id() for _ in range(5)]
    assert made == sorted(made)
    assert stored < made[0]
    continue_after(made[0])
    assert new_id() > made[-1]
    assert {one.version for one in made} == {7}


@pytest.mark.parametrize(
    "other", [None, UUID(int=0), UUID(int=(1 << 128) - 1), UUID(int=9 << 124 | 4 << 76 | 2 << 62)]
)
def test_an_id_of_another_kind_moves_nothing(other: UUID | None) -> None:
    before = new_id()
    continue_after(other)
    assert before < new_id()
    assert abs((new_id().int >> 80) - (before.int >> 80)) < 60_000


@pytest.mark.parametrize(
    "wrong", ["", "x", "{01a1fc12-93de-7062-ad0b-134c1b6ce114}", "01a1fc1293de7062ad0b134c1b6ce114"]
)
def test_a_malformed_id_is_no_id(wrong: str) -> None:
    assert parse_id(wrong) is None
    assert parse_id(str(one := new_id())) == parse_id(str(one).upper()) == one

"""When a partial is due, in seconds of audio."""

import pytest

from app.services.decoding.window_stream import Pass, is_due


@pytest.mark.parametrize(("heard_s", "due"), [(0.99, False), (1.0, True)])
def test_the_first_comes_after_0_6_s_of_speech(heard_s: float, due: bool) -> None:
    assert is_due(heard_s, 0.4, None, 1) is due


@pytest.mark.parametrize(
    ("last", "factor", "distance_s"),
    [
        (Pass(1.0), 1, 0.5),
        (Pass(1.0, decode_s=0.1, took_s=0.2), 1, 0.5),
        (Pass(1.0, decode_s=1.0, took_s=1.0), 1, 1.2),
        (Pass(1.0, decode_s=0.1, took_s=2.0), 1, 2.0),
        (Pass(1.0, decode_s=0.1, took_s=0.1), 4, 2.0),
    ],
    ids=["a shed one", "a fast one", "a slow one", "one that waited", "under pressure"],
)
def test_the_next_comes_when_it_is_worth_its_cost(last: Pass, factor: float, distance_s: float) -> None:
    assert not is_due(1.0 + distance_s - 0.01, 0.4, last, factor)
    assert is_due(1.0 + distance_s + 0.01, 0.4, last, factor)

"""The sounds without speech: their kinds, levels and seed."""

import numpy as np

from app.bench.clips import RATE_HZ
from app.bench.damage import make_dice, measure_level_db
from app.bench.sounds import LEVELS_DBFS, MAKERS, make_sounds


def test_every_kind_at_every_level_then_a_room_and_silence() -> None:
    found = {name: (len(sound) / RATE_HZ, sound) for name, sound in make_sounds(1)}
    assert len(found) == len(MAKERS) * len(LEVELS_DBFS) + 2
    for kind in MAKERS:
        for level in LEVELS_DBFS:
            duration_s, sound = found[f"{kind} {level} dBFS"]
            assert duration_s == 40
            assert abs(measure_level_db(sound) - level) < 0.1
    assert [found[name][0] for name in list(found)[-2:]] == [600, 600]
    assert not found["silence, 10 min"][1].any()


def test_a_seed_makes_the_same_sound() -> None:
    for name, make in MAKERS.items():
        one, again, other = (make(3, make_dice(seed, name)) for seed in (1, 1, 2))
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

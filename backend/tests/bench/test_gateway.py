"""The gateway part: small, against real processes, and its figures."""

from app.bench.gateway import make_figures, measure_gateway


async def test_nothing_is_lost_and_all_is_measured() -> None:
    part = await measure_gateway(pairs=3, streams=2, crowd=3, rounds=1)
    found = {figure.key: figure for figure in part.figures}
    assert found["gateway.lost"].value == 0
    assert len(found["gateway.first_token_p50"].samples) == 3
    alone, many = (found[f"gateway.us_per_chunk{kind}"].value for kind in ("", "_burst"))
    assert alone is not None
    assert many is not None
    assert 1 < many < alone < 10_000


def test_what_a_crowd_loses_fails_its_goal() -> None:
    costs = {"paced": [30.0], "burst": [10.0], "upstream": [5.0]}
    found = {each.key: each for each in make_figures([1.0, 2.0, 9.0], costs, 100, [0, 2], [80.0, 95.0])}
    assert found["gateway.first_token_p50"].met
    assert found["gateway.us_per_chunk"].met
    assert not found["gateway.lost"].met
    assert found["gateway.memory_growth"].value == 15.0

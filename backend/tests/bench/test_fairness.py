"""Fairness: what a speaker may wait beside a flood, and what counts as lost."""

import pytest

from app.bench import fairness
from app.bench.figures import BenchError
from app.bench.scoring import Score


def test_a_flood_may_cost_half_as_much_again_and_a_decode() -> None:
    alone = Score(to_final_ms=[700.0] * 4, decode_ms=[80.0] * 4)
    fair = Score(to_final_ms=[700.0, 1100.0, 900.0, 1130.0], decode_ms=[80.0] * 4)
    figures = {figure.key: figure for figure in fairness.make_figures(alone, fair)}
    assert figures["fairness.beside_p95"].goal == 1130
    assert figures["fairness.beside_p95"].met is True
    assert figures["fairness.lost"].value == 0
    starved = Score(to_final_ms=[1131.0], decode_ms=[80.0])
    figures = {figure.key: figure for figure in fairness.make_figures(alone, starved)}
    assert figures["fairness.beside_p95"].met is False
    assert figures["fairness.lost"].value == 3


def test_a_speaker_without_finals_is_an_error() -> None:
    with pytest.raises(BenchError, match="no final"):
        fairness.make_figures(Score(), Score())

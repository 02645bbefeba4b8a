"""Sums: the values, what is refused and in which words, and that nothing takes long or runs."""

import contextlib
import math
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.toolsets.arithmetic import MOST_CHARS, NotAnExpression, evaluate

NUMBERS = st.decimals(min_value=-10_000, max_value=10_000, places=2)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("0.1 + 0.2", "0.3"),
        ("749 + 2*45.90", "840.8"),
        ("840.80 * 21%", "176.568"),
        ("15%", "0.15"),
        ("-2^2", "-4"),
        ("2^-2", "0.25"),
        ("2**3**2", "512"),
        ("--3", "3"),
        ("17 mod 5", "2"),
        ("-17 mod 5", "3"),
        ("17 // 5", "3"),
        ("-17 // 5", "-4"),
        ("7.5 // 2", "3"),
        ("2^100", "1267650600228229401496703205376"),
        ("12 × 3 ÷ 4 − 1", "8"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("round(1234, -2)", "1200"),
        ("max(1, 2.5, -3) + min(4, 5)", "6.5"),
        ("sum(1, 2, 3)", "6"),
        ("floor(-1.5)", "-2"),
        ("ceil(-1.5)", "-1"),
        ("ABS(-3)", "3"),
        ("sqrt(16)", "4"),
        ("1e3", "1000"),
        (".5 + 1.", "1.5"),
        ("0", "0"),
        ("-0.0", "0"),
        ("10^60", "1e+60"),
    ],
)
def test_exact_values(expression: str, value: str) -> None:
    assert evaluate(expression) == (value, True)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1/3", "0.333333333333333"),
        ("(1/3)*3", "1"),
        ("sqrt(2)", "1.4142135623731"),
        ("2^0.5", "1.4142135623731"),
        ("2 * pi", "6.28318530717959"),
        ("exp(1) - e", None),
        ("ln(e^2)", "2"),
        ("log10(2)", "0.301029995663981"),
    ],
)
def test_rounded_values(expression: str, value: str | None) -> None:
    found, exact = evaluate(expression)
    assert not exact
    assert value is None or found == value


@given(NUMBERS, NUMBERS, st.sampled_from("+-*"))
def test_the_same_as_decimals(one: Decimal, other: Decimal, sign: str) -> None:
    wanted = {"+": one + other, "-": one - other, "*": one * other}[sign]
    found, exact = evaluate(f"({one}) {sign} ({other})")
    assert exact
    assert Decimal(found) == wanted


@given(NUMBERS, NUMBERS.filter(bool))
def test_what_is_left_over(one: Decimal, other: Decimal) -> None:
    """As Python's `//` and `%` have it, the sign of the divisor's."""
    quotient, rest = (
        Decimal(evaluate(f"({one}) // ({other})")[0]),
        Decimal(evaluate(f"({one}) mod ({other})")[0]),
    )
    assert quotient == math.floor(one / other)
    assert quotient * other + rest == one


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "it ends where a number is expected"),
        ("1 +", "it ends where"),
        ("1 2", "'2' is not expected"),
        ("17 % 5", "17 mod 5"),
        ("1,5 + 2", "decimals with a point"),
        ("(1", "a ) is missing"),
        ("1)", "')' is not expected"),
        ("1/0", "divides by zero"),
        ("1 mod 0", "no value"),
        ("0/0", "no value"),
        ("sqrt(-1)", "no value"),
        ("9^9^9^9", "over 10^9999"),
        ("exp(10^9)", "over 10^9999"),
        ("10^6000 * 10^6000", "over 10^9999"),
        ("sqrt 4", "in parentheses"),
        ("sqrt(1, 2)", "takes 1 of them"),
        ("round(1, 2, 3)", "takes 1 to 2"),
        ("round(1, 0.5)", "whole number of places"),
        ("round(1, 10^30)", "whole number of places"),
        ("(" * 60 + "1" + ")" * 60, "nests too deeply"),
        ("-" * 200 + "1", "nests too deeply"),
        ("2^" * 100 + "2", "nests too deeply"),
        ("1" * (MOST_CHARS + 1), f"over {MOST_CHARS} characters"),
        ("__import__('os').system('true')", "only numbers"),
        ("(1).__class__", "only numbers"),
        ("open", "'open' is not expected"),
        ("lambda: 1", "only numbers"),
        ("1 if 2 else 3", "'if' is not expected"),
    ],
)
def test_what_is_refused(expression: str, told: str) -> None:
    with pytest.raises(NotAnExpression) as refused:
        evaluate(expression)
    assert told in str(refused.value)


@given(st.text(alphabet="0123456789.+-*/^%(),eE modsqrtinlgx", max_size=60))
def test_any_text_has_a_value_or_a_reason(text: str) -> None:
    """And nothing else comes out, soon."""
    started_s = time.process_time()
    with contextlib.suppress(NotAnExpression):
        assert Decimal(evaluate(text)[0]).is_finite()
    assert time.process_time() - started_s < 1


@pytest.mark.parametrize("expression", ["9" * 299, "9^9999", "1.000001^99999999", "exp(9999)", "0.5^33000"])
def test_large_sums_are_cheap(expression: str) -> None:
    started_s = time.process_time()
    with contextlib.suppress(NotAnExpression):
        evaluate(expression)
    assert time.process_time() - started_s < 0.5

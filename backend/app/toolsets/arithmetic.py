"""Evaluates arithmetic expressions in decimals. It has its own parser, so that no code can run; pure."""

import re
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

MOST_CHARS = 300
_MOST_LEVELS = 40
_DIGITS = 50
_SHOWN_DIGITS = 15
"""Digits of a result that is not exact."""
_LARGEST_EXPONENT = 9999
"""Bounds the cost of a power; larger results have no use."""
_PLAIN_ZEROS = 30
_TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z]\w*)|(\*\*|//|[-+*/^%(),]))")
_SIGNS = str.maketrans("×·÷−–", "**/--")
_CONSTANTS = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
}


class NotAnExpression(ValueError):
    """An expression that cannot be evaluated. The message says why, and how to write it."""


def _to_integer(value: Decimal, rounding: str) -> Decimal:
    return value.to_integral_value(rounding=rounding)


def _round(value: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    if places != places.to_integral_value() or abs(places) > _DIGITS:
        raise NotAnExpression(f"round takes a whole number of places, at most {_DIGITS}")
    with localcontext():  # rounding on request keeps the result exact
        return value.quantize(Decimal(1).scaleb(-int(places)), rounding=ROUND_HALF_UP)


_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Decimal]]] = {
    "sqrt": (1, 1, Decimal.sqrt),
    "abs": (1, 1, abs),
    "round": (1, 2, _round),
    "floor": (1, 1, lambda value: _to_integer(value, ROUND_FLOOR)),
    "ceil": (1, 1, lambda value: _to_integer(value, ROUND_CEILING)),
    "min": (1, 50, lambda *values: min(values)),
    "max": (1, 50, lambda *values: max(values)),
    "sum": (1, 50, lambda *values: sum(values, Decimal(0))),
    "ln": (1, 1, Decimal.ln),
    "log10": (1, 1, Decimal.log10),
    "exp": (1, 1, Decimal.exp),
}
"""By name: least and most arguments, and the function."""


def evaluate(expression: str) -> tuple[str, bool]:
    """The value of an expression as text, and whether it is exact.

    Raises:
        NotAnExpression: it cannot be evaluated.
    """
    if len(expression) > MOST_CHARS:
        raise NotAnExpression(f"it is over {MOST_CHARS} characters; work it out in parts")
    traps = [InvalidOperation, DivisionByZero, Overflow]
    limits = Context(prec=_DIGITS, Emax=_LARGEST_EXPONENT, Emin=-_LARGEST_EXPONENT, traps=traps)
    with localcontext(limits) as context:
        try:
            value = +_Parser(_tokenize(expression)).parse()
            exact = not context.flags[Inexact]
            return _format(value, exact=exact), exact
        except DivisionByZero:
            raise NotAnExpression("it divides by zero") from None
        except Overflow:
            raise NotAnExpression(f"the result is over 10^{_LARGEST_EXPONENT}") from None
        except InvalidOperation:
            raise NotAnExpression("it has no value, such as 0/0 or the root of a number below zero") from None


def _format(value: Decimal, *, exact: bool) -> str:
    if not exact:
        value = Context(prec=_SHOWN_DIGITS).plus(value)
    if not value:
        return "0"
    value = value.normalize()
    return f"{value:f}" if -_PLAIN_ZEROS < value.adjusted() <= _DIGITS else f"{value:e}"


def _tokenize(expression: str) -> list[str]:
    text, at, found = expression.translate(_SIGNS).rstrip(), 0, list[str]()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise NotAnExpression(
                "only numbers, + - * / // ^ mod % and ( ) are known, and "
                + ", ".join([*_FUNCTIONS, *_CONSTANTS])
            )
        found.append(token[1] or token[2] or token[3])
        at = token.end()
    return [*found, ""]


class _Parser:
    """A recursive-descent parser: sums of products of powers."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._levels = 0

    def parse(self) -> Decimal:
        found = self._parse_sum()
        if self._next:
            hint = "; % means percent, write 17 mod 5 for what is left over" if self._before == "%" else ""
            comma = "; write decimals with a point and thousands without a sign" if self._next == "," else ""
            raise NotAnExpression(f"{self._next!r} is not expected there{hint}{comma}")
        return found

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    @property
    def _before(self) -> str:
        return self._tokens[self._at - 1] if self._at else ""

    def _take(self, *wanted: str) -> str:
        """Consume and return the next token if it is one of these, else return an empty text."""
        token = self._next
        if not token or token.lower() not in wanted:
            return ""
        self._at += 1
        return token.lower()

    def _parse_sum(self) -> Decimal:
        value = self._parse_product()
        while sign := self._take("+", "-"):
            other = self._parse_product()
            value = value + other if sign == "+" else value - other
        return value

    def _parse_product(self) -> Decimal:
        value = self._parse_signed()
        while sign := self._take("*", "/", "//", "mod"):
            other = self._parse_signed()
            if sign == "*":
                value *= other
            elif sign == "/":
                value /= other
            else:
                # Division with remainder rounds down; Decimal rounds towards zero.
                remainder = value % other
                remainder += other if remainder and (remainder < 0) != (other < 0) else 0
                value = remainder if sign == "mod" else (value - remainder) / other
        return value

    def _parse_signed(self) -> Decimal:
        self._levels += 1
        if self._levels > _MOST_LEVELS:
            raise NotAnExpression("it nests too deeply; work it out in parts")
        sign = self._take("+", "-")
        value = self._parse_signed() if sign else self._parse_power()
        self._levels -= 1
        return -value if sign == "-" else value

    def _parse_power(self) -> Decimal:
        value = self._parse_atom()
        while self._take("%"):
            value /= 100
        return value ** self._parse_signed() if self._take("^", "**") else value

    def _parse_atom(self) -> Decimal:
        if self._take("("):
            value = self._parse_sum()
            self._expect_close()
            return value
        token = self._next
        self._at += bool(token)
        if token[:1].isdigit() or token[:1] == ".":
            return Decimal(token)
        name = token.lower()
        if name in _FUNCTIONS:
            return self._parse_call(name)
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        what = f"{token!r} is not expected there" if token else "it ends where a number is expected"
        raise NotAnExpression(f"{what}; known names are {', '.join([*_FUNCTIONS, *_CONSTANTS])}")

    def _parse_call(self, name: str) -> Decimal:
        least, most, function = _FUNCTIONS[name]
        if not self._take("("):
            raise NotAnExpression(f"{name} needs its numbers in parentheses")
        values = [self._parse_sum()]
        while self._take(","):
            values.append(self._parse_sum())
        self._expect_close()
        if not least <= len(values) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise NotAnExpression(f"{name} takes {count} of them, separated by commas")
        return function(*values)

    def _expect_close(self) -> None:
        if not self._take(")"):
            raise NotAnExpression("a ) is missing")

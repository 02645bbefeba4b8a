"""The tree of errors: codes are stable and unique, and its drawing has every class with its status."""

import re

import pytest

from app.core import errors
from app.core.errors import PrompterError, UpstreamError, UpstreamTimeout, all_errors

DRAWING = (errors.__doc__ or "").partition("\nA message")[0]


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in all_errors()]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z0-9_]+", code) for code in codes)


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_the_drawing_has_every_class(cls: type[PrompterError]) -> None:
    line = next((line for line in DRAWING.splitlines() if re.search(rf"\b{cls.__name__}\b", line)), None)
    assert line, f"{cls.__name__} is missing in the drawing of the tree"
    drawn = re.search(rf"\b{cls.__name__} \((\d+)\)", line)
    assert drawn is None or int(drawn[1]) == cls.status, line
    assert 400 <= cls.status <= 504
    if closes := re.search(r"closes (?:the socket )?with (\d+)", line):
        assert cls.close_code == int(closes[1]), line


def test_the_drawing_has_no_other_class() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+(?=[,\s(]|$)", re.sub(r"  [a-z].*", "", DRAWING.partition("\n\n")[2])))
    assert drawn - {"Origin", "Host"} == {cls.__name__ for cls in all_errors()}


def test_an_error_carries_its_message_and_its_hints() -> None:
    error = UpstreamTimeout("the upstream 'x' is slow", retry_after_s=5, param="model", upstream_status=408)
    assert (error.message, str(error)) == ("the upstream 'x' is slow",) * 2
    assert (error.retry_after_s, error.param, error.upstream_status) == (5, "model", 408)
    assert isinstance(error, UpstreamError)
    assert not error.fatal
    assert errors.Unauthorized("x").fatal
    assert (PrompterError().retry_after_s, PrompterError().param) == (None, None)

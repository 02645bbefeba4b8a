"""How a shop's values compare: telephone numbers in every spelling, emails and ids in any case."""

import pytest

from app.toolsets.loft.shop import is_same_email, is_same_id, is_same_phone, normalize_phone


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("+34 600 00 00 01", "+34600000001"),
        ("0034 600-000-001", "+34600000001"),
        (" 600.000.001 ", "600000001"),
        ("(600) 000 001", "600000001"),
        ("none", ""),
    ],
)
def test_a_number_in_its_plain_form(written: str, plain: str) -> None:
    assert normalize_phone(written) == plain


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+34600000001", "600 000 001", True),
        ("0034600000001", "+34 600000001", True),
        ("+34600000001", "+35600000001", False),
        ("600000001", "600000002", False),
        ("", "", False),
        ("600000001", "", False),
    ],
)
def test_two_spellings_of_a_number(one: str, other: str, same: bool) -> None:
    assert is_same_phone(one, other) is is_same_phone(other, one) is same


def test_case_and_spaces_do_not_count() -> None:
    assert is_same_email(" Ana@Example.com", "ana@example.COM ")
    assert not is_same_email("ana@example.com", "anna@example.com")
    assert is_same_id("ord001", "ORD001")
    assert not is_same_id("ORD001", "ORD010")

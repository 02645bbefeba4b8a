"""JSON read by spans says what a reader of the whole text says; what is none is refused, at any size."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.services.importing.json_spans import DamagedJson, Span, TooDeep, TooLarge, peek_root, read_root

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def walk(span: Span) -> Any:
    """The value of a span, container by container."""
    if span.kind == "{":
        return {name: walk(value) for name, value in span.members()}
    if span.kind == "[":
        return [walk(item) for item in span.items()]
    return span.load(1 << 20)


def replace_nul(value: Any) -> Any:
    """The value with names that a database stores: none takes the character NUL."""
    if isinstance(value, dict):
        return {name.replace("\0", "\ufffd"): replace_nul(inner) for name, inner in value.items()}
    return [replace_nul(inner) for inner in value] if isinstance(value, list) else value


@example({"\0": None, "a\0": [{"\0b": "\0"}]}, None, False)
@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_spans_say_what_json_says(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert walk(read_root(b"\xef\xbb\xbf  " + text + b"\n")) == replace_nul(value)


@given(VALUES, st.data())
def test_a_text_that_is_cut_off_is_damaged(value: Any, data: st.DataObject) -> None:
    text = json.dumps([value]).encode()
    with pytest.raises(DamagedJson):
        walk(read_root(text[: data.draw(st.integers(0, len(text) - 1))]))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b'{"a"',
        b'{"a":1,}',
        b"[1,]",
        b'["a" "b"]',
        b"{1:2}",
        b'"abc',
        b'"\\',
        b"[] []",
        b"}",
        b"?",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedJson):
        walk(read_root(text))


def test_depth_costs_nothing_until_a_value_is_loaded() -> None:
    span = read_root(b"[" * 50_000 + b"]" * 50_000)
    assert (span.kind, span.size_bytes) == ("[", 100_000)
    with pytest.raises(TooDeep):
        span.load(1 << 20)
    with pytest.raises(TooLarge):
        span.load(1000)


def test_long_texts_with_escapes_end_where_they_end() -> None:
    said = 'a\\"b\n' * 100_000
    text = json.dumps([said, {"b": said}, 7]).encode()
    assert walk(read_root(text)) == [said, {"b": said}, 7]


def test_an_object_with_very_many_members_is_not_indexed() -> None:
    span = read_root(json.dumps({str(n): n for n in range(3000)}).encode())
    assert sum(1 for _ in span.members()) == 3000
    with pytest.raises(TooLarge):
        span.index()


def test_the_kind_is_told_without_the_end() -> None:
    assert peek_root(b' \n {"a": ') == ("{", 3)
    assert peek_root(b"") == ("", 0)


def test_half_of_a_character_is_replaced_in_names_and_values() -> None:
    text = rb'{"a\ud83d": {"b\udc00": ["c\ud83d", "\ud83d\ude00"]}}'
    ((name, value),) = read_root(text).members()
    assert (name, value.load(1000)) == ("a\ufffd", {"b\ufffd": ["c\ufffd", "\U0001f600"]})

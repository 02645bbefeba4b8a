"""Upstream failures in our own words: never a key, never the prompt."""

import httpcore2
import pytest

from app.core.errors import (
    BaseUrlNotAllowed,
    ServerFull,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from app.providers.upstream.errors import (
    Redactor,
    Refusal,
    read_error_message,
    read_refused_field,
    upstream_errors,
)

KEY = "sk-abcdefghijklmnop"
PROMPT = "My grandmother's secret recipe needs three eggs, a cup of flour and a pinch of saffron."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"no such model","code":404}}', "no such model"),
        (b'{"error":"no such model"}', "no such model"),
        (b'{"object":"error","message":"no such model"}', "no such model"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"detail":[{"loc":["body"]}]}', ""),
        (b"plain words", "plain words"),
        (b"<html><body>502</body></html>", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b"[]", ""),
    ],
)
def test_the_message_is_found_in_every_shape(body: bytes, expected: str) -> None:
    assert read_error_message(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"param": "temperature"}}', "temperature"),
        (b'{"error": {"param": "messages[0].content"}}', "messages[0].content"),
        (b'{"error": {"param": "tell nobody about it"}}', None),
        (b'{"error": {"param": 3}}', None),
        (b'{"error": "temperature"}', None),
        (b'[{"error": {"param": "n"}}]', None),
        (b"temperature", None),
    ],
)
def test_the_refused_field_is_taken_only_where_it_is_a_name(body: bytes, expected: str | None) -> None:
    assert read_refused_field(body) == expected


def test_keys_are_struck_out() -> None:
    private = Redactor(KEY)
    said = private.redact(f"bad key {KEY}, Bearer abcdef123456, and sk-proj-****wxyz too")
    assert said == "bad key [key], [key], and [key] too"
    assert KEY not in repr(private)


@pytest.mark.parametrize("key", ["ollama", "lm-studio", "none", "test", "not-needed", "EMPTY", "key", "a1"])
@pytest.mark.parametrize(
    "words",
    [
        "model 'llama3.2' not found, try pulling it with ollama pull llama3.2 first",
        "the latest build of lm-studio is not-needed; none of the keys is EMPTY",
        "an API key required by this test is missing: Bearer authentication failed",
        "bad API key: authentication failed; hf-hub-models is not there",
        "no field a1, and the token limit is 4096 tokens",
    ],
)
def test_a_key_that_is_a_word_changes_no_message(key: str, words: str) -> None:
    """Local servers want any key, so people write one that is a word."""
    assert Redactor(key).redact(words) == words


@pytest.mark.parametrize(
    ("key", "words", "told"),
    [
        ("abc123", "bad API key: abc123", "bad API key: [key]"),
        ("abc123", "Incorrect API key provided: 'abc123'.", "Incorrect API key provided: '[key]'."),
        ("abc123", "Authorization: Bearer abc123 refused", "Authorization: Bearer [key] refused"),
        ("abc123", "see abc123 and xabc123", "see abc123 and xabc123"),
        ("s3cret-pass", "user s3cret-pass unknown", "user [key] unknown"),
        ("s3cret-pass", "user s3cret-passage unknown", "user s3cret-passage unknown"),
        ("correcthorsebatterystaple", "no correcthorsebatterystaple!", "no [key]!"),
        (KEY, f"/v1?key={KEY}&x=1", "/v1?key=[key]&x=1"),
        ("", "key-1a2b3c4d5e and sk-learn-based", "[key] and sk-learn-based"),
        ("trustnoone", "Incorrect API key provided: trustnoone.", "Incorrect API key provided: [key]."),
        ("open-sesame", "Bearer open-sesame is none", "Bearer [key] is none"),
        ("open-sesame", "say open-sesame", "say open-sesame"),
        ("", "Incorrect API key provided: sk-abcdefghijkl.", "Incorrect API key provided: [key]."),
        ("sk-abcdefghijkl", "bad token: 'sk-abcdefghijkl'", "bad token: '[key]'"),
    ],
)
def test_a_key_is_struck_out_where_a_key_can_stand(key: str, words: str, told: str) -> None:
    assert Redactor(key).redact(words) == told


@pytest.mark.parametrize(
    ("text", "words"),
    [("test", "the latest model is not loaded"), ("hola", "holam is no model"), ("load", "not loaded")],
)
def test_a_short_prompt_is_not_seen_inside_other_words(text: str, words: str) -> None:
    assert Redactor(KEY, [text]).redact(words) == words


@pytest.mark.parametrize(
    "words",
    [
        f"cannot process: {PROMPT}",
        "blocked near 'secret recipe needs three eggs, a cup of' by policy",
        "blocked near 'secret  recipe needs\nthree eggs, a cup of' by policy",
    ],
)
def test_words_that_quote_the_prompt_are_withheld(words: str) -> None:
    assert "recipe" not in Redactor(KEY, [PROMPT]).redact(words)


def test_a_short_prompt_is_not_quoted_either() -> None:
    assert "hola" not in Redactor(KEY, ["hola"]).redact("content 'hola' was refused")


def test_other_words_are_kept_short_and_on_one_line() -> None:
    assert Redactor(KEY, [PROMPT]).redact("model\n not\x00 loaded") == "model not loaded"
    assert len(Redactor(KEY, [PROMPT]).redact("x" * 10_000)) == 300


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_without_the_upstreams_words(status: int) -> None:
    error = Refusal(status, "Incorrect API key provided: sk-ab****mnop").to_error("host")
    assert isinstance(error, UpstreamUnauthorized)
    assert "sk-ab" not in error.message
    assert f"status {status}" in error.message


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpcore2.ReadTimeout(), UpstreamTimeout),
        (httpcore2.ConnectTimeout(), UpstreamTimeout),
        (TimeoutError(), UpstreamTimeout),
        (httpcore2.ConnectError(), UpstreamError),
        (httpcore2.RemoteProtocolError(), UpstreamError),
        (ConnectionResetError(), UpstreamError),
        (BaseUrlNotAllowed("as it was"), BaseUrlNotAllowed),
    ],
)
def test_each_failure_has_its_class(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, upstream_errors("host"):
        raise raised
    assert type(caught.value) is expected


def test_no_connection_left_is_no_fault_of_the_upstream() -> None:
    with pytest.raises(ServerFull) as caught, upstream_errors("host"):
        raise httpcore2.PoolTimeout
    assert caught.value.retry_after_s

"""Keys of requests: the same request has the same hashes, and the hashes tell nothing."""

import hashlib

import pytest

from app.core.errors import BadRequest
from app.core.idempotency import MAX_KEY_CHARS, bind_key, make_request_key

BODY = b'{"api_key": "sk-of-a-person", "model": "tiny"}'


def test_spaces_and_the_order_of_fields_make_no_other_request() -> None:
    made = make_request_key("one", "POST", "/api/connections", BODY)
    same = make_request_key("one", "POST", "/api/connections", b'{"model":"tiny","api_key":"sk-of-a-person"}')
    assert made == same
    for other in (
        make_request_key("one", "POST", "/api/connections", BODY.replace(b"tiny", b"large")),
        make_request_key("one", "PUT", "/api/connections", BODY),
        make_request_key("one", "POST", "/api/messages", BODY),
    ):
        assert other.key_hash == made.key_hash
        assert other.request_hash != made.request_hash


def test_a_stored_hash_cannot_be_compared_with_a_guessed_body() -> None:
    """Bodies hold API keys; without the client's own key, which is stored nowhere, no guess can be checked."""
    made = make_request_key("one", "POST", "/p", BODY)
    other = make_request_key("another", "POST", "/p", BODY)
    assert made.request_hash != other.request_hash
    written = b'{"api_key":"sk-of-a-person","model":"tiny"}'
    assert made.request_hash != hashlib.sha256(b"POST /p\n" + written).hexdigest()


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[" * 300 + b"]" * 300, b"[" * 2000, b'"\\ud800"'])
def test_every_body_has_a_hash(body: bytes) -> None:
    made = make_request_key("one", "POST", "/p", body)
    assert made == make_request_key("one", "POST", "/p", body)
    assert made != make_request_key("one", "POST", "/p", body + b"x")


@pytest.mark.parametrize("key", ["", " ", "k" * (MAX_KEY_CHARS + 1), "\u00e4", "a\x00"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(BadRequest, match="Idempotency-Key"):
        make_request_key(key, "POST", "/p", b"")


def test_with_another_credential_it_is_another_key() -> None:
    made = make_request_key("one", "POST", "/p", b"")
    assert bind_key(made, "a") == bind_key(made, "a") != bind_key(made, "b")

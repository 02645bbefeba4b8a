"""Access tokens: what is signed is read, and nothing else is."""

import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from app.core.errors import CannotStart
from app.services.accounts import api_keys
from app.services.accounts.tokens import (
    MAX_LENGTH,
    AccessTokens,
    generate_refresh_token,
    load_signing_key,
)
from app.storage.data_folder import KEY_FILE
from app.utils.ids import new_id

KEY = b"a key that is long enough for HS256, by far"
USER, SESSION = new_id(), new_id()


def now() -> datetime:
    """Not when the file was read: tests may come much later."""
    return datetime.now(UTC)


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(KEY, minutes=15)


def test_what_is_signed_is_read(tokens: AccessTokens) -> None:
    began = now()
    token, signed = tokens.sign(USER, SESSION, 3, began)
    assert tokens.read(token) == signed
    assert (signed.user_id, signed.session_id, signed.epoch) == (USER, SESSION, 3)
    assert timedelta(minutes=14, seconds=59) <= signed.expires_at - began <= timedelta(minutes=15)
    assert tokens.sign(USER, SESSION, 3, now())[0] != token, "each has a jti of its own"


def test_it_ends(tokens: AccessTokens) -> None:
    token, _ = tokens.sign(USER, SESSION, 0, now() - timedelta(minutes=15, seconds=1))
    assert tokens.read(token) is None


def claims(**changed: Any) -> dict[str, Any]:
    issued = int(now().timestamp())
    plain = {
        "sub": str(USER),
        "sid": str(SESSION),
        "jti": "j1",
        "iat": issued,
        "exp": issued + 60,
        "epoch": 0,
        "type": "access",
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


def test_the_plain_claims_are_good(tokens: AccessTokens) -> None:
    """So that what follows fails for its own reason."""
    assert tokens.read(jwt.encode(claims(), KEY, "HS256")) is not None


@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in claims()),
        {"exp": 1_700_000_000},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"type": "refresh"},
        {"type": ["access"]},
        {"sub": ""},
        {"sub": "ada"},
        {"epoch": "0"},
        {"epoch": True},
        {"epoch": 1.0},
        {"sid": 7},
        {"aud": "another service"},
        {"exp": 1e400},
        {"exp": "tomorrow"},
    ],
    ids=str,
)
def test_other_claims_are_refused(tokens: AccessTokens, changed: dict[str, Any]) -> None:
    assert tokens.read(jwt.encode(claims(**changed), KEY, "HS256")) is None


def unsigned(header: dict[str, Any], body: dict[str, Any], signature: str = "") -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, body)
    )
    return ".".join([*parts, signature])


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256"])
def test_an_unsigned_token_is_refused(tokens: AccessTokens, name: str) -> None:
    assert tokens.read(unsigned({"alg": name, "typ": "JWT"}, claims())) is None


@pytest.mark.parametrize("name", ["HS384", "HS512"])
def test_another_algorithm_is_refused(tokens: AccessTokens, name: str) -> None:
    long_key = KEY * 3
    assert AccessTokens(long_key, 15).read(jwt.encode(claims(), long_key, "HS256")) is not None
    assert AccessTokens(long_key, 15).read(jwt.encode(claims(), long_key, name)) is None


def test_a_key_of_the_sender_is_not_used(tokens: AccessTokens) -> None:
    own = b"the sender's own key, long enough for HS256"
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(own).decode()}
    token = jwt.encode(
        claims(), own, "HS256", headers={"jwk": jwk, "kid": "../../dev/null", "jku": "http://x"}
    )
    assert tokens.read(token) is None


def test_a_changed_token_is_refused(tokens: AccessTokens) -> None:
    """Any one character: of the header, the claims or the signature."""
    token, _ = tokens.sign(USER, SESSION, 0, now())
    for at, character in enumerate(token):
        # The last character of a part may hold bits that no byte uses; those change nothing.
        changed = token[:at] + ("A" if character != "A" else "B") + token[at + 1 :]
        if (found := tokens.read(changed)) is not None:
            assert at == len(token) - 1
            assert found == tokens.read(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\ud800",
        "x" * (MAX_LENGTH + 1),
        generate_refresh_token(),
        api_keys.generate_key().secret,
    ],
    ids=lambda token: ascii(token)[:20],
)
def test_what_is_no_token_is_refused(tokens: AccessTokens, token: str) -> None:
    assert tokens.read(token) is None


def test_a_token_of_another_server_is_refused(tokens: AccessTokens) -> None:
    other = AccessTokens(b"another key that is long enough for HS256", 15)
    assert tokens.read(other.sign(USER, SESSION, 0, now())[0]) is None


def test_keys_hold_256_bits_and_are_found_by_their_beginning() -> None:
    made = [api_keys.generate_key() for _ in range(100)]
    assert len({key.secret for key in made}) == 100
    for key in made:
        assert api_keys.looks_like_key(key.secret)
        assert len(base64.urlsafe_b64decode(key.secret.removeprefix("pk_") + "=")) == 32
        assert key.prefix == api_keys.cut_prefix(key.secret)
        assert api_keys.hashes_match(key.hash, api_keys.hash_secret(key.secret))
        assert not api_keys.hashes_match(key.hash, api_keys.hash_secret(key.secret[:-1]))
        assert key.secret not in repr(key)


@pytest.mark.parametrize(
    "text", ["", "pk_", "pk_" + "a" * 42, "pk_" + "a" * 44, "pk_" + "é" * 43, "sk_" + "a" * 43]
)
def test_what_is_no_key_is_not_looked_up(text: str) -> None:
    assert not api_keys.looks_like_key(text)
    assert not api_keys.looks_like_key(api_keys.generate_key().secret + "\n")


# -- the key that signs

NONE = SecretStr("")


def test_a_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "not yet there"
    key = load_signing_key(NONE, folder)
    assert len(key) >= 32
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert load_signing_key(NONE, folder) == key
    assert [path.name for path in folder.iterdir()] == [KEY_FILE], "no draft is left"


def test_servers_that_start_at_once_agree(tmp_path: Path) -> None:
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as threads:
            keys = list(threads.map(lambda _, folder=folder: load_signing_key(NONE, folder), range(8)))
        assert len(set(keys)) == 1


def test_a_key_of_the_settings_comes_first(tmp_path: Path) -> None:
    assert load_signing_key(SecretStr("k" * 32), tmp_path) == b"k" * 32
    assert not list(tmp_path.iterdir())


def test_a_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="has 31 bytes; expected at least 32") as refused:
        load_signing_key(SecretStr("k" * 31), tmp_path)
    assert "kkk" not in str(refused.value)
    (tmp_path / KEY_FILE).touch(0o600)
    with pytest.raises(CannotStart, match="has 0 bytes"):
        load_signing_key(NONE, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="not beside this checkout: only POSIX has these modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_signing_key(NONE, tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(CannotStart, match="remove it"):
        load_signing_key(NONE, tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="data_dir"):
        load_signing_key(NONE, tmp_path / "file")

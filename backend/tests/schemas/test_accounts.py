"""Messages of accounts: what a body may hold, and that no secret is in a repr."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.core.security import SCOPES
from app.schemas.accounts import KeyIn, LogInIn, NewKeyOut, RefreshIn

SECRET = "the purple submarine"


def test_secrets_are_in_no_repr() -> None:
    assert SECRET not in repr(LogInIn(name="ada", password=SECRET))
    assert SECRET not in repr(RefreshIn(refresh_token=SECRET))
    key = {"id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b", "name": "x", "prefix": "pk_x", "scopes": ["stt"]}
    times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": None, "last_used_at": None}
    assert SECRET not in repr(NewKeyOut.model_validate({**key, **times, "key": SECRET}))


def test_a_key_may_have_every_scope() -> None:
    key = KeyIn.model_validate({"name": "x", "scopes": sorted(SCOPES)})
    assert set(key.scopes) == set(SCOPES)
    assert key.expires_days is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["stt"]},
        {"name": "x" * 101, "scopes": ["stt"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": ["stt"] * 11},
        {"name": "x", "scopes": ["stt"], "expires_days": 0},
        {"name": "x", "scopes": ["stt"], "expires_days": 3651},
        {"name": "x", "scopes": ["stt"], "expires_days": "7"},
    ],
)
def test_a_key_that_cannot_be(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KeyIn.model_validate(body)


def test_a_log_in_is_without_a_cookie_unless_asked() -> None:
    assert not LogInIn(name="ada", password="x").cookie  # of a test
    assert RefreshIn().refresh_token is None
    for too_long in ({"name": "x" * 201, "password": "x"}, {"name": "x", "password": "x" * 4097}):
        with pytest.raises(ValidationError):
            LogInIn.model_validate(too_long)

"""Client secrets: what they say, how long, and that nothing else passes for one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from app.core.errors import BadRequest, Unauthorized
from app.core.security import LOCAL_CALLER, LOCAL_USER_ID, Caller
from app.services.accounts.client_secrets import ClientSecrets, looks_like_client_secret
from app.services.accounts.tokens import AccessTokens
from app.utils.ids import new_id

KEY = b"k" * 32
SECRETS = ClientSecrets(KEY)
CREDENTIAL = new_id()
ANA = Caller(
    user_id=LOCAL_USER_ID,
    name="ana",
    role="admin",
    via="session",
    credential_id=CREDENTIAL,
    expires_at=datetime.now(UTC) + timedelta(minutes=1),
)


def test_a_secret_says_whose_it_is_and_which_session_it_opens() -> None:
    session = {"type": "transcription"}
    made = SECRETS.make(ANA, session, 600)
    assert looks_like_client_secret(made.value)
    assert 598 <= made.expires_at - datetime.now(UTC).timestamp() <= 600
    read = ClientSecrets(KEY).read(made.value)
    assert (read.session, read.expires_at) == (session, made.expires_at)
    assert (read.caller.user_id, read.caller.via, read.caller.credential_id) == (
        LOCAL_USER_ID,
        "session",
        CREDENTIAL,
    )
    assert read.caller.expires_at is None, "a session goes on after the access token that made the secret"
    assert read.caller.scopes == {"stt"}
    assert SECRETS.read(SECRETS.make(LOCAL_CALLER, {}, 10).value).caller.credential_id is None


def claims(**changed: object) -> dict[str, object]:
    now = int(datetime.now(UTC).timestamp())
    return {
        "sub": str(LOCAL_USER_ID),
        "via": "key",
        "cid": None,
        "exp": now + 60,
        "type": "realtime",
        **changed,
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ek_",
        "ek_é",
        "ek_" + "x" * 5000,
        SECRETS.make(ANA, {}, 60).value.removeprefix("ek_"),
        "ek_" + jwt.encode(claims(exp=1), KEY, "HS256"),
        "ek_" + jwt.encode(claims(type="access"), KEY, "HS256"),
        "ek_" + jwt.encode(claims(sub="nobody"), KEY, "HS256"),
        "ek_" + jwt.encode(claims(), b"o" * 32, "HS256"),
        "ek_" + jwt.encode(claims(), "", "none"),
        "ek_" + AccessTokens(KEY, 15).sign(LOCAL_USER_ID, UUID(int=7), 0, datetime.now(UTC))[0],
    ],
)
def test_nothing_else_passes_for_a_secret(value: str) -> None:
    with pytest.raises(Unauthorized):
        SECRETS.read(value)


def test_a_secret_is_no_access_token() -> None:
    value = SECRETS.make(ANA, {}, 60).value
    tokens = AccessTokens(KEY, 15)
    assert tokens.read(value) is None
    assert tokens.read(value.removeprefix("ek_")) is None


def test_a_session_that_does_not_fit_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"session\.update"):
        SECRETS.make(ANA, {"keywords": ["x" * 100] * 40}, 60)

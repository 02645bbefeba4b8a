"""API keys on both databases: their form, their scopes, and who may see and revoke them."""

from datetime import timedelta

import pytest

from app.core.errors import Forbidden, NotFound, Unauthorized
from app.services.accounts.api_keys import (
    cut_prefix,
    generate_key,
    hash_secret,
    hashes_match,
    limit_scopes,
    looks_like_key,
)
from tests.support.accounts import AccountProcess


async def test_a_key_lives_and_ends_in_every_process(one: AccountProcess, other: AccountProcess) -> None:
    ada = await one.authenticator.authenticate((await one.open()).access_token)
    key, secret = await one.keys.create(ada, "mine", ["stt", "metrics"], None)
    found = await other.authenticator.authenticate(secret)
    assert (found.via, sorted(found.scopes), found.credential_id) == ("key", ["metrics", "stt"], key.id)
    assert [kept.id for kept in await other.keys.list_keys(ada)] == [key.id]
    await other.keys.revoke(ada, key.id)
    with pytest.raises(Unauthorized):
        await one.authenticator.authenticate(secret)
    with pytest.raises(Unauthorized):
        await one.authenticator.reauthenticate(found)


async def test_keys_of_others_are_not_there(one: AccountProcess) -> None:
    ada, bob = [
        await one.authenticator.authenticate((await one.open(name)).access_token) for name in ("ada", "bob")
    ]
    key, secret = await one.keys.create(ada, "mine", ["llm"], None)
    with pytest.raises(NotFound):
        await one.keys.revoke(bob, key.id)
    assert await one.keys.list_keys(bob) == []
    assert (await one.authenticator.authenticate(secret)).name == "ada"


def test_a_key_has_one_form() -> None:
    new = generate_key()
    assert looks_like_key(new.secret)
    assert new.secret.startswith(new.prefix)
    assert (len(new.prefix), len(new.secret)) == (11, 46)
    assert new.hash == hash_secret(new.secret) != hash_secret(generate_key().secret)
    assert new.secret not in repr(new)
    for other in (new.secret[:-1], f"{new.secret}x", f"sk{new.secret[2:]}", "", f"{new.secret[:-1]}ñ"):
        assert not looks_like_key(other)
    assert cut_prefix(new.secret) == new.prefix


def test_hashes_are_compared_whole() -> None:
    assert hashes_match(hash_secret("x"), hash_secret("x"))
    assert not hashes_match(hash_secret("x"), hash_secret("y"))
    assert not hashes_match(hash_secret("x"), hash_secret("x")[:-1])


def test_scopes_are_those_that_the_role_allows() -> None:
    assert limit_scopes(["llm", "metrics", "unknown"], "admin") == {"llm", "metrics"}
    assert limit_scopes(["llm", "metrics"], "user") == {"llm"}


async def test_a_key_with_a_scope_that_its_owner_lacks_is_refused(one: AccountProcess) -> None:
    bob = await one.authenticator.authenticate((await one.open("bob")).access_token)
    with pytest.raises(Forbidden, match="the scope 'metrics'"):
        await one.keys.create(bob, "mine", ["llm", "metrics"], None)
    key, _ = await one.keys.create(bob, "mine", ["llm"], timedelta(days=1))
    assert key.expires_at is not None
    assert key.expires_at - key.created_at == timedelta(days=1)

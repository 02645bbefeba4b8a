"""Passwords and names: what is accepted, what is refused, and what it costs."""

import threading

import anyio
import pytest

from app.core.errors import BadRequest, TooManyAttempts
from app.services.accounts import passwords as module
from app.services.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords, make_name_key, normalize_name

GOOD = "correct horse battery staple"


@pytest.fixture
def cheap() -> Passwords:
    return Passwords(memory_kib=64, passes=1, lanes=1)


async def test_a_password_is_known_again_and_no_other_is(cheap: Passwords) -> None:
    stored = await cheap.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await cheap.check(GOOD, stored) == (True, None)
    for wrong in (GOOD.upper(), GOOD + " ", GOOD[:-1], "", "x" * 5000, GOOD + "\x00"):
        assert await cheap.check(wrong, stored) == (False, None)
    assert await cheap.hash(GOOD) != stored, "each has a salt of its own"


@pytest.mark.parametrize("stored", [None, "", "rubbish", "$argon2id$rubbish", "$2b$12$" + "a" * 53, "plain"])
async def test_without_a_hash_there_is_no_password(cheap: Passwords, stored: str | None) -> None:
    for password in (GOOD, "", "plain", stored or "x"):
        assert await cheap.check(password, stored) == (False, None)


async def test_a_hash_of_other_parameters_is_made_anew(cheap: Passwords) -> None:
    stored = await cheap.hash(GOOD)
    dearer = Passwords(memory_kib=128, passes=1, lanes=1)
    right, rehashed = await dearer.check(GOOD, stored)
    assert right
    assert rehashed is not None
    assert await dearer.check(GOOD, rehashed) == (True, None)
    assert await dearer.check("wrong password", stored) == (False, None)


async def test_accents_are_the_same_however_a_keyboard_makes_them(cheap: Passwords) -> None:
    stored = await cheap.hash("contraseña segura")
    assert await cheap.check("contrasen\u0303a segura", stored) == (True, None)
    assert (await cheap.check("\ud800\udfff" * 8, stored))[0] is False


@pytest.mark.parametrize("password", ["", "x" * (MIN_LENGTH - 1), "x" * (MAX_LENGTH + 1)])
async def test_a_new_password_is_neither_short_nor_endless(cheap: Passwords, password: str) -> None:
    with pytest.raises(BadRequest, match="10 to 1024 characters"):
        await cheap.hash(password)


async def test_few_are_computed_at_once_and_the_loop_goes_on(
    cheap: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 64 MiB: two at a time, so many in line, and one more is sent away."""
    inside, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    def slow(_password: bytes, _stored: str) -> tuple[bool, str | None]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        gate.wait(20)
        with lock:
            inside -= 1
        return True, None

    monkeypatch.setattr(cheap._hash, "verify_and_update", slow)
    refusals = 0

    async def log_in() -> None:
        nonlocal refusals
        try:
            await cheap.check(GOOD, "x")
        except TooManyAttempts:
            refusals += 1

    async with anyio.create_task_group() as group:
        for _ in range(module.MAX_WAITING + 5):
            group.start_soon(log_in)
        with anyio.fail_after(30):
            while refusals < 5 or inside < module.CONCURRENT_HASHES:  # noqa: ASYNC110  # threads have no event of the loop
                await anyio.sleep(0.005)
        gate.set()
    assert (refusals, most) == (5, module.CONCURRENT_HASHES)
    gate.set()
    assert await cheap.check(GOOD, "x") == (True, None), "places are given back"


@pytest.mark.parametrize(
    "name", ["a", "Ada", "ada.lovelace", "ada@example.org", "ñandú", "李", "a" * 64, "7up"]
)
def test_names(name: str) -> None:
    assert normalize_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "-a", "_a", ".", "a\n", "a\x00", "a" * 65, "a/b", "<b>", "\u202eada", "\ud800", "'; --"],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(BadRequest):
        normalize_name(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ADA"),
        ("straße", "STRASSE"),
        ("ñandú", "N\u0303ANDU\u0301"),
        ("Ａda", "ada"),
        ("ﬁn", "FIN"),
    ],
)
def test_names_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert make_name_key(one) == make_name_key(other)

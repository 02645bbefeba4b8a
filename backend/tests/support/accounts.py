"""Accounts in tests: people made beside a running server, and the services of one server process."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import httpx2
from sqlalchemy import select, update

from app.core.config import AccountSettings, Settings
from app.core.security import Caller, Role, Scope
from app.services.accounts.administration import UserAdministration
from app.services.accounts.api_keys import ApiKeyManager
from app.services.accounts.identity import Authenticator
from app.services.accounts.logins import Logins, LoginTokens
from app.services.accounts.passwords import Passwords
from app.services.accounts.tokens import AccessTokens
from app.storage.data_folder import KEY_FILE
from app.storage.database import Database
from app.storage.tables import ApiKeyRow, ThrottleRow
from app.storage.users import RefreshTokens
from app.utils.ids import new_id

T = TypeVar("T")
PASSWORD = "correct horse battery staple"
ACCOUNTS = {"mode": "accounts"}


@dataclass(frozen=True)
class Person:
    id: UUID
    name: str
    role: Role


def make_cheap_passwords() -> Passwords:
    """Fast hashes, as of older parameters: a log-in accepts them and stores stronger ones."""
    return Passwords(memory_kib=64, passes=1, lanes=1)


def make_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Team:
    """The people of one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.tokens = AccessTokens((settings.data_dir / KEY_FILE).read_bytes(), 15)

    def do(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Use the database in a loop of its own, as another process does."""

        async def done() -> T:
            database = Database(self._settings)
            try:
                return await work(database)
            finally:
                await database.aclose()

        with ThreadPoolExecutor(1) as threads:
            return threads.submit(lambda: asyncio.run(done())).result(30)

    def administer(self, work: Callable[[UserAdministration], Awaitable[T]]) -> T:
        return self.do(lambda database: work(UserAdministration(database, make_cheap_passwords())))

    def add(self, name: str, role: Role = "user") -> Person:
        user = self.administer(lambda accounts: accounts.add(name, PASSWORD, role))
        return Person(user.id, name, role)

    def session(self, person: Person, ago: timedelta = timedelta(0)) -> tuple[str, UUID]:
        """An access token as a log-in issues it, and the id of the log-in, which began `ago`."""
        now, family = datetime.now(UTC) - ago, new_id()

        async def add(database: Database) -> None:
            async with database.write() as session:
                await RefreshTokens(session).add(
                    user_id=person.id,
                    family=family,
                    token_hash=family.hex,
                    expires_at=now + timedelta(days=30),
                    now=now,
                )

        self.do(add)
        return self.tokens.sign(person.id, family, 0, now)[0], family

    def token(self, person: Person) -> str:
        return self.session(person)[0]

    def end_session(self, family: UUID) -> None:
        async def end(database: Database) -> None:
            async with database.write() as session:
                await RefreshTokens(session).revoke_family(family, datetime.now(UTC))

        self.do(end)

    def key(self, person: Person, *scopes: Scope, expired: bool = False) -> tuple[str, UUID]:
        """An API key, and its id."""
        caller = Caller(user_id=person.id, name=person.name, role=person.role, via="session")

        async def make(database: Database) -> tuple[str, UUID]:
            made, secret = await ApiKeyManager(database).create(
                caller, "of a test", scopes, timedelta(days=1)
            )
            if expired:
                async with database.write() as session:
                    over = datetime.now(UTC) - timedelta(seconds=1)
                    await session.execute(
                        update(ApiKeyRow).where(ApiKeyRow.id == made.id).values(expires_at=over)
                    )
            return secret, made.id

        return self.do(make)

    def revoke_key(self, person: Person, key_id: UUID) -> None:
        caller = Caller(user_id=person.id, name=person.name, role=person.role, via="session")
        self.do(lambda database: ApiKeyManager(database).revoke(caller, key_id))

    def disable(self, person: Person) -> None:
        self.administer(lambda accounts: accounts.disable(person.name))


def log_in(http: httpx2.Client, name: str, password: str = PASSWORD, **more: object) -> httpx2.Response:
    return http.post("/api/auth/login", json={"name": name, "password": password, **more})


KEY = b"a key that is long enough for HS256, by far"


class AccountProcess:
    """The account services of one server process; several share a database."""

    def __init__(self, database: Database, now_s: float = 1000.0, **settings: int) -> None:
        self.now_s = now_s
        self.database = database
        tokens = AccessTokens(KEY, 15)
        ours = AccountSettings(mode="accounts", **settings)
        self.logins = Logins(ours, database, make_cheap_passwords(), tokens, lambda: self.now_s)
        self.authenticator = Authenticator(database, tokens)
        self.keys = ApiKeyManager(database)
        self.administration = UserAdministration(database, make_cheap_passwords())

    async def pass_time(self, seconds: float) -> None:
        """Let the attempts age, in memory and where all servers of a database count them."""
        self.now_s += seconds
        async with self.database.write() as session:
            for row in await session.scalars(select(ThrottleRow)):
                row.paid_by -= timedelta(seconds=seconds)

    async def open(self, name: str = "ada") -> LoginTokens:
        return await self.logins.begin(name, PASSWORD, "192.0.2.7")

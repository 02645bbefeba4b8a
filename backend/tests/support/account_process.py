"""The accounts of one server process, for tests of several processes with one database."""

from app.core.config import AccountSettings
from app.services.accounts.administration import UserAdministration
from app.services.accounts.api_keys import ApiKeyManager
from app.services.accounts.identity import Authenticator
from app.services.accounts.logins import Logins, LoginTokens
from app.services.accounts.tokens import AccessTokens
from app.storage.database import Database
from tests.support.accounts import PASSWORD, cheap_passwords

KEY = b"a key that is long enough for HS256, by far"


class AccountProcess:
    """What one server process has of its own, beside the database that all share."""

    def __init__(self, database: Database, now_s: float = 1000.0, **settings: int) -> None:
        self.now_s = now_s
        self.database = database
        tokens = AccessTokens(KEY, 15)
        ours = AccountSettings(mode="accounts", **settings)
        self.logins = Logins(ours, database, cheap_passwords(), tokens, lambda: self.now_s)
        self.authenticator = Authenticator(database, tokens)
        self.keys = ApiKeyManager(database)
        self.administration = UserAdministration(database, cheap_passwords())

    async def open(self, name: str = "ada") -> LoginTokens:
        return await self.logins.begin(name, PASSWORD, "192.0.2.7")

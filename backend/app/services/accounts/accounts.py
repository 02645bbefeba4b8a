"""The accounts of one application: made from its settings, and all that its doors ask of them."""

from typing import Literal

from app.core.config import Settings
from app.core.errors import NotFound
from app.core.security import LOCAL_CALLER, Caller
from app.services.accounts.api_keys import ApiKeyManager
from app.services.accounts.identity import Authenticator, LiveAuth
from app.services.accounts.logins import Logins
from app.services.accounts.passwords import Passwords
from app.services.accounts.tokens import AccessTokens, load_signing_key
from app.storage.database import Database


class Accounts:
    """Who may use this server. In mode `none` that is one user, and nobody is asked."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.mode: Literal["none", "accounts"] = settings.accounts.mode
        self._settings = settings
        self._database = database
        self._log_ins: Logins | None = None
        self._identity: Authenticator | None = None
        self._keys = ApiKeyManager(database)

    def start(self) -> None:
        """Read the key that signs tokens, or make it; before the first request.

        Raises:
            CannotStart: there is no key to be had.
        """
        if self.mode == "none":
            return
        ours = self._settings.accounts
        key = load_signing_key(ours.jwt_secret_key, self._settings.data_dir)
        tokens = AccessTokens(key, ours.access_minutes)
        self._identity = Authenticator(self._database, tokens)
        self._log_ins = Logins(ours, self._database, Passwords(), tokens)

    async def caller(self, token: str) -> Caller:
        """Who sends this token or key.

        Raises:
            Unauthorized
        """
        if self.mode == "none":
            return LOCAL_CALLER
        return await self._known.of(token)

    def standing(self, caller: Caller) -> LiveAuth:
        """The caller of a socket, who may lose the right to it while it is open."""
        return LiveAuth(caller, self._identity)

    @property
    def log_ins(self) -> Logins:
        """
        Raises:
            NotFound: this server has no accounts.
        """
        if self.mode == "none":
            raise NotFound(_NO_ACCOUNTS)
        assert self._log_ins is not None, "the accounts have not been started"
        return self._log_ins

    @property
    def keys(self) -> ApiKeyManager:
        """
        Raises:
            NotFound: this server has no accounts.
        """
        if self.mode == "none":
            raise NotFound(_NO_ACCOUNTS)
        return self._keys

    @property
    def _known(self) -> Authenticator:
        assert self._identity is not None, "the accounts have not been started"
        return self._identity


_NO_ACCOUNTS = "this server has no accounts; PROMPTER_ACCOUNTS__MODE=accounts gives it some"

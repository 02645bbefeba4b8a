"""The accounts of one server: the entry point for the API to log-ins, tokens and API keys."""

import secrets
from typing import Literal
from uuid import UUID

from app.core.config import Settings
from app.core.errors import NotFound, Unauthorized
from app.core.security import LOCAL_CALLER, LOCAL_USER_ID, Caller
from app.services.accounts.api_keys import ApiKeyManager
from app.services.accounts.client_secrets import ClientSecrets
from app.services.accounts.identity import Authenticator, LiveAuth
from app.services.accounts.logins import Logins
from app.services.accounts.passwords import Passwords, make_name_key
from app.services.accounts.tokens import MIN_KEY_BYTES, AccessTokens, load_signing_key
from app.storage.database import Database
from app.storage.users import Users


class Accounts:
    """Authenticates the callers of one server. In mode `none` everybody is the one local user."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.mode: Literal["none", "accounts"] = settings.accounts.mode
        self._settings = settings
        self._database = database
        self._logins: Logins | None = None
        self._authenticator: Authenticator | None = None
        self._keys = ApiKeyManager(database)
        self.client_secrets = ClientSecrets(secrets.token_bytes(MIN_KEY_BYTES))
        """Of the Realtime socket. Without accounts they are valid until the server ends."""

    def start(self) -> None:
        """Load the key that signs tokens, or create it. Call it before the first request.

        Raises:
            CannotStart: the key cannot be read or written, or is too short.
        """
        if self.mode == "none":
            return
        options = self._settings.accounts
        key = load_signing_key(options.jwt_secret_key, self._settings.data_dir)
        tokens = AccessTokens(key, options.access_minutes)
        self.client_secrets = ClientSecrets(key)
        self._authenticator = Authenticator(self._database, tokens)
        self._logins = Logins(options, self._database, Passwords(), tokens)

    async def authenticate(self, token: str) -> Caller:
        """Find the caller with this access token or API key.

        Raises:
            Unauthorized: the token or key is not valid.
        """
        if self.mode == "none":
            return LOCAL_CALLER
        assert self._authenticator is not None, "the accounts have not been started"
        return await self._authenticator.authenticate(token)

    async def authenticate_secret(self, secret: str) -> Caller:
        """Find the maker of this client secret, whose log-in or key must still be valid.

        Raises:
            Unauthorized: the secret is not valid, or not any more.
        """
        caller = self.client_secrets.read(secret).caller
        if self.mode == "none":
            return LOCAL_CALLER
        assert self._authenticator is not None, "the accounts have not been started"
        return await self._authenticator.reauthenticate(caller)

    async def find_active_user(self, name: str) -> UUID:
        """The user of this name, for a door that has no log-in; in mode `none` the one user, whatever the name.

        Raises:
            Unauthorized: nobody has this name, or the user is disabled.
            StorageUnavailable: the database cannot be read.
        """
        if self.mode == "none":
            return LOCAL_USER_ID
        async with self._database.read() as session:
            user = await Users(session).find_by_name(make_name_key(name))
        if user is None or not user.password_hash or user.disabled_at is not None:
            raise Unauthorized(
                "there is no such user, or not any more; `prompter users list` shows those there are"
            )
        return user.id

    def watch_caller(self, caller: Caller) -> LiveAuth:
        """Make the object that checks the caller of a socket again while the socket is open."""
        return LiveAuth(caller, self._authenticator)

    @property
    def logins(self) -> Logins:
        """Log-ins with a password.

        Raises:
            NotFound: this server has no accounts.
        """
        if self.mode == "none":
            raise NotFound(_NO_ACCOUNTS)
        assert self._logins is not None, "the accounts have not been started"
        return self._logins

    @property
    def keys(self) -> ApiKeyManager:
        """API keys.

        Raises:
            NotFound: this server has no accounts.
        """
        if self.mode == "none":
            raise NotFound(_NO_ACCOUNTS)
        return self._keys


_NO_ACCOUNTS = "this server has no accounts; PROMPTER_ACCOUNTS__MODE=accounts gives it some"

"""The accounts of one server: everybody is one user without them, and nothing opens before they are started."""

from pathlib import Path

import pytest

from app.core.config import AccountSettings, Settings
from app.core.errors import NotFound, Unauthorized
from app.core.security import LOCAL_CALLER
from app.services.accounts.accounts import Accounts
from app.services.accounts.administration import UserAdministration
from app.storage.data_folder import KEY_FILE
from app.storage.database import Database
from tests.support.accounts import PASSWORD, make_cheap_passwords


def settings_of(folder: Path, settings: Settings, mode: str) -> Settings:
    accounts = AccountSettings(mode=mode, access_minutes=5)
    return settings.model_copy(update={"data_dir": folder, "accounts": accounts})


async def test_without_accounts_everybody_is_the_local_user(
    database: Database, storage_settings: Settings, tmp_path: Path
) -> None:
    accounts = Accounts(settings_of(tmp_path, storage_settings, "none"), database)
    accounts.start()
    assert not (tmp_path / KEY_FILE).exists()
    assert await accounts.authenticate("any token") is LOCAL_CALLER
    for part in ("logins", "keys"):
        with pytest.raises(NotFound, match="PROMPTER_ACCOUNTS__MODE=accounts"):
            getattr(accounts, part)
    live = accounts.watch_caller(LOCAL_CALLER)
    await live.watch()
    await live.renew("any token")
    assert live.caller is LOCAL_CALLER


async def test_a_log_in_opens_what_it_is_for(
    database: Database, storage_settings: Settings, tmp_path: Path
) -> None:
    accounts = Accounts(settings_of(tmp_path, storage_settings, "accounts"), database)
    accounts.start()
    assert (tmp_path / KEY_FILE).exists()
    await UserAdministration(database, make_cheap_passwords()).add("ada", PASSWORD, "admin")
    tokens = await accounts.logins.begin("ada", PASSWORD, "192.0.2.7")
    caller = await accounts.authenticate(tokens.access_token)
    assert (caller.name, caller.via) == ("ada", "session")
    _, secret = await accounts.keys.create(caller, "mine", ["stt"], None)
    assert (await accounts.authenticate(secret)).scopes == {"stt"}
    with pytest.raises(Unauthorized, match="not valid"):
        await accounts.authenticate("another token")
    assert accounts.watch_caller(caller).caller is caller

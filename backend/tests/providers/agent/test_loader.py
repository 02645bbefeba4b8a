"""The agent loop is loaded late, and a library that is broken is named."""

import subprocess
import sys

import pytest

from app.core.errors import ProviderNotReady
from app.providers.agent.loader import load_runner
from tests.conftest import ROOT


def test_nothing_of_pydantic_ai_is_loaded_at_start() -> None:
    """What is optional costs nothing until an assistant answers."""
    code = (
        "import sys; from app.core.config import Settings; from app.main import create_app;"
        "create_app(Settings(_env_file=None)); print('pydantic_ai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT / "backend",
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "False"


async def test_a_broken_pydantic_ai_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.providers.agent.run", None)
    with pytest.raises(ProviderNotReady, match=r"cannot be loaded .*prompter extras add tools"):
        await load_runner()

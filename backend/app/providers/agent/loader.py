"""Loads the agent loop when an assistant first answers: pydantic-ai is optional, and its import takes a second."""

import importlib.util
from collections.abc import AsyncGenerator, Callable

import anyio.to_thread

from app.core.errors import ProviderNotReady
from app.core.extras import advise_extra
from app.providers.agent.events import ToolUpdate
from app.providers.agent.task import AgentTask, Delta, RunEnd

EXTRA = "tools"

Runner = Callable[[AgentTask], AsyncGenerator[Delta | ToolUpdate | RunEnd, None]]


def is_installed() -> bool:
    """Whether pydantic-ai is installed; imports nothing."""
    return importlib.util.find_spec("pydantic_ai") is not None


def describe_missing() -> str:
    """Return what is missing where it is not installed, and the command that installs it."""
    return f"pydantic-ai: install it with {advise_extra(EXTRA)}"


async def load_runner() -> Runner:
    """The function `run.run_agent`, imported in a worker thread.

    Raises:
        ProviderNotReady: pydantic-ai is installed and broken.
    """
    try:
        return await anyio.to_thread.run_sync(_import_runner, abandon_on_cancel=True)
    except ImportError as error:
        raise ProviderNotReady(
            f"pydantic-ai cannot be loaded ({error.name}); install it with {advise_extra(EXTRA)}"
        ) from error


def _import_runner() -> Runner:
    from app.providers.agent.run import run_agent

    return run_agent

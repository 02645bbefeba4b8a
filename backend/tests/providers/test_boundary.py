"""The boundary around provider code: which errors pass, which one is shown, and what the log may hold."""

import asyncio

import anyio
import pytest

from app.core.errors import EngineFailed, UnknownModel
from app.providers.boundary import ProviderBoundary, close_provider
from tests.support.agent_runs import Panic

SECRET = "the purple submarine"


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        (ProviderBoundary("mine"), "the engine 'mine' failed; start again, or name another provider"),
        (ProviderBoundary("mine", "provider"), "provider 'mine' failed (ValueError); see its documentation"),
    ],
)
def test_an_error_of_a_provider_is_shown_without_its_words(
    boundary: ProviderBoundary, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with pytest.raises(EngineFailed) as caught, boundary:
            raise ValueError(SECRET)
        assert caught.value.message == message
        assert caught.value.__cause__ is None
    assert "'mine' failed: ValueError" in caplog.text
    assert "test_boundary.py" in caplog.text
    assert SECRET not in caplog.text.replace("raise ValueError(SECRET)", "")


def test_an_error_of_ours_passes(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UnknownModel, match="no such model"), ProviderBoundary("mine"):
        raise UnknownModel("no such model")
    assert not caplog.records


@pytest.mark.parametrize("kind", [Panic, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_whatever_its_class_it_is_an_error_of_the_provider(kind: type[BaseException]) -> None:
    """Only Ctrl-C would be a `KeyboardInterrupt`, and it is a signal that the event loop handles."""
    with pytest.raises(EngineFailed), ProviderBoundary("mine"):
        raise kind(SECRET)


async def test_the_end_of_its_task_passes() -> None:
    with anyio.move_on_after(0.01) as scope, ProviderBoundary("mine"):
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(GeneratorExit), ProviderBoundary("mine"):
        raise GeneratorExit


@pytest.mark.parametrize("error", [ValueError(SECRET), UnknownModel("no such model")])
async def test_a_provider_that_does_not_close_harms_nobody(error: Exception) -> None:
    await close_provider("mine", fail(error))


async def test_a_provider_is_closed_also_while_we_are_cancelled() -> None:
    closed = anyio.Event()

    async def close() -> None:
        await anyio.lowlevel.checkpoint()
        closed.set()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await close_provider("mine", close())
    assert closed.is_set()

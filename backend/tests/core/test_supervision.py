"""Tasks that the server stands on: a job that fails harms no other, and a loop that fails is reported."""

import asyncio

import anyio
import pytest

from app.core.supervision import Supervisor, reraise_cancellation
from tests.support.agent_runs import SECRET, Panic


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), Panic(SECRET), SystemExit(SECRET), asyncio.CancelledError(SECRET)]
)
async def test_what_a_job_raises_ends_that_job_alone(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    go_on = anyio.Event()

    async def fails() -> None:
        raise error

    async def works(name: str) -> None:
        await go_on.wait()
        ended.append(name)

    tasks = Supervisor("answers")
    async with tasks.run():
        tasks.start_job(works, "before")
        tasks.start_job(fails)
        await anyio.wait_all_tasks_blocked()
        tasks.start_job(works, "after")
        go_on.set()
        await anyio.wait_all_tasks_blocked()
        assert ended == ["before", "after"]
        assert tasks.problem == ""
    assert f"unexpected {type(error).__name__} in answers" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [ValueError(SECRET), Panic(SECRET), asyncio.CancelledError(SECRET)])
async def test_a_loop_that_fails_is_a_problem(error: BaseException) -> None:
    async def ends() -> None:
        raise error

    async def returns() -> None:
        """Has nothing to do, as some settings have it."""

    async def loops() -> None:
        await anyio.sleep_forever()

    tasks = Supervisor("database")
    async with tasks.run():
        tasks.start_loop("lease", loops)
        tasks.start_loop("watch", returns)
        await anyio.wait_all_tasks_blocked()
        assert tasks.problem == ""
        tasks.start_loop("retention", ends)
        await anyio.wait_all_tasks_blocked()
        assert tasks.problem == "database: failed: retention; the log has the place"


async def test_a_part_that_does_not_run_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    async def loops() -> None:
        await anyio.sleep_forever()

    tasks = Supervisor("answers")
    assert tasks.problem == "answers: not running"
    async with tasks.run():
        tasks.start_loop("storing", loops)
        await anyio.wait_all_tasks_blocked()
        assert tasks.problem == ""
    assert tasks.problem == "answers: not running"
    assert not caplog.text, "the end of a part is no failure"


async def test_a_cancellation_that_was_asked_for_is_none_of_its_failures() -> None:
    async def cleans_up() -> None:
        try:
            await anyio.sleep_forever()
        except BaseException as error:  # noqa: BLE001  # as the code that is tested
            reraise_cancellation(error)
            raise AssertionError("it was cancelled") from None

    with anyio.move_on_after(0.01) as scope:
        await cleans_up()
    assert scope.cancelled_caught
    task = asyncio.create_task(cleans_up())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reraise_cancellation(Panic())
    reraise_cancellation(asyncio.CancelledError())
    await anyio.to_thread.run_sync(reraise_cancellation, asyncio.CancelledError())

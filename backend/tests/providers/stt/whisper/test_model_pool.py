"""Checkpoints in memory: each is loaded once, few are kept, and broken ones are refused."""

import asyncio
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from app.core.errors import ProviderNotReady
from app.providers.base import SttConfig
from app.providers.stt.whisper.model_pool import run_blocking
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.schemas.providers import ProviderState
from tests.support.checkpoints import ENGLISH, Whisper, make_whisper_settings, transcribe


async def test_damaged_weights_are_told_once_and_make_room_for_another_engine(
    known: Whisper, tmp_path: Path
) -> None:
    shutil.copytree(known.path, tmp_path / "base")
    weights = tmp_path / "base" / "model.bin"
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(data[: len(data) // 2])
    provider = WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path))
    assert (await provider.status()).state is ProviderState.READY
    for _ in range(2):
        with pytest.raises(ProviderNotReady, match="'base' cannot be loaded"):
            await provider.start()
    status = await provider.status()
    assert status.state is ProviderState.NO_MODEL
    assert "fetch it again" in status.description

    weights.write_bytes(data)
    assert (await provider.status()).state is ProviderState.READY
    assert (await transcribe(provider, known.english)).text == ENGLISH


async def test_weights_that_are_no_numbers_are_refused(known: Whisper, tmp_path: Path) -> None:
    shutil.copytree(known.path, tmp_path / "base")
    weights = tmp_path / "base" / "model.bin"
    data = bytearray(weights.read_bytes())
    weights.unlink()
    at = data.index(b"encoder/layer_norm/gamma") + 64  # past the name, the shape and the length
    data[at : at + 64] = b"\xff" * 64  # NaN in float16 and float32 alike
    weights.write_bytes(data)
    with pytest.raises(ProviderNotReady, match="no numbers"):
        await WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path)).start()


async def test_two_checkpoints_are_kept_and_those_in_use_are_not_dropped(
    known: Whisper, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        shutil.copytree(known.path, tmp_path / name)
    provider = WhisperLocalProvider(make_whisper_settings(models_dir=tmp_path))
    first = await provider.open_session(SttConfig(model="one"))
    second = await provider.open_session(SttConfig(model="two"))
    with pytest.raises(ProviderNotReady, match="'one', 'two'"):
        await provider.open_session(SttConfig(model="three"))
    await first.aclose()
    await first.aclose()
    assert (await transcribe(provider, known.english, SttConfig(model="three"))).text == ENGLISH
    await second.aclose()


async def test_a_checkpoint_is_loaded_once_however_many_ask(
    known: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = count_calls(monkeypatch, "app.providers.stt.whisper.model_pool.load")
    provider = WhisperLocalProvider(make_whisper_settings(str(known.path)))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(provider.start)
        for _ in range(5):
            group.start_soon(provider.open_session, SttConfig())
    await provider.start()
    assert loads() == 1


def count_calls(monkeypatch: pytest.MonkeyPatch, target: str) -> Callable[[], int]:
    """How often the function named by `target` is called from now on."""
    module, _, name = target.rpartition(".")
    original = getattr(sys.modules[module], name)
    calls: list[object] = []

    def counted(*args: object) -> object:
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(target, counted)
    return lambda: len(calls)


async def test_the_result_and_the_error_of_a_call_reach_its_caller() -> None:
    def fail(_: threading.Event) -> None:
        raise ValueError("broken")

    limiter = anyio.CapacityLimiter(1)
    assert await run_blocking(lambda _: "text", limiter) == "text"
    with pytest.raises(ValueError, match="broken"):
        await run_blocking(fail, limiter)
    assert limiter.borrowed_tokens == 0


async def test_a_call_that_still_waits_for_the_limiter_is_never_made() -> None:
    limiter = anyio.CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait(limiter)
    calls: list[threading.Event] = []
    with anyio.move_on_after(0.05) as scope:
        await run_blocking(calls.append, limiter)
    limiter.release_on_behalf_of(limiter)
    assert scope.cancelled_caught
    assert calls == []


@pytest.mark.parametrize("native", [False, True], ids=["anyio scope", "asyncio task"])
async def test_a_call_that_runs_is_waited_for_when_its_client_leaves(native: bool) -> None:
    began, may_end, events = threading.Event(), threading.Event(), list[str]()

    def call(abandoned: threading.Event) -> None:
        began.set()
        assert abandoned.wait(10)
        events.append("told that nobody waits")
        assert may_end.wait(10)
        events.append("call returned")

    async def client() -> None:
        try:
            await run_blocking(call, anyio.CapacityLimiter(1))
        finally:
            events.append("client released")

    if native:
        task = asyncio.create_task(client())
        await anyio.to_thread.run_sync(began.wait)
        task.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(client)
            await anyio.to_thread.run_sync(began.wait)
            group.cancel_scope.cancel()
            may_end.set()
    assert events == ["told that nobody waits", "call returned", "client released"]

"""What a decode worker is given of the settings: Ray keeps it where every machine of the cluster can read it."""

import ctypes
import json
import os
import signal

import anyio
import pytest

from app.core.config import DecodeSettings, Settings
from app.core.errors import ProviderNotReady
from app.providers.tier import ray_worker
from app.providers.tier.port import LinkLost
from app.providers.tier.ray_worker import run_worker, share_settings


def test_a_worker_gets_no_key_and_no_address() -> None:
    secret = "sk-secret-of-a-service"
    settings = Settings.model_validate(
        {
            "stt": {
                "provider": "whisper_local",
                "openai_compat": {"base_url": "http://there", "api_key": secret},
            },
            "llm": {"openai_compat": {"base_url": "http://there", "api_key": secret}},
            "storage": {"url": f"postgresql://me:{secret}@there/prompter"},
            "scheduler": {"cores": 3},
        }
    )
    shared = share_settings(settings)
    text = json.dumps(shared)
    assert secret not in text
    assert "there" not in text
    worker = Settings.model_validate(shared)
    assert (worker.stt.provider, worker.scheduler.cores) == ("whisper_local", 3)
    assert worker.models_dir == settings.models_dir


async def test_a_signal_ends_a_worker_that_has_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray takes SIGTERM when it joins, and aborts at it: seen with the exit code -6, and a node that stayed."""
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    done: list[str] = []

    class Node:
        def __init__(self, settings: DecodeSettings) -> None: ...

        def join(self) -> None:
            libc.signal(signal.SIGTERM, ctypes.c_void_p(1))  # SIG_IGN, past Python

        def has_ended(self) -> bool:
            return False

        def leave(self) -> None:
            done.append("left")

    monkeypatch.setattr(ray_worker, "RayNode", Node)
    monkeypatch.setattr(ray_worker, "_create", lambda *_: (None, 7))
    for name in ("_watch", "_watch_node"):
        monkeypatch.setattr(ray_worker, name, lambda *_: anyio.sleep_forever())
    monkeypatch.setattr(ray_worker, "_kill", lambda _: done.append("killed"))
    with anyio.fail_after(60), anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with run_worker(Settings(_env_file=None), "x:y"):
            os.kill(os.getpid(), signal.SIGTERM)
            assert await anext(aiter(signals)) == signal.SIGTERM
    assert done == ["killed", "left"]


async def test_a_worker_ends_where_the_head_has_begun_another_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in no cluster then, and nobody would ask it for anything ever again."""

    def raise_error(error: Exception) -> None:
        raise error

    monkeypatch.setattr(ray_worker, "check_cluster", lambda: raise_error(LinkLost()))
    with pytest.raises(ProviderNotReady, match="start the worker again"):
        await ray_worker._check_cluster()
    monkeypatch.setattr(ray_worker, "check_cluster", lambda: raise_error(OSError("the head is away")))
    await ray_worker._check_cluster()

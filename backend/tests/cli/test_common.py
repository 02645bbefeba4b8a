"""Shared by the commands: Ctrl-C, and settings that cannot be read."""

import asyncio
import signal
import threading
import time

import pytest

from app.cli.common import USAGE, CommandError, read_settings, run_async
from tests.conftest import SAMPLES

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_ctrl_c_wakes_a_loop_that_waits() -> None:
    """Also where the system hands the signal to another thread: nothing interrupts the waiting one."""

    def press_ctrl_c() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def wait_for_a_server_that_says_nothing() -> None:
        await asyncio.sleep(60)

    other = threading.Thread(target=press_ctrl_c)
    other.start()
    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_async(wait_for_a_server_that_says_nothing())
    assert time.monotonic() - began_s < 30
    other.join()


def test_what_a_command_computes_is_returned() -> None:
    async def compute() -> int:
        return 7

    assert run_async(compute()) == 7


@pytest.mark.parametrize(
    ("name", "value"), [("PROMPTER_PORT", "canary-4711"), ("PROMPTER_VAD", "canary-4711")]
)
def test_a_setting_that_is_not_valid_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError) as caught:
        read_settings()
    assert caught.value.exit_code == USAGE
    assert "canary" not in str(caught.value)
    assert name.removeprefix("PROMPTER_").lower() in str(caught.value).lower()

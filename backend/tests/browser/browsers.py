"""The browsers of this machine: Chromium, and Firefox by WebDriver BiDi, each with recordings as its microphone."""

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Playwright

from tests.browser import firefox

BrowserName = Literal["chromium", "firefox"]

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
NOWHERE = "/nonexistent"
SILENT = {"PULSE_SERVER": f"unix:{NOWHERE}", "ALSA_CONFIG_PATH": NOWHERE}
"""The environment of a program that finds no sound output, whatever this machine has."""
IDLE_S = 300
"""A sound output without programs ends after this time: none outlives tests that were killed."""
STARTS_S = 20
MICROPHONE = """
const Context = AudioContext;
const recording = Uint8Array.from(atob("%s"), (character) => character.charCodeAt(0)).buffer;
navigator.mediaDevices.getUserMedia = async () => {
  const context = new Context();
  const source = context.createBufferSource();
  const microphone = context.createMediaStreamDestination();
  source.buffer = await context.decodeAudioData(recording.slice(0));
  source.connect(microphone);
  source.start();
  (window.microphones ??= []).push(context);  // else it is freed once the recording is over
  return microphone.stream;
};
"""


class Browsers:
    """Starts browsers on demand, one for each set of options; all end with the stack."""

    def __init__(self, playwright: Playwright, stack: AsyncExitStack) -> None:
        self._playwright = playwright
        self._stack = stack
        self._chromiums: dict[tuple[str, ...], Browser] = {}
        self._firefoxes: dict[bool, Browser] = {}

    async def chromium(self, *switches: str) -> Browser:
        """Chromium with these switches of its command line."""
        if switches not in self._chromiums:
            started = await self._playwright.chromium.launch(
                executable_path=find_command(CHROMIUMS, "Chromium", "chromium"),
                args=["--no-proxy-server", *switches],
            )
            self._stack.push_async_callback(started.close)
            self._chromiums[switches] = started
        return self._chromiums[switches]

    async def firefox(self, *, has_sound_output: bool) -> Browser:
        """An unmodified Firefox. It suspends the audio of pages where the machine has no sound output."""
        if has_sound_output not in self._firefoxes:
            find_command(firefox.COMMANDS, "Firefox", "firefox-esr")
            sound = self._stack.enter_context(run_sound_output()) if has_sound_output else SILENT
            folder = Path(sys.executable).parent  # of the Python that runs the relay
            started = await self._playwright.firefox.launch(
                channel="moz-firefox",  # spoken to by WebDriver BiDi
                executable_path=firefox.__file__,
                env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **sound},
            )
            self._stack.push_async_callback(started.close)
            self._firefoxes[has_sound_output] = started
        return self._firefoxes[has_sound_output]


def find_command(names: tuple[str, ...], program: str, package: str) -> str:
    """The program's path; skips the test where this machine lacks it."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"no {program} on this machine: apt-get install {package}")


@contextmanager
def run_sound_output() -> Iterator[dict[str, str]]:
    """A sound output that nobody hears. Yields the environment of a program that uses it."""
    command = find_command(("pulseaudio",), "PulseAudio", "pulseaudio")
    with tempfile.TemporaryDirectory(prefix="prompter-sound-") as folder:
        socket = Path(folder) / "native"
        options = [f"--load=module-native-protocol-unix auth-anonymous=1 socket={socket}"]
        options += ["--load=module-null-sink", f"--exit-idle-time={IDLE_S}", "--use-pid-file=no"]
        own = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"), folder)
        with subprocess.Popen(
            [command, "-n", "--daemonize=no", *options],
            env={**os.environ, **own},
            stderr=subprocess.DEVNULL,
        ) as daemon:
            try:
                wait_for_file(socket, daemon)
                yield {"PULSE_SERVER": f"unix:{socket}"}
            finally:
                daemon.terminate()


def wait_for_file(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has made the file."""
    deadline = time.monotonic() + STARTS_S
    while not path.exists():
        assert process.poll() is None, f"{process.args!r} has ended"
        assert time.monotonic() < deadline, f"{process.args!r} has not made {path}"
        time.sleep(0.02)


def get_microphone_switches(says: Path | None) -> tuple[str, ...]:
    """Chromium's switches for a microphone that plays a recording once, from the moment it is opened."""
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    return (*fake, f"--use-file-for-fake-audio-capture={says}%noloop") if says else fake


def make_microphone_script(says: Path | None) -> str:
    """The same for Firefox, as a script of the page: its own fake device plays no recordings."""
    return MICROPHONE % base64.b64encode(says.read_bytes()).decode() if says else ""

"""A running `prompter serve`, as the person who started it sees it."""

import re
import signal
import subprocess
import time

from tests.support.command import COMMAND, make_environment


class FakeTerminal:
    """A running `prompter serve`, as the person who started it sees it."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=make_environment(**env),
        )
        self.lines: list[str] = []

    def wait_for(self, pattern: str) -> "re.Match[str]":
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"the server ended without {pattern!r}: {self.lines}")

    def end(self, how: signal.Signals) -> tuple[int, float, str]:
        """(exit code, seconds it took, what it still said)."""
        started_s = time.monotonic()
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, time.monotonic() - started_s, out + err

"""`prompter serve` with the fake engine, whose finals are digests of their audio: a process to kill or suspend."""

import sys

from app.cli.main import execute
from app.core.config import Settings
from app.providers.registry import BUILT_IN_STT
from tests.fakes.engine import FakeEngine, Script, guess_words


def make_engine(_: Settings) -> FakeEngine:
    return FakeEngine(Script(hypothesis=guess_words))


if __name__ == "__main__":
    BUILT_IN_STT["fake"] = "tests.fakes.digest_server:make_engine"
    sys.exit(execute(["serve", *sys.argv[1:]]))

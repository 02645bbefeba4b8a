"""The JavaScript clients (openai, anthropic, AI SDK): their own tests, run by Node against the server."""

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.clients.conftest import JAVASCRIPT
from tests.conftest import SAMPLES
from tests.fakes.chat_upstream import BackgroundUpstream

pytestmark = pytest.mark.once

FILES = sorted(JAVASCRIPT.glob("*.test.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name.removesuffix(".test.js"))
def test_javascript(
    javascript: str, file: Path, prompter: str, upstream: BackgroundUpstream, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "PROMPTER_CLIENT_URL": prompter,
        "PROMPTER_CLIENT_UPSTREAM": upstream.fake.origin,
        "PROMPTER_CLIENT_RECORDINGS": str(SAMPLES),
    }
    report = tmp_path / "report.xml"
    command = [javascript, "--test", "--test-reporter=junit", f"--test-reporter-destination={report}"]
    done = subprocess.run(
        [*command, str(file)],
        cwd=JAVASCRIPT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert report.exists(), done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    failures = [told for case in cases if (told := failure_of(case))]
    assert not failures, f"{len(failures)} of {len(cases)} failed\n\n" + "\n\n".join(failures)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(cases) >= 10, "no tests were found"


def failure_of(case: ET.Element) -> str:
    """What a test's failure says, in a few lines; empty where it passed."""
    failure = case.find("failure")
    if failure is None:
        return "" if case.find("skipped") is None else f"{case.get('name')}: skipped"
    lines = [line for line in (failure.text or "").strip().splitlines() if "node_modules" not in line]
    return "\n    ".join([f"{case.get('name')}:", *(line.strip() for line in lines[:12])])

"""The command as a person runs it: a few seconds against a real server, its files, and what it says when it cannot."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.command import get_only_line, run_prompter, run_prompter_process

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One sentence and one recording of nothing."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for name in ("en_weather_madrid_48k", "silence_16k"):
        for suffix in ("wav", "txt"):
            shutil.copy(SAMPLES / f"{name}.{suffix}", recordings)
    return recordings


def test_a_run_against_a_server_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Dictation with the embedded engine; then the run is compared with itself."""
    pytest.importorskip("pocketsphinx", reason="the embedded engine has no wheel for this Python")
    into = tmp_path / "result"
    done = run_prompter_process(
        "bench", "run", folder, "--parts", "dictation", "--provider", "pocketsphinx", "--out", into, "--speakers", 2
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| end of speech to final, p95 |" in done.stdout
    names = sorted(path.name for path in into.iterdir())
    assert names == ["dictation.png", "dictation.svg", "report.md", "result.json"]
    result = json.loads((into / "result.json").read_text(encoding="utf-8"))
    figures = {figure["key"]: figure for part in result["parts"] for figure in part["figures"]}
    assert 350 < figures["dictation.to_final_p50"]["value"] < 10_000
    assert figures["dictation.endpoint_p50"]["value"] >= 600
    assert figures["dictation.phantoms"]["value"] == 0
    assert figures["dictation.failed"]["value"] == 0
    assert figures["dictation.cpu"]["value"] > 0
    assert figures["dictation.wer_offline"]["value"] is not None
    again = run_prompter("bench", "compare", into / "result.json", into / "result.json")
    assert again.returncode == 0
    assert "worse" not in again.stdout


def test_any_server_can_be_measured(folder: Path, tmp_path: Path, server: str) -> None:
    """One that runs already, by the URL of its socket; what its process costs cannot be told then."""
    socket_url = server.replace("http", "ws") + "/ws/stt"
    into = tmp_path / "result"
    done = run_prompter(
        "bench", "run", folder, "--url", socket_url, "--provider", "cloud_stub", "--parts", "capacity",
        "--levels", "2", "--utterances", 1, "--out", into,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((into / "result.json").read_text(encoding="utf-8"))
    (level,) = result["parts"][0]["details"]["levels"]
    assert (level["speakers"], level["spoken"], level["lost"], level["refused"]) == (2, 2, 0, 0)
    assert level["cores"] is None
    assert len(level["to_final_ms"]) > 10


def test_a_folder_without_speech_is_a_line_and_a_code(folder: Path, tmp_path: Path) -> None:
    (folder / "en_weather_madrid_48k.txt").unlink()
    done = run_prompter("bench", "run", folder, "--out", tmp_path / "result")
    assert done.returncode == 1
    assert "no speech to use" in get_only_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", SAMPLES, "--parts", "tea"), 1, "no part 'tea'"),
        (("run", SAMPLES, "--levels", "one"), 2, "expected numbers"),
        (("run", SAMPLES, "--url", "ftp://127.0.0.1"), 1, "no server"),
        (("run", SAMPLES, "--parts", "capacity", "--url", "http://127.0.0.1:9"), 3, "no server answers"),
        (("accuracy", SAMPLES, "--window", "round"), 2, "expected short, full"),
        (("accuracy", SAMPLES, "--provider", "nobody"), 1, "no speech provider"),
        (("compare", SAMPLES / "README.md", SAMPLES / "README.md"), 1, "no result"),
        (("run", "nowhere"), 2, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[object, ...], code: int, said: str) -> None:
    done = run_prompter("bench", *arguments)
    assert done.returncode == code
    assert said in get_only_line(done.stderr.splitlines()[-1])


def test_a_refused_dictation_is_said(folder: Path, tmp_path: Path, server: str) -> None:
    """Before a minute is spent on speaking to deaf ears."""
    arguments = (
        "--url",
        server,
        "--provider",
        "nobody",
        "--parts",
        "dictation",
        "--out",
        tmp_path / "result",
    )
    done = run_prompter("bench", "run", folder, *arguments)
    assert done.returncode == 1
    assert "no speech provider has this name" in get_only_line(done.stderr.splitlines()[-1])

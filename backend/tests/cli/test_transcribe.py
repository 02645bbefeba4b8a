"""`prompter transcribe`: text, JSON and subtitles of recordings."""

import json
from pathlib import Path

import pytest

from app.cli.transcribe import make_target_names
from tests.conftest import SAMPLES
from tests.support.command import get_only_line, run_prompter

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_transcribe_goes_on_after_a_bad_file(server: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("no sound")
    done = run_prompter(
        "transcribe", bad, WEATHER, "--provider", "cloud_stub", "--output", tmp_path / "out", "--url", server
    )
    assert done.returncode == 1
    assert "bad.mp3" in get_only_line(done.stderr)
    assert done.stdout == ""
    text = (tmp_path / "out" / "en_weather_madrid_48k.txt").read_text("utf-8")
    assert text.startswith("(mock) transcripción final #1\n")


def test_transcribe_heads_each_of_several_texts(server: str) -> None:
    done = run_prompter("transcribe", WEATHER, WEATHER, "--provider", "cloud_stub", "--url", server)
    assert done.stdout.count(f"==> {WEATHER} <==\n") == 2


def test_transcribe_json_has_times_and_words(server: str) -> None:
    done = run_prompter(
        "transcribe", WEATHER, "--format", "json", "--words", "--lang", "en", "--provider", "pocketsphinx",
        "--url", server,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert "weather" in found["text"]
    assert found["audio_ms"] > 2000
    words = [word for segment in found["segments"] for word in segment["words"]]
    assert "weather" in [word["text"] for word in words]
    assert all(word["start_ms"] < word["end_ms"] <= found["audio_ms"] for word in words)


@pytest.mark.parametrize(("form", "start"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
def test_transcribe_writes_subtitles(server: str, form: str, start: str) -> None:
    done = run_prompter(
        "transcribe", WEATHER, "--format", form, "--provider", "pocketsphinx", "--url", server
    )
    assert done.returncode == 0
    assert done.stdout.startswith(start)
    assert "weather" in done.stdout


def test_two_recordings_of_one_name_keep_their_suffixes() -> None:
    files = [Path("a/one.mp3"), Path("one.wav"), Path("two.ogg")]
    assert make_target_names(files, ".txt") == ["one.mp3.txt", "one.wav.txt", "two.txt"]

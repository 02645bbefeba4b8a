"""`prompter dictate`: text of files, pipes and the microphone, and its end."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from app.cli.dictate import describe_answering, parse_endpointing, split_terms
from tests.conftest import SAMPLES, read_wav
from tests.fakes.engine import FakeEngine
from tests.support.command import (
    BACKEND,
    COMMAND,
    get_only_line,
    make_environment,
    run_prompter,
    run_prompter_process,
)
from tests.support.server import serve_engine

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_dictate_writes_what_was_said(server: str) -> None:
    done = run_prompter_process(
        "dictate", WEATHER, "--fast", "--lang", "en", "--provider", "pocketsphinx", "--url", server
    )
    assert done.returncode == 0
    assert "weather" in done.stdout
    assert done.stderr == ""


def test_dictate_json_is_one_event_a_line(server: str) -> None:
    done = run_prompter(
        "dictate", WEATHER, "--fast", "--provider", "cloud_stub", "--json", "--send", "--url", server
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    # A busy server says while it starts that it is loading.
    types = [event["type"] for event in events if event["type"] != "status"]
    assert types[0] == "ready"
    chunks = -(-len(read_wav(WEATHER)[0]) // 4800)  # 100 ms at 48 kHz, and what is left
    assert types.count("partial") == chunks
    assert types.count("final") == chunks // 3
    assert [kind for kind in types if kind not in ("partial", "final", "answer")] == [
        "ready",
        "stopped",
        "answered",
    ]
    said = " ".join(event["text"] for event in events if event["type"] == "final")
    assert "".join(event["text"] for event in events if event["type"] == "answer") == said


def test_dictate_sends_the_text_and_shows_the_answer(server: str) -> None:
    done = run_prompter("dictate", WEATHER, "--fast", "--provider", "cloud_stub", "--send", "--url", server)
    lines = done.stdout.splitlines()
    assert lines[0] == "(mock) transcripción final #1"
    assert len(lines) > 2
    assert lines[-1] == " ".join(lines[:-1])


def make_provider(name: str, **fields: object) -> dict[str, object]:
    start = {
        "name": name,
        "type": "local",
        "status": "ready",
        "description": f"about {name}",
        "default": False,
    }
    return {**start, "chosen": False, "title": "", "model": None, **fields}


@pytest.mark.parametrize(
    ("providers", "line", "can_answer"),
    [
        (
            [make_provider("ollama", title="Ollama", model="qwen3:8b", default=True, chosen=True)],
            "answers come from Ollama, qwen3:8b",
            True,
        ),
        (
            [make_provider("openai", title="OpenAI", status="not_configured", chosen=True)],
            "nothing will be answered: OpenAI is not configured; about openai",
            False,
        ),
        (
            [make_provider("echo", type="mock", default=True)],
            "what you say is only repeated: no model is",
            True,
        ),
        (
            [make_provider("ollama", status="unreachable")],
            "nothing will be answered: no model is connected",
            False,
        ),
    ],
)
def test_who_answers_is_known_at_the_start(
    providers: list[dict[str, object]], line: str, can_answer: bool
) -> None:
    told, can = describe_answering(providers)
    assert told.startswith(line)
    assert can is can_answer


def test_a_model_that_cannot_answer_is_told_before_anything_is_sent(clean_environment: None) -> None:
    llm = {"provider": "scripted", "discover": False, "profiles": {"scripted": {"kind": "openai"}}}
    with serve_engine(FakeEngine(), llm=llm) as served:
        done = run_prompter("dictate", WEATHER, "--send", "--url", served.url)
    told = done.stderr.splitlines()
    assert told[0].startswith("prompter: nothing will be answered: OpenAI is not configured; ")
    assert done.returncode != 0


def test_nothing_said_is_nothing_sent(server: str) -> None:
    done = run_prompter("dictate", "-", "--provider", "cloud_stub", "--send", "--url", server)
    assert done.returncode == 1
    assert "nothing was understood" in get_only_line(done.stderr)


@pytest.mark.parametrize("as_wav", [True, False])
def test_dictate_reads_a_pipe(server: str, as_wav: bool) -> None:
    """A WAV at its own rate, or raw audio at the rate that was named."""
    samples, rate_hz = read_wav(WEATHER)
    data = WEATHER.read_bytes() if as_wav else samples.tobytes()
    rate = () if as_wav else ("--rate", rate_hz)
    done = run_prompter(
        "dictate", "-", *rate, "--provider", "cloud_stub", "--json", "--url", server, stdin=data
    )
    stopped = json.loads(done.stdout.splitlines()[-1])
    assert stopped["stats"]["audio_ms"] == len(samples) * 1000 // rate_hz


def test_the_microphone_needs_its_extra(server: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise ImportError('not installed')\n")
    without = os.pathsep.join([str(tmp_path), str(BACKEND)])
    done = run_prompter_process("dictate", "--url", server, env={"PYTHONPATH": without})
    assert done.returncode == 1
    assert "`prompter extras add mic`" in get_only_line(done.stderr)


def test_ctrl_c_ends_a_dictation_quietly(server: str, clean_environment: None) -> None:
    """Also while the pipe that is read says nothing."""
    process = subprocess.Popen(
        [*COMMAND, "dictate", "-", "--provider", "cloud_stub", "--json", "--url", server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=make_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(bytes(3200))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["type"] == "ready"
        assert json.loads(process.stdout.readline())["type"] == "partial"
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, b"")


def test_a_refused_dictation_ends_while_its_pipe_says_nothing(server: str, clean_environment: None) -> None:
    process = subprocess.Popen(
        [*COMMAND, "dictate", "-", "--provider", "nobody", "--url", server],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=make_environment(),
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(bytes(3200))
        process.stdin.flush()
        code, told = ended(process)
    assert code == 4
    assert b"no speech provider has this name" in told


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    """Its exit code, and what it had to say; its standard input stays open."""
    assert process.stderr is not None
    try:
        code = process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"it did not end; it said {process.stderr.read()!r}")
    return code, process.stderr.read()


@pytest.mark.parametrize(
    ("given", "parsed"),
    [(None, None), ("hands_free", "hands_free"), ("700", {"silence_ms": 700})],
)
def test_endpointing_is_a_profile_or_a_silence(given: str | None, parsed: object) -> None:
    assert parse_endpointing(given) == parsed


def test_terms_are_separated_by_commas_and_repeated_options() -> None:
    assert split_terms(["FastAPI, kubectl", "", "Ñandú,"]) == ["FastAPI", "kubectl", "Ñandú"]
    assert split_terms(None) == []

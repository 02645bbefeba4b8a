"""The command as a script sees it: exit codes, one line for an error, nothing but results on its output."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.cli.common import run
from tests.conftest import SAMPLES, read_wav
from tests.support.command import BACKEND, COMMAND, environment, one_line, prompter, prompter_process

WEATHER = SAMPLES / "en_weather_madrid_48k.wav"
NOBODY = ("--url", "http://127.0.0.1:9")


def test_help_names_every_command_and_exit_code() -> None:
    done = prompter_process("--help")
    assert done.returncode == 0
    for command in ("serve", "dictate", "transcribe", "ask", "providers", "models", "config"):
        assert f" {command} " in done.stdout
    for code in ("0 done", "1 failed", "2 wrong usage", "3 server not reachable", "4 server refused", "130"):
        assert code in " ".join(done.stdout.split())
    assert prompter_process().stdout == done.stdout


def test_the_version_is_that_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((BACKEND.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert prompter_process("--version").stdout == f"prompter {project['version']}\n"


def test_help_loads_nothing_heavy() -> None:
    """A command that only prints must not wait for a server's libraries."""
    heavy = ("fastapi", "uvicorn", "httpx2", "websockets", "numpy", "av", "pydantic", "anyio", "asyncio")
    code = f"import app.cli.main, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sing",),
        ("dictate", "--sing"),
        ("dictate", WEATHER, "--rate", "7999"),
        ("dictate", WEATHER, "--endpointing", "never"),
        ("ask",),
        ("ask", "  "),
        ("serve", "--port", "65536"),
        ("transcribe", WEATHER, "--format", "pdf"),
        ("transcribe", WEATHER, WEATHER, "--format", "srt"),
    ],
    ids=lambda arguments: " ".join(str(part) for part in arguments if part != WEATHER),
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    done = prompter(*arguments)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert not done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("dictate", WEATHER), ("transcribe", WEATHER), ("ask", "hello"), ("providers",)],
    ids=lambda arguments: arguments[0],
)
def test_nobody_there_is_3(arguments: tuple[str, ...]) -> None:
    done = prompter(*arguments, *NOBODY)
    assert done.returncode == 3
    assert "prompter serve" in one_line(done.stderr)


def test_the_server_may_be_named_in_the_environment(server: str) -> None:
    assert prompter("ask", "hello", "--provider", "echo", env={"PROMPTER_URL": server}).stdout == "hello\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dictate", WEATHER, "--provider", "nobody"), "known: "),
        (("transcribe", WEATHER, "--provider", "pocketsphinx", "--lang", "es"), "models pull base"),
        (("ask", "hello", "--provider", "nobody"), "nobody"),
    ],
    ids=["dictate", "transcribe", "ask"],
)
def test_a_refusal_is_4(server: str, arguments: tuple[str, ...], reason: str) -> None:
    done = prompter(*arguments, "--url", server)
    assert done.returncode == 4
    assert reason in one_line(done.stderr)


@pytest.mark.parametrize("command", ["dictate", "transcribe"])
def test_what_cannot_be_read_is_1(server: str, tmp_path: Path, command: str) -> None:
    done = prompter(command, tmp_path / "gone.wav", "--url", server)
    assert done.returncode == 1
    assert "gone.wav" in one_line(done.stderr)


def test_the_prompt_is_answered(server: str) -> None:
    done = prompter("ask", "hello there", "--provider", "echo", "--url", server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello there\n", "")
    piped = prompter("ask", "-", "--provider", "echo", "--url", server, stdin="¿qué tal?\n".encode())
    assert piped.stdout == "¿qué tal?\n"
    answer = json.loads(prompter("ask", "hello", "--provider", "echo", "--json", "--url", server).stdout)
    assert (answer["text"], answer["provider"], answer["finish_reason"]) == ("hello", "echo", "stop")


def test_the_providers_are_listed(server: str) -> None:
    lines = prompter("providers", "--url", server).stdout.splitlines()
    assert any(line.split()[:2] == ["cloud_stub", "ready"] for line in lines)
    assert any(line.startswith("*") and " echo " in line for line in lines)
    found = json.loads(prompter("providers", "--json", "--url", server).stdout)
    assert {"stt", "llm"} == set(found)


# -- dictate


def test_dictate_writes_what_was_said(server: str) -> None:
    done = prompter_process(
        "dictate", WEATHER, "--fast", "--lang", "en", "--provider", "pocketsphinx", "--url", server
    )
    assert done.returncode == 0
    assert "weather" in done.stdout
    assert done.stderr == ""


def test_dictate_json_is_one_event_a_line(server: str) -> None:
    done = prompter(
        "dictate", WEATHER, "--fast", "--provider", "cloud_stub", "--json", "--send", "--url", server
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    types = [event["type"] for event in events]
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
    done = prompter("dictate", WEATHER, "--fast", "--provider", "cloud_stub", "--send", "--url", server)
    lines = done.stdout.splitlines()
    assert lines[0] == "(mock) transcripción final #1"
    assert len(lines) > 2
    assert lines[-1] == " ".join(lines[:-1])


def test_nothing_said_is_nothing_sent(server: str) -> None:
    done = prompter("dictate", "-", "--provider", "cloud_stub", "--send", "--url", server)
    assert done.returncode == 1
    assert "nothing was understood" in one_line(done.stderr)


@pytest.mark.parametrize("as_wav", [True, False])
def test_dictate_reads_a_pipe(server: str, as_wav: bool) -> None:
    """A WAV at its own rate, or raw audio at the rate that was named."""
    samples, rate_hz = read_wav(WEATHER)
    data = WEATHER.read_bytes() if as_wav else samples.tobytes()
    rate = () if as_wav else ("--rate", rate_hz)
    done = prompter("dictate", "-", *rate, "--provider", "cloud_stub", "--json", "--url", server, stdin=data)
    stopped = json.loads(done.stdout.splitlines()[-1])
    assert stopped["stats"]["audio_ms"] == len(samples) * 1000 // rate_hz


def test_the_microphone_needs_its_extra(server: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise ImportError('not installed')\n")
    without = os.pathsep.join([str(tmp_path), str(BACKEND)])
    done = prompter_process("dictate", "--url", server, env={"PYTHONPATH": without})
    assert done.returncode == 1
    assert "pip install sounddevice" in one_line(done.stderr)


def test_ctrl_c_ends_a_dictation_quietly(server: str, clean_environment: None) -> None:
    """Also while the pipe that is read says nothing."""
    process = subprocess.Popen(
        [*COMMAND, "dictate", "-", "--provider", "cloud_stub", "--json", "--url", server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
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


def test_ctrl_c_wakes_a_loop_that_waits() -> None:
    """Also where the system hands the signal to another thread: nothing interrupts the waiting one."""

    def press_ctrl_c() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def wait_for_a_server_that_says_nothing() -> None:
        await asyncio.sleep(8)

    other = threading.Thread(target=press_ctrl_c)
    other.start()
    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(wait_for_a_server_that_says_nothing())
    assert time.monotonic() - began_s < 4
    other.join()


def test_a_refused_dictation_ends_while_its_pipe_says_nothing(server: str, clean_environment: None) -> None:
    process = subprocess.Popen(
        [*COMMAND, "dictate", "-", "--provider", "nobody", "--url", server],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(bytes(3200))
        process.stdin.flush()
        code, told = ended(process)
    assert code == 4
    assert b"no speech provider 'nobody'" in told


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    """Its exit code, and what it had to say; its standard input stays open."""
    assert process.stderr is not None
    try:
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"it did not end; it said {process.stderr.read()!r}")
    return code, process.stderr.read()


# -- transcribe


def test_transcribe_goes_on_after_a_bad_file(server: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("no sound")
    done = prompter(
        "transcribe", bad, WEATHER, "--provider", "cloud_stub", "--output", tmp_path / "out", "--url", server
    )
    assert done.returncode == 1
    assert "bad.mp3" in one_line(done.stderr)
    assert done.stdout == ""
    text = (tmp_path / "out" / "en_weather_madrid_48k.txt").read_text("utf-8")
    assert text.startswith("(mock) transcripción final #1\n")


def test_transcribe_heads_each_of_several_texts(server: str) -> None:
    done = prompter("transcribe", WEATHER, WEATHER, "--provider", "cloud_stub", "--url", server)
    assert done.stdout.count(f"==> {WEATHER} <==\n") == 2


def test_transcribe_json_has_times_and_words(server: str) -> None:
    done = prompter(
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
    done = prompter("transcribe", WEATHER, "--format", form, "--provider", "pocketsphinx", "--url", server)
    assert done.returncode == 0
    assert done.stdout.startswith(start)
    assert "weather" in done.stdout

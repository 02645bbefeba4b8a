"""What the microphone gave is on this machine until the server has its text, and becomes text once, whoever dies."""

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.cli.unsent import format_length
from app.client.unsent import UnsentSpeech
from tests.conftest import SAMPLES
from tests.fakes import sounddevice as fake_sounddevice
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import BACKEND, COMMAND, make_environment, run_server_process_at
from tests.support.server import RunningServer, serve_engine
from tests.support.stored_dictations import fetch_dictations

pytestmark = pytest.mark.once

RECORDING = SAMPLES / "en_two_requests_16k.wav"
"""Two sentences, 8.6 s; between them 1 s without speech, at 4 s."""
IN_MID_SENTENCE_S = 7.0
"""A moment of the second one."""
SPEED = 4.0
PATIENCE_S = 40.0


class Speaker:
    """`prompter dictate` with a microphone, in a process of its own and with a data folder of its own."""

    def __init__(
        self, folder: Path, url: str, *arguments: str, speed: float = SPEED, until_s: float = 1e6
    ) -> None:
        self.folder = folder
        self.url = url
        self.environment = make_speaker_environment(folder, speed, until_s)
        self.errors = folder / "errors.txt"
        self.output = folder / "output.txt"
        with self.errors.open("ab") as errors, self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "dictate", "--url", url, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=self.environment,
            )

    @property
    def texts(self) -> list[str]:
        return self.output.read_text(encoding="utf-8").splitlines()

    @property
    def told(self) -> str:
        return self.errors.read_text(encoding="utf-8")

    @property
    def unsent_s(self) -> float:
        """How much speech is on this machine without its text."""
        return (
            sum(item.left_ms for item in UnsentSpeech(self.folder / "prompter" / "unsent").list_items())
            / 1000
        )

    @property
    def has_ended(self) -> bool:
        """Whether it records no more, and waits for its text."""
        items = UnsentSpeech(self.folder / "prompter" / "unsent").list_items()
        return all(item.progress.is_over for item in items)

    def until(self, holds: Any) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds(self):
            assert time.monotonic() < deadline_s, (self.texts, self.told, self.process.poll())
            time.sleep(0.02)

    def finish(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def run(self, *arguments: str, url: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMMAND, "dictate", "--unsent", *arguments, "--url", url or self.url],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE_S,
            check=False,
        )


def make_speaker_environment(folder: Path, speed: float, until_s: float) -> dict[str, str]:
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    shutil.copy(fake_sounddevice.__file__, modules / "sounddevice.py")
    return make_environment(
        PYTHONPATH=f"{modules}:{BACKEND}",
        XDG_DATA_HOME=str(folder),
        FAKE_MICROPHONE=str(RECORDING),
        FAKE_SPEED=str(speed),
        FAKE_UNTIL_S=str(until_s),
    )


@contextmanager
def speak(folder: Path, url: str, *arguments: str, **pace: float) -> Iterator[Speaker]:
    speaker = Speaker(folder, url, *arguments, **pace)
    try:
        yield speaker
    finally:
        speaker.process.kill()
        speaker.process.wait(10)


@pytest.fixture
def served(clean_environment: None) -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(Script(hypothesis=lambda _: "so far"))) as server:
        yield server


def list_stored(url: str) -> list[list[str]]:
    """The finals of each dictation that the server has, the oldest first."""
    return [[item["text"] for item in each["items"]] for each in reversed(fetch_dictations(url))]


def test_nothing_stays_once_its_text_is_stored(served: RunningServer, tmp_path: Path) -> None:
    with speak(tmp_path, served.url) as speaker:
        speaker.until(lambda it: it.unsent_s > 0.5)
        folder = next((tmp_path / "prompter" / "unsent").iterdir())
        modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
        assert (folder.stat().st_mode & 0o777, modes) == (0o700, {0o600})
        speaker.until(lambda it: len(it.texts) == 2)
        assert speaker.finish() == 0
    assert list((tmp_path / "prompter" / "unsent").iterdir()) == []
    assert list_stored(served.url) == [speaker.texts]
    assert speaker.told == ""


def test_no_store_writes_nothing(served: RunningServer, tmp_path: Path) -> None:
    with speak(tmp_path, served.url, "--no-store") as speaker:
        speaker.until(lambda it: len(it.texts) == 2)
        assert speaker.finish() == 0
    assert not (tmp_path / "prompter").exists()
    assert list_stored(served.url) == []


def test_a_server_that_is_away_from_the_start_gets_all_of_it_later(
    clean_environment: None, served: RunningServer, tmp_path: Path, reserved_port: int
) -> None:
    """It is heard as if the server had been there: the same bytes, in the same two utterances."""
    reference = tmp_path / "reference"
    reference.mkdir()
    with speak(reference, served.url) as unbroken:
        unbroken.until(lambda it: len(it.texts) == 2)
        unbroken.finish()
    with speak(tmp_path, f"http://127.0.0.1:{reserved_port}") as speaker:
        speaker.until(lambda it: "not connected: recording here" in it.told)
        speaker.until(lambda it: it.unsent_s > 9)
        with relay(reserved_port, served.url):
            speaker.until(lambda it: len(it.texts) == 2)
            assert speaker.finish() == 0
    assert "connected again: sending" in speaker.told
    assert speaker.texts == unbroken.texts


@contextmanager
def relay(port: int, url: str) -> Iterator[None]:
    """The server at another port, from now on."""
    upstream = int(url.rsplit(":", 1)[1])
    listener = socket.create_server(("127.0.0.1", port))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source:
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the end of the test
            server = socket.create_connection(("127.0.0.1", upstream))
            for pair in ((client, server), (server, client)):
                threads.append(threading.Thread(target=pump, args=pair))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(10)


def test_a_command_that_was_killed_left_what_has_no_text(served: RunningServer, tmp_path: Path) -> None:
    with speak(tmp_path, served.url, until_s=IN_MID_SENTENCE_S) as speaker:
        speaker.until(lambda it: len(it.texts) == 1 and it.unsent_s > 1)
        speaker.kill()
    listed = json.loads(speaker.run("--json").stdout)
    assert [(item["url"], item["user"], item["in_use"]) for item in listed] == [(served.url, "local", False)]
    assert 1000 < listed[0]["left_ms"] < 1000 * IN_MID_SENTENCE_S
    assert served.url in speaker.run().stdout
    sent = speaker.run("send")
    assert sent.returncode == 0
    (rest,) = sent.stdout.splitlines()
    assert list_stored(served.url) == [[speaker.texts[0], rest]]  # one dictation: the session was resumed
    again = speaker.run("send")
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing is unsent" in again.stderr


def test_what_the_server_has_made_text_of_meanwhile_is_shown_and_not_sent_again(
    clean_environment: None, tmp_path: Path
) -> None:
    """The session waited for its client in vain: its text is stored."""
    with serve_engine(FakeEngine(), limits={"resume_s": 0.2}) as server:
        with speak(tmp_path, server.url, until_s=IN_MID_SENTENCE_S) as speaker:
            speaker.until(lambda it: len(it.texts) == 1 and it.unsent_s > 1)
            speaker.kill()
        speaker.until(lambda _: [len(finals) for finals in list_stored(server.url)] == [2])
        sent = speaker.run("send")
        assert (sent.returncode, sent.stdout.splitlines()[0]) == (0, list_stored(server.url)[0][1])
        finals = [text for dictation in list_stored(server.url) for text in dictation]
        assert len(finals) == len(set(finals)) == len(speaker.texts) + len(sent.stdout.splitlines())
        assert json.loads(speaker.run("--json").stdout) == []


def test_two_processes_send_it_once(served: RunningServer, tmp_path: Path) -> None:
    with speak(tmp_path, "http://127.0.0.1:9") as speaker:
        speaker.until(lambda it: it.unsent_s > 9)
        assert json.loads(speaker.run("--json").stdout)[0]["in_use"]
        assert "another process" in speaker.run("send").stderr
        assert speaker.finish() == 3
    assert "of speech are kept here" in speaker.told
    item = next((tmp_path / "prompter" / "unsent").iterdir())
    about = item / "about.json"
    about.write_text(about.read_text().replace("http://127.0.0.1:9", served.url))
    senders = [
        subprocess.Popen(
            [*COMMAND, "dictate", "--unsent", "send", "--url", served.url],
            stdout=subprocess.PIPE,
            env=speaker.environment,
            text=True,
        )
        for _ in range(2)
    ]
    said = sorted(sender.communicate(timeout=PATIENCE_S)[0].count("\n") for sender in senders)
    assert said == [0, 2]
    assert [len(finals) for finals in list_stored(served.url)] == [2]


def test_it_belongs_to_its_server_and_is_sent_to_no_other(served: RunningServer, tmp_path: Path) -> None:
    with speak(tmp_path, "http://127.0.0.1:9") as speaker:
        speaker.until(lambda it: it.unsent_s > 1)
        speaker.finish()
    id_ = json.loads(speaker.run("--json").stdout)[0]["id"]
    refused = speaker.run("send", id_, url=served.url)
    assert refused.returncode == 4
    assert "was spoken to http://127.0.0.1:9" in refused.stderr
    passed_over = speaker.run("send", url=served.url)
    assert (passed_over.returncode, list_stored(served.url)) == (0, [])
    assert "unsent for other servers or accounts: 1" in passed_over.stderr
    assert speaker.run("send").returncode == 3  # nobody is there
    assert speaker.run("discard", "nothing").returncode == 2
    assert speaker.run("burn").returncode == 2
    assert speaker.run("discard", id_[:-1]).returncode == 0
    assert json.loads(speaker.run("--json").stdout) == []


def test_the_longest_dictation_of_the_server_is_followed_by_another(
    clean_environment: None, tmp_path: Path
) -> None:
    with serve_engine(FakeEngine(), limits={"session_s": 6}) as server:
        with speak(tmp_path, server.url) as speaker:
            speaker.until(lambda it: len(it.texts) >= 3)
            assert speaker.finish() == 0
        stored = list_stored(server.url)
        assert len(stored) > 1
        assert [text for finals in stored for text in finals] == speaker.texts
    assert "the dictation reaches the longest that the server allows" in speaker.told
    assert json.loads(speaker.run("--json").stdout) == []


def test_a_second_ctrl_c_leaves_what_has_no_text(clean_environment: None, tmp_path: Path) -> None:
    gate = Gate()
    with serve_engine(FakeEngine(Script(gates={"finish": gate}))) as server:
        with speak(tmp_path, server.url) as speaker:
            speaker.until(lambda it: it.unsent_s > 9)
            speaker.process.send_signal(signal.SIGINT)
            speaker.until(lambda it: it.has_ended)
            assert speaker.finish() == 130
        assert "of speech are kept here" in speaker.told
        gate.open()
        sent = speaker.run("send")
        assert (sent.returncode, len(sent.stdout.splitlines())) == (0, 2)
        assert [text for finals in list_stored(server.url) for text in finals] == sent.stdout.splitlines()


def test_a_token_that_expires_in_mid_dictation_is_told_and_costs_nothing(
    clean_environment: None, tmp_path: Path
) -> None:
    with serve_engine(FakeEngine(), accounts=ACCOUNTS) as server:
        team = Team(server.resources.settings)
        ana, bob = team.add("ana"), team.add("bob")
        later, family = team.session(ana)
        expires_at = datetime.now(UTC) + timedelta(seconds=8)
        soon = team.tokens.sign(ana.id, family, 0, expires_at - team.tokens.life)[0]
        with speak(tmp_path, server.url, "--token", soon, speed=1.0) as speaker:
            assert speaker.process.wait(PATIENCE_S) == 4
        assert "the token expires in less than a minute" in speaker.told
        assert json.loads(speaker.run("--json").stdout)[0]["user"] == "ana"
        assert speaker.run("send", "--token", team.token(bob)).stdout == ""
        sent = speaker.run("send", "--token", later)
        assert sent.returncode == 0
        stored = fetch_dictations(server.url, make_bearer(later))
        finals = [item["text"] for each in stored for item in each["items"]]
        assert finals == speaker.texts + sent.stdout.splitlines()
        assert finals


async def test_a_server_that_is_killed_in_mid_sentence_loses_nothing(
    tmp_path: Path, reserved_port: int
) -> None:
    """Real weights, real crash: it takes a start of two servers (s)."""
    settings = {
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
    }
    async with run_server_process_at(reserved_port, tmp_path, **settings) as server:
        speaker = Speaker(tmp_path, server.url, speed=1.0)
        speaker.until(lambda it: len(it.texts) == 1 and it.unsent_s > 1.5)
        server.kill()
    try:
        speaker.until(lambda it: "not connected" in it.told)
        async with run_server_process_at(reserved_port, tmp_path, **settings) as server:
            speaker.until(lambda it: len(it.texts) == 2)
            assert speaker.finish() == 0
            assert list_stored(server.url) == [speaker.texts]
    finally:
        speaker.kill()
    said = RECORDING.with_suffix(".txt").read_text(encoding="utf-8").split()
    assert " ".join(speaker.texts).split() == said


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "1 s"), (42_400, "42 s"), (60_000, "1 min 0 s"), (192_000, "3 min 12 s")]
)
def test_a_length_is_said_as_a_person_does(ms: int, text: str) -> None:
    assert format_length(ms) == text

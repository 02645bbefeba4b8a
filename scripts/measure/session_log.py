"""Measures the log of live sessions on PostgreSQL: how long an append takes, and how long a final waits for it.

python scripts/measure/session_log.py postgresql://prompter@127.0.0.1/prompter [--sessions 50] [--seconds 20]

The database needs the newest schema (`prompter db upgrade`) and a user. Each session sends 100 ms of 16 kHz audio ten
times a second, three partials a second, and a final every three seconds.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import select

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import Settings, StorageSettings  # noqa: E402  # the path above comes first
from app.core.metrics import Observer  # noqa: E402
from app.services.dictation.events import Event  # noqa: E402
from app.services.dictation.journal import JournalWriter  # noqa: E402
from app.storage.database import Database  # noqa: E402
from app.storage.session_log import SessionBeginning  # noqa: E402
from app.storage.tables import UserRow  # noqa: E402
from app.utils.ids import new_id  # noqa: E402

CHUNK = random.Random(1).randbytes(3200)


class Recorder(Observer):
    def __init__(self) -> None:
        super().__init__()
        self.appends_ms: list[float] = []

    def time_session_append(self, took_s: float) -> None:
        self.appends_ms.append(took_s * 1000)


class Speaker:
    """One session, which sends audio and events at the pace of speech."""

    def __init__(self, writer: JournalWriter, user_id: Any) -> None:
        self.waits_ms: list[float] = []
        self._seq = self._audio_seq = 0
        self._due: dict[int, float] = {}
        self.journal = writer.open(None, 1, self._read_state, self._note_written, lambda: None)
        self.journal.begin(
            SessionBeginning(
                id=self.journal.id,
                epoch=1,
                user_id=user_id,
                dictation_id=new_id(),
                run_id=writer.run_id,
                token_hash=str(new_id()),
                label=None,
                earlier_token_hash=None,
                earlier_label=None,
                about="{}",
            )
        )

    def _read_state(self) -> dict[str, Any]:
        needed = max(self.journal.received - 128_000, 0)
        return {"seq": self._seq, "audio_seq": self._audio_seq, "needed": needed, "heard": {"marks": []}}

    def _note_written(self) -> None:
        for seq in [seq for seq in self._due if seq <= self.journal.logged_seq]:
            self.waits_ms.append((time.monotonic() - self._due.pop(seq)) * 1000)

    async def speak(self, seconds: float) -> None:
        await anyio.sleep(random.random() * 3)
        began_s = time.monotonic()
        for n in range(int(seconds * 10)):
            self._audio_seq += 1
            self.journal.add_audio(CHUNK)
            if n % 3 == 0:
                self._say("partial")
            if n % 30 == 29:
                self._due[self._seq + 1] = time.monotonic()
                self._say("final")
            await anyio.sleep(max(began_s + (n + 1) / 10 - time.monotonic(), 0))

    def _say(self, kind: Any) -> None:
        self._seq += 1
        event: Any = {"type": kind, "text": "what is the weather like in madrid today", "utterance_id": 1}
        told: Event = event | {"seq": self._seq, "revision": 1, "start_ms": 0, "end_ms": 1000}
        self.journal.add_event(told)


def describe(name: str, values_ms: list[float]) -> str:
    cuts = statistics.quantiles(values_ms, n=100)
    return (
        f"{name}: n={len(values_ms)} p50={cuts[49]:.2f} ms p95={cuts[94]:.2f} ms max={max(values_ms):.1f} ms"
    )


async def measure(url: str, sessions: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), storage=StorageSettings(url=url))
        database, recorder = Database(settings), Recorder()
        async with database.read() as session:
            user_id = await session.scalar(select(UserRow.id).limit(1))
        if user_id is None:
            sys.exit("the database has no user: prompter users add NAME")
        writer = JournalWriter(settings, database, recorder)
        async with writer.run(), anyio.create_task_group() as group:
            speakers = [Speaker(writer, user_id) for _ in range(sessions)]
            for speaker in speakers:
                group.start_soon(speaker.speak, seconds)
        for speaker in speakers:
            writer.end(speaker.journal)
        async with writer.run():
            await writer.wait_for_ends()
        await database.aclose()
    waits_ms = [wait for speaker in speakers for wait in speaker.waits_ms]
    print(f"{sessions} sessions, {seconds:g} s")
    print(describe("an append of all sessions that have something", recorder.appends_ms))
    print(describe("a final, from its emission until it may leave", waits_ms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    anyio.run(measure, options.url, options.sessions, options.seconds)


if __name__ == "__main__":
    main()

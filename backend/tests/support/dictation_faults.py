"""Dictations through faults: line, server, decode worker and client break while people speak; no utterance may be lost.

Each dictation runs twice over real servers, first without a fault. What stands in the client's draft and what the
server has stored are then both compared with the unbroken run.
"""

import json
import os
import random
import signal
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

import anyio
import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ, Clip, PlacedClip
from app.bench.kept import count_kept, split_words
from app.bench.machine import list_process_tree
from app.client.dictation import Dictation
from app.client.errors import ClientError, Unreachable
from app.client.events import Event
from app.client.speech_socket import open_speech_socket
from tests.support.command import ServerProcess, run_server_process_at
from tests.support.proxy import Proxy, run_proxy

Fault = Literal["cut", "half-open", "worker killed", "server killed", "server paused", "client crashed"]
FAULTS: tuple[Fault, ...] = (
    "cut", "half-open", "worker killed", "server killed", "server paused", "client crashed"
)  # fmt: skip
OF_ALL = ("worker killed", "server killed", "server paused")
"""Faults that concern every dictation that goes on."""
CHUNK_MS = 100
CHUNK = RATE_HZ * CHUNK_MS // 1000 * 2
TAIL_S = 1.5
AWAY_S = (0.2, 3.0)
"""How long a client that crashed is away."""
BACK_S = 90.0
"""A dictation that does not go on so long after a fault is not waited for."""
ENDS_S = 300.0
"""A dictation that has not ended so long after its audio is lost."""
SETTLES_S = 100.0
"""The audio of a dictation is on disk for at most so long after its end: `limits.resume_s`, and the decode."""
NEARBY = 40
"""How many words away the same words are found that are written twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one person dictates, and with which engine."""

    name: str
    lang: str
    provider: str
    model: str | None
    samples: NDArray[np.int16]
    lines: tuple[PlacedClip, ...]

    @property
    def truth(self) -> list[str]:
        return [word for line in self.lines for word in split_words(line.clip.text, self.lang)]

    def find_clip(self, ms: int) -> str:
        """The recording that is spoken at this time, or the last one before it."""
        before = [line for line in self.lines if line.start_ms <= ms]
        return before[-1].clip.id if before else self.lines[0].clip.id


def make_scene(
    clips: Sequence[tuple[Clip, NDArray[np.int16]]],
    dice: random.Random,
    *,
    name: str,
    provider: str,
    model: str | None = None,
    long_s: tuple[float, float] = (20.0, 60.0),
) -> Scene:
    """Clips of one language in a random order, with pauses of 0.3 to 2 s, until there is enough."""
    wanted_s = dice.uniform(*long_s)
    pieces: list[NDArray[np.int16]] = []
    lines: list[PlacedClip] = []
    at = 0
    for clip, samples in dice.sample(list(clips), len(clips)):
        if lines and (at + len(samples)) / RATE_HZ > wanted_s:
            continue
        pause = np.zeros(int(dice.uniform(0.3, 2.0) * RATE_HZ), np.int16)
        lines.append(
            PlacedClip(clip=clip, start_ms=at * 1000 / RATE_HZ, end_ms=(at + len(samples)) * 1000 / RATE_HZ)
        )
        pieces += [samples, pause]
        at += len(samples) + len(pause)
    pieces.append(np.zeros(int(TAIL_S * RATE_HZ), np.int16))
    return Scene(
        name=name,
        lang=clips[0][0].lang,
        provider=provider,
        model=model,
        samples=np.concatenate(pieces),
        lines=tuple(lines),
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """A final with the place of its audio in the scene; None where the server does not say it."""

    text: str
    start_ms: int | None
    end_ms: int | None


@dataclass(slots=True)
class Take:
    """One dictation as it went: what its client was told, what the server has stored, what happened."""

    told: list[Heard] = field(default_factory=list)
    stored: list[Heard] = field(default_factory=list)
    faults: list[tuple[Fault, int]] = field(default_factory=list)
    """Each with the audio that had been spoken (ms)."""
    failure: str = ""


class Speaker:
    """Dictates a scene to its end, whatever happens: a client that crashed comes back and goes on."""

    def __init__(self, scene: Scene, line: Proxy, *, speed: float, dice: random.Random) -> None:
        self.scene = scene
        self.line = line
        self.take = Take()
        self.is_over = False
        self.events = 0
        """How many events have come."""
        self._speed = speed
        self._dice = dice
        pcm = scene.samples.astype("<i2").tobytes()
        self._chunks = [pcm[at : at + CHUNK] for at in range(0, len(pcm), CHUNK)]
        self._began_s = anyio.current_time()
        self._scope = anyio.CancelScope()
        self._has_crashed = False
        self._dictation_id = ""
        self.dictations: dict[str, int] = {}
        """Where each stored dictation of this speaker begins in the scene (ms)."""
        self._offset_ms = 0
        """Where the present session begins in the scene."""
        self._told_ms = 0
        """The scene up to here has finals."""

    @property
    def spoken_ms(self) -> int:
        s = (anyio.current_time() - self._began_s) * self._speed
        return int(min(s * 1000, len(self.scene.samples) * 1000 / RATE_HZ))

    def crash(self) -> None:
        """End the client without a word to the server."""
        self._has_crashed = True
        self.line.cut(reset=True)
        self._scope.cancel()

    async def run(self) -> Take:
        """Dictate to the end; the take says what came of it."""
        try:
            with anyio.fail_after(ENDS_S + len(self._chunks) / 10 / self._speed):
                while not await self._live():  # noqa: ASYNC110  # it is away for a while
                    await anyio.sleep(self._dice.uniform(*AWAY_S))
        except (ClientError, TimeoutError) as error:
            self.take.failure = f"{type(error).__name__}: {error}"
        self.is_over = True
        return self.take

    async def _live(self) -> bool:
        """One life of the client. Returns whether the dictation has ended."""
        self._has_crashed = False
        ended = False
        with anyio.CancelScope() as self._scope:
            try:
                async with aclosing(self._make_dictation().events()) as events:
                    async for event in events:
                        self._hear(event)
                        ended = event.type == "stopped"
            except ClientError as error:
                is_early = isinstance(error, Unreachable) and bool(self._dictation_id)  # it tries again
                if not (self._has_crashed or is_early):
                    raise
        return ended

    def _make_dictation(self) -> Dictation:
        scene = self.scene
        config: dict[str, Any] = {
            "lang": scene.lang,
            "provider": scene.provider,
            "model": scene.model,
            "sample_rate": RATE_HZ,
            "endpointing": "conversation",
        }
        source = self._speak(0)
        if self._dictation_id:
            config["continues_dictation"] = self._dictation_id
            begins_ms = self.dictations[self._dictation_id]
            config["told_ms"] = max(self._told_ms - begins_ms, 0)
            source = self._speak(begins_ms)
        start = {
            "type": "start",
            "config": {key: value for key, value in config.items() if value is not None},
        }
        address = f"ws{self.line.url.removeprefix('http')}/ws/stt"
        return Dictation(lambda: open_speech_socket(address, {}, False), start, source, resume=True)

    async def _speak(self, from_ms: int) -> AsyncIterator[bytes]:
        """The audio from here on, each chunk once it has been spoken; a crash stops no microphone."""
        pcm = self.scene.samples.astype("<i2").tobytes()[from_ms * RATE_HZ // 1000 * 2 :]
        for at in range(0, len(pcm), CHUNK):
            due_s = self._began_s + (from_ms / 1000 + (at + CHUNK) / 2 / RATE_HZ) / self._speed
            await anyio.sleep(max(due_s - anyio.current_time(), 0))
            yield pcm[at : at + CHUNK]

    def _hear(self, event: Event) -> None:
        data = event.data
        self.events += 1
        if event.type == "ready":
            if data["safe_ms"] is not None:
                self._offset_ms = self.dictations[data["dictation_id"]] + data["base_ms"]
            elif self._dictation_id:  # a new dictation, of what has no final
                self._offset_ms = max(self._offset_ms, self._told_ms)
            self._dictation_id = data["dictation_id"]
            self.dictations.setdefault(self._dictation_id, self._offset_ms)
        elif event.type == "final" and event.text:
            is_placed = data["end_ms"] > 0
            start_ms, end_ms = (data[name] + self._offset_ms for name in ("start_ms", "end_ms"))
            self._told_ms = max(self._told_ms, end_ms)
            place = (start_ms, end_ms) if is_placed else (None, None)
            self.take.told.append(Heard(event.text, *place))


class MortalServer:
    """A server on one port and one data folder, killed and started again, or paused."""

    def __init__(self, folder: Path, port: int, **env: str) -> None:
        self._folder, self._port, self._env = folder, port, env
        self._stack = AsyncExitStack()
        self.process: ServerProcess
        self.troubles: list[str] = []
        """Lines of its logs from errors on."""

    async def start(self) -> None:
        self.process = await self._stack.enter_async_context(
            run_server_process_at(self._port, self._folder, **self._env)
        )

    async def kill(self) -> None:
        """`kill -9`."""
        await anyio.to_thread.run_sync(self.process.kill)
        await self.aclose()

    async def pause(self, seconds: float) -> None:
        self.process.process.send_signal(signal.SIGSTOP)
        try:
            await anyio.sleep(seconds)
        finally:
            self.process.process.send_signal(signal.SIGCONT)

    def kill_worker(self, dice: random.Random) -> bool:
        """Kill one process that decodes; false where there is none: Whisper decodes in threads."""
        workers = [pid for pid in list_process_tree(self.process.process.pid)[1:] if _is_worker(pid)]
        if workers:
            os.kill(dice.choice(workers), signal.SIGKILL)
        return bool(workers)

    async def aclose(self) -> None:
        log = self.process.log.splitlines()
        self.troubles += [line for line in log if line.startswith(("ERROR", "Traceback", "CRITICAL"))]
        await self._stack.aclose()


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return False


@dataclass(slots=True, kw_only=True)
class Difference:
    """Words that differ between the unbroken and the broken run, and where their audio is."""

    scene: str
    view: str
    clip: str
    at_ms: int | None
    unbroken: str
    broken: str
    kind: str
    """`lost`, `twice` or `differs`."""
    faults: list[tuple[Fault, int]]


@dataclass(slots=True)
class Row:
    """Counts of one view of one language and engine."""

    dictations: int = 0
    failed: int = 0
    utterances: int = 0
    lost: int = 0
    twice: int = 0
    words: int = 0
    unbroken_right: int = 0
    broken_right: int = 0


@dataclass(slots=True)
class Outcome:
    """What a campaign has found."""

    faults: dict[str, int] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left_on_disk: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def count(self, name: str) -> int:
        """The sum of a column over all rows."""
        return sum(getattr(row, name) for row in self.rows.values())

    def compare(self, scene: Scene, unbroken: Take, broken: Take) -> None:
        """Add what differs in each view of one dictation."""
        if broken.failure or unbroken.failure:
            self.failures.append(f"{scene.name}: {unbroken.failure or broken.failure} {broken.faults}")
        for view in ("told", "stored"):
            whole, found = getattr(unbroken, view), getattr(broken, view)
            row = self.rows.setdefault(f"{scene.provider} {scene.lang} {view}", Row())
            row.dictations += 1
            row.failed += bool(broken.failure)
            row.utterances += len(whole)
            row.words += len(scene.truth)
            row.unbroken_right += count_kept(scene.truth, _words(whole, scene.lang))
            row.broken_right += count_kept(scene.truth, _words(found, scene.lang))
            for difference in find_differences(scene, view, whole, found, broken.faults):
                self.differences.append(difference)
                row.lost += difference.kind == "lost"
                row.twice += difference.kind == "twice"


def find_differences(
    scene: Scene,
    view: str,
    whole: Sequence[Heard],
    found: Sequence[Heard],
    faults: list[tuple[Fault, int]],
) -> list[Difference]:
    """An utterance is lost if none of its words is there, and is there twice if its words come again nearby."""
    placed = [(word, n) for n, heard in enumerate(whole) for word in split_words(heard.text, scene.lang)]
    before, after = [word for word, _ in placed], _words(found, scene.lang)
    kept: Counter[int] = Counter()
    made: list[Difference] = []

    def add(kind: str, n: int, old: Iterable[str], new: Iterable[str]) -> None:
        at_ms = whole[n].start_ms if n < len(whole) else None
        made.append(
            Difference(
                scene=scene.name,
                view=view,
                clip=scene.find_clip(whole[n].end_ms or 0) if n < len(whole) else "",
                at_ms=at_ms,
                unbroken=" ".join(old),
                broken=" ".join(new),
                kind=kind,
                faults=faults,
            )
        )

    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        n = placed[min(i1, len(placed) - 1)][1] if placed else 0
        if tag == "equal":
            kept.update(number for _, number in placed[i1:i2])
            continue
        more = after[j1:j2]
        near = before[max(i1 - NEARBY, 0) : i2 + NEARBY]
        is_twice = len(more) - (i2 - i1) >= 2 and count_kept(more, near) >= 0.6 * len(more)
        add("twice" if is_twice else "differs", n, before[i1:i2], more)
    for n, heard in enumerate(whole):
        if not kept[n] and (words := split_words(heard.text, scene.lang)):
            # One that is heard in other words at its place is there.
            is_there = any(_overlap_ms(heard, other) > 0 for other in found)
            if not is_there:
                add("lost", n, words, ())
    return made


def _overlap_ms(one: Heard, other: Heard) -> int:
    if None in (one.start_ms, one.end_ms, other.start_ms, other.end_ms):
        return 0
    assert one.start_ms is not None and one.end_ms is not None  # noqa: PT018  # for the type checker
    assert other.start_ms is not None and other.end_ms is not None  # noqa: PT018
    return min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)


def _words(heard: Iterable[Heard], lang: str) -> list[str]:
    return [word for final in heard for word in split_words(final.text, lang)]


class DictationCampaign:
    """Dictations in waves, several at once: each wave without a fault, and then with as many as fit."""

    def __init__(
        self,
        server: MortalServer,
        folder: Path,
        *,
        seed: int,
        speed: float,
        pause_s: float,
        gap_s: tuple[float, float],
        most_a_wave: int,
        report: Callable[[str, Outcome], None] = lambda _, __: None,
    ) -> None:
        self._server, self._folder = server, folder
        self._dice = random.Random(seed)
        self._speed, self._pause_s, self._gap_s = speed, pause_s, gap_s
        self._most_a_wave = most_a_wave
        self._report = report
        self.outcome = Outcome()

    async def run(self, waves: Iterable[Sequence[Scene]], faults: Iterable[Fault]) -> Outcome:
        """Go through waves until no fault is left to come."""
        left = deque(faults)
        await self._server.start()
        try:
            for number, scenes in enumerate(waves, start=1):
                if not left:
                    break
                unbroken = await self._run_wave(scenes, None)
                broken = await self._run_wave(scenes, left)
                for scene, whole, found in zip(scenes, unbroken, broken, strict=True):
                    self.outcome.compare(scene, whole, found)
                self._report(
                    f"wave {number}: {sum(self.outcome.faults.values())} faults,"
                    f" {self.outcome.count('lost')} lost, {self.outcome.count('twice')} twice,"
                    f" {len(self.outcome.failures)} failed {self.outcome.failures[-len(scenes) :]}",
                    self.outcome,
                )
        finally:
            await self._server.aclose()
        self.outcome.troubles = self._server.troubles
        return self.outcome

    async def _run_wave(self, scenes: Sequence[Scene], faults: deque[Fault] | None) -> list[Take]:
        async with AsyncExitStack() as stack:
            speakers = [
                Speaker(
                    scene,
                    await stack.enter_async_context(run_proxy(self._server.process.url)),
                    speed=self._speed,
                    dice=random.Random(self._dice.random()),
                )
                for scene in scenes
            ]
            async with anyio.create_task_group() as group:
                for speaker in speakers:
                    group.start_soon(speaker.run)
                if faults is not None:
                    await self._break(speakers, faults)
            await self._wait_until_settled()
            for speaker in speakers:
                speaker.take.stored = await self._list_stored(speaker)
        return [speaker.take for speaker in speakers]

    async def _break(self, speakers: Sequence[Speaker], faults: deque[Fault]) -> None:
        until = max(len(faults) - self._most_a_wave, 0)
        while len(faults) > until:
            await anyio.sleep(self._dice.uniform(*self._gap_s))
            active = [speaker for speaker in speakers if not speaker.is_over]
            if not active:
                return
            fault = faults.popleft()
            struck = active if fault in OF_ALL else [self._dice.choice(active)]
            for speaker in struck:
                speaker.take.faults.append((fault, speaker.spoken_ms))
            if await self._strike(fault, struck[0]):
                self.outcome.faults[fault] = self.outcome.faults.get(fault, 0) + 1
                await self._wait_until_back(struck)
            else:
                faults.append(fault)
                for speaker in struck:
                    speaker.take.faults.pop()

    async def _wait_until_back(self, struck: Sequence[Speaker]) -> None:
        """Wait until most of them go on: the next fault may strike the others while they come back."""
        heard = {speaker: speaker.events for speaker in struck}
        with anyio.move_on_after(BACK_S):
            while 2 * sum(each.is_over or each.events > heard[each] for each in struck) <= len(struck):  # noqa: ASYNC110  # each hears of its own
                await anyio.sleep(0.1)

    async def _strike(self, fault: Fault, speaker: Speaker) -> bool:
        match fault:
            case "cut":
                speaker.line.cut(reset=self._dice.random() < 0.5)
            case "half-open":
                speaker.line.freeze()
            case "client crashed":
                speaker.crash()
            case "worker killed":
                return self._server.kill_worker(self._dice)
            case "server paused":
                await self._server.pause(self._pause_s)
            case "server killed":
                await self._server.kill()
                await anyio.sleep(self._dice.uniform(0, 2))
                await self._server.start()
        return True

    async def _wait_until_settled(self) -> None:
        spool = self._folder / "data" / "spool"
        with anyio.move_on_after(SETTLES_S):
            while any(spool.rglob("*.pcm")):  # noqa: ASYNC110  # another process deletes it
                await anyio.sleep(0.2)
            return
        self.outcome.left_on_disk += [path.parent.name for path in spool.rglob("*.pcm")]

    async def _list_stored(self, speaker: Speaker) -> list[Heard]:
        found: list[Heard] = []
        async with self._server.process.client() as client:
            for dictation_id, offset_ms in speaker.dictations.items():
                answer = await client.get(f"/api/dictations/{dictation_id}")
                items = answer.json()["items"] if answer.status_code == 200 else []
                found += [
                    Heard(item["text"], item["start_ms"] + offset_ms, item["end_ms"] + offset_ms)
                    for item in items
                ]
        return sorted(found, key=lambda heard: heard.start_ms or 0)


def spread_faults(count: int, dice: random.Random, kinds: Sequence[Fault] = FAULTS) -> list[Fault]:
    """So many faults, each kind as often as the others, in a random order."""
    faults = [kinds[n % len(kinds)] for n in range(count)]
    dice.shuffle(faults)
    return faults


def format_outcome(outcome: Outcome) -> str:
    """Tables of an outcome, as Markdown."""
    heads = ["engine, language, view", "dictations", "failed", "utterances", "lost", "twice", "words"]
    lines = ["| " + " | ".join([*heads, "right unbroken", "right"]) + " |"]
    lines.append("|---" * 9 + "|")
    for name, row in outcome.rows.items():
        cells = [name, row.dictations, row.failed, row.utterances, row.lost, row.twice, row.words]
        cells += [row.unbroken_right, row.broken_right]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {fault} | {times} |" for fault, times in outcome.faults.items()]
    lines += ["", "| kind | scene, view | recording, ms | unbroken | broken | faults |", "|---" * 6 + "|"]
    for each in outcome.differences:
        faults = ", ".join(f"{fault} {at / 1000:.0f} s" for fault, at in each.faults)
        lines.append(
            f"| {each.kind} | {each.scene}, {each.view} | {each.clip}, {each.at_ms} | {each.unbroken} |"
            f" {each.broken} | {faults} |"
        )
    return "\n".join(lines)


def to_json(outcome: Outcome) -> str:
    """An outcome as JSON."""
    return json.dumps(asdict(outcome), indent=1, ensure_ascii=False)

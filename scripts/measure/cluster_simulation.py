"""Simulates a cluster on scripted time: thousands of speakers, gateways and workers, decided by the real policy.

python scripts/measure/cluster_simulation.py --speakers 10000 --workers 200 --cores 8 --gateways 80

Each gateway has its speakers, its share of the workers' cores, and a `SchedulingPolicy` of its own, as in the server.
Engine, network and clock are simulated; each decision is made and timed. It prints how long finals and partials
queue, what a decision costs, and how much of each part of the cluster is in use. Ten thousand speakers take a few
minutes of one core.
"""

import argparse
import heapq
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import EndpointingSettings  # noqa: E402  # the path above comes first
from app.services.decoding.policy import (  # noqa: E402
    SHEDDABLE,
    Job,
    JobState,
    Priority,
    SchedulingPolicy,
    Ticket,
)
from app.services.decoding.stability import LONG_WINDOW_S  # noqa: E402
from app.services.decoding.told_speech import TOLD_S  # noqa: E402
from app.services.decoding.window_session import PARTIAL_WITHIN_S, WITHIN_S  # noqa: E402
from app.services.decoding.window_stream import (  # noqa: E402
    FIRST_S,
    OVERDUE_S,
    PartialDecode,
    is_partial_due,
)

SPOKEN = """0.9; 2.0; 0.4; 1.7; 1.0; 1.6; 1.7; 1.0; 1.5; 5.0; 6.6; 9.3; 4.1; 2.2; 7.6; 21.4 4.1-4.2 11.7-11.9;
20.8 13.7-13.8 19.6-19.7; 22.0 1.9-2.0 7.3-7.4 9.3-9.5 14.8-14.9 17.1-17.2 17.9-18.1; 19.9 4.0-4.1 8.8-8.9 11.8-11.9
14.6-14.7 17.3-17.4; 22.4 3.3-3.4 10.0-10.1 12.8-12.9 19.5-19.6; 23.7 2.2-2.3 7.4-7.6 9.5-9.6 12.2-12.3 17.2-17.4;
18.0 4.8-4.9 10.2-10.4 13.7-13.8 16.5-16.6; 21.2 2.3-2.5 11.0-11.1 13.7-13.9 19.2-19.4; 21.0 0.9-1.0 3.0-3.2 6.6-6.7
10.2-10.3 11.7-11.8 13.0-13.1 16.0-16.1; 20.3 1.7-1.8 3.9-4.1 4.9-5.1 7.8-7.9 9.6-9.7 13.4-13.5 18.7-18.8; 15.1 1.9-2.1
8.0-8.1 10.8-10.9; 7.6 2.1-2.2 6.2-6.5; 5.2; 2.4 1.5-1.6; 1.8; 2.7; 2.2; 0.4; 5.3; 7.6; 1.1; 4.4 3.1-3.2; 10.7 1.7-1.8
3.9-4.0 7.6-7.9; 1.4; 2.6; 2.0; 2.9; 3.7; 4.0 1.7-1.8 2.5-2.6; 8.4 1.3-1.4; 0.5; 2.4; 17.5 3.7-3.9; 5.7; 10.0 1.4-1.6
2.7-2.8 4.1-4.3 5.8-6.0 8.4-8.6; 3.9 2.1-2.4; 1.9 0.9-1.0; 11.7 7.3-7.5 9.2-9.3; 6.1 1.8-2.0; 3.1; 6.5; 5.7; 5.6;
15.8 8.7-8.8; 4.7 0.6-0.8 1.7-2.0; 5.6 3.8-4.1; 4.8 1.1-1.2; 4.4; 2.4; 6.2; 3.2; 1.7; 3.4 1.2-1.4; 10.2; 6.5; 5.5; 3.6;
8.6 0.4-0.6; 14.5; 5.2"""
"""75 utterances that the segmenter found in 34 recordings of people (`conversation`): the length of the speech, and the
times at which a pause inside it was noticed and ended (s)."""

PRE_ROLL_S = 0.4
ENDPOINT = EndpointingSettings()
PROVISIONAL_S, SILENCE_S = ENDPOINT.provisional_ms / 1000, ENDPOINT.conversation_ms / 1000
GAP_S = 1.2, 2.0
"""Silence between two utterances of a speaker, as in the benchmark."""
CHUNK_S = 0.1
AUDIO_BYTES_S = 32_000
"""Bytes of a second of audio at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Core seconds of a decode: so much for each, and so much for a second of its audio."""

    each_s: float
    per_second: float

    def of(self, audio_s: float) -> float:
        return self.each_s + self.per_second * audio_s


@dataclass(frozen=True, slots=True)
class Checkpoint:
    final: Cost
    partial: Cost


CHECKPOINTS = {
    "base": Checkpoint(final=Cost(0.17, 0.031), partial=Cost(0.13, 0.023)),
    "tiny.en": Checkpoint(final=Cost(0.095, 0.017), partial=Cost(0.073, 0.013)),
}
"""`base`: fitted to decodes of 13 recordings of 2 to 11 s, int8, one thread of an AMD EPYC, and scaled so that the mean
final is the 0.4 s of docs/performance.md. `tiny.en`: 0.56 times as much, as for whole recordings."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance: how long its speech is, and the pauses inside that look like its end (s from its onset)."""

    speech_s: float
    pauses: tuple[tuple[float, float], ...] = ()


def parse_spoken(text: str) -> list[Spoken]:
    found = []
    for part in text.split(";"):
        length, *pauses = part.split()
        pairs = [tuple(map(float, pause.split("-"))) for pause in pauses]
        found.append(Spoken(float(length), tuple((begin, end) for begin, end in pairs)))
    return found


class Timeline:
    """Scripted time: what is to happen happens in order, without waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until


@dataclass
class Figures:
    """What was seen after the warm-up. Times are seconds."""

    since: float
    to_final_s: list[float] = field(default_factory=list)
    """From the end of speech to the final."""
    final_queue_s: list[float] = field(default_factory=list)
    """From the end of the endpoint's silence to the final, less its decode: what the speaker waits for the queue."""
    partial_queue_s: list[float] = field(default_factory=list)
    first_partial_s: list[float] = field(default_factory=list)
    """From the onset of speech."""
    shed: int = 0
    decisions_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    sent_bytes: float = 0.0
    highest_level: int = 0
    ended: int = 0
    """Utterances whose silence ended."""
    refused: int = 0


class Gateway:
    """One gateway's policy, and the simulated cores that run its jobs."""

    def __init__(
        self, timeline: Timeline, cores: int, figures: Figures, *, call_s: float, admit_load: float
    ) -> None:
        self.policy = SchedulingPolicy(cores, admit_below=admit_load)
        self.timeline, self.figures = timeline, figures
        self._call_s = call_s
        self._then: dict[Ticket, Callable[[Ticket], None]] = {}
        self._cost_s: dict[Ticket, float] = {}

    def ask(self, job: Job, cost_s: float, then: Callable[[Ticket], None]) -> Ticket:
        """Submit a job; `then` is called when it is done or shed, and not when it was cancelled in the queue."""
        began_s = time.thread_time()
        ticket = self.policy.submit(job, self.timeline.now)
        self._then[ticket], self._cost_s[ticket] = then, cost_s
        self._dispatch(began_s)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        began_s = time.thread_time()
        self.policy.cancel(ticket)
        if ticket.state is JobState.CANCELLED:
            del self._then[ticket], self._cost_s[ticket]
        self._dispatch(began_s)

    def promote(self, session: int) -> None:
        began_s = time.thread_time()
        self.policy.promote(session, self.timeline.now)
        self._dispatch(began_s)

    def _dispatch(self, began_s: float) -> None:
        now, figures = self.timeline.now, self.figures
        decided = self.policy.dispatch(now)
        is_counted = now >= figures.since
        if is_counted:
            figures.decisions_s.append(time.thread_time() - began_s)
            figures.highest_level = max(figures.highest_level, self.policy.monitor.level)
        for ticket in decided:
            if ticket.state is JobState.RUNNING:
                self._start(ticket, is_counted=is_counted)
            elif ticket in self._then:
                figures.shed += is_counted
                del self._cost_s[ticket]
                self._then.pop(ticket)(ticket)

    def _start(self, ticket: Ticket, *, is_counted: bool) -> None:
        took_s = self._cost_s.pop(ticket) + self._call_s
        if is_counted:
            self.figures.busy_s += took_s
            self.figures.sent_bytes += ticket.job.audio_s * AUDIO_BYTES_S
        self.timeline.at(self.timeline.now + took_s, lambda: self._finish(ticket))

    def _finish(self, ticket: Ticket) -> None:
        began_s = time.thread_time()
        self.policy.finish(ticket, self.timeline.now)
        self._dispatch(began_s)
        self._then.pop(ticket)(ticket)


class Speaker:
    """Speaks one utterance after the other; its session decodes them as `LiveWindowStream` does."""

    def __init__(
        self, gateway: Gateway, session: int, checkpoint: Checkpoint, spoken: Sequence[Spoken]
    ) -> None:
        self.gateway, self.session, self.checkpoint = gateway, session, checkpoint
        self._dice = Random(session)
        self._spoken = spoken
        self._waiting: deque[tuple[float, Spoken]] = deque()
        self._current: Utterance | None = None
        self.before_s = 0.0
        """Speech of the last final, which the next one is decoded with."""

    def start(self) -> None:
        gateway = self.gateway
        now = gateway.timeline.now
        if gateway.policy.admission_wait_s(now, "engine") is not None:
            gateway.figures.refused += 1
            return
        gateway.policy.open(self.session, now, "engine")
        self._begin()

    def _begin(self) -> None:
        timeline = self.gateway.timeline
        spoken = self._dice.choice(self._spoken)
        self._waiting.append((timeline.now, spoken))
        timeline.at(timeline.now + spoken.speech_s + self._dice.uniform(*GAP_S), self._begin)
        self._open_next()

    def _open_next(self) -> None:
        if self._current is None and self._waiting:
            self._current = Utterance(self, *self._waiting.popleft())

    def on_final(self, utterance: "Utterance") -> None:
        self.before_s = utterance.spoken.speech_s
        self.gateway.policy.admission.count_speech(self.session, utterance.spoken.speech_s)
        self._current = None
        self._open_next()


class Utterance:
    """One utterance at its gateway: partials while it grows, a final in each pause, the last of which is told."""

    def __init__(self, speaker: Speaker, onset: float, spoken: Spoken) -> None:
        self._speaker, self.onset, self.spoken = speaker, onset, spoken
        self._gateway = speaker.gateway
        self._timeline = speaker.gateway.timeline
        self.ends = onset + spoken.speech_s
        self._last: PartialDecode | None = None
        self._decoded_s: float | None = None
        self._partial: Ticket | None = None
        self._eager: Ticket | None = None
        self._void: Ticket | None = None
        """An eager final whose pause was none, and that still runs: the next final of the session waits for it."""
        self._is_final_wanted = False
        self._is_paused = self._is_told = False
        self._script()

    def _script(self) -> None:
        at, now = self._timeline.at, self._timeline.now
        at(self.onset + FIRST_S, self._look)
        for begin, end in self.spoken.pauses:
            if self.onset + begin >= now:
                at(self.onset + begin, lambda begin=begin: self._pause(begin))
                at(self.onset + end, self._resume)
        at(self.ends + PROVISIONAL_S, lambda: self._pause(self.spoken.speech_s))
        at(self.ends + SILENCE_S, self._end)

    # -- partials

    def _look(self) -> None:
        """With each chunk: is a partial due?"""
        now = self._timeline.now
        if self._is_paused or self._partial is not None or now > self.ends + PROVISIONAL_S:
            return
        heard_s = now - self.onset + PRE_ROLL_S
        is_first = self._decoded_s is None or heard_s - self._decoded_s >= OVERDUE_S
        is_overdue = self._decoded_s is not None and is_first
        factor = 1.0 if is_overdue else self._gateway.policy.pressure(now).factor
        if not is_partial_due(heard_s, PRE_ROLL_S, self._last, factor):
            self._timeline.at(now + CHUNK_S, self._look)
            return
        audio_s = min(heard_s, LONG_WINDOW_S)
        job = self._job(Priority.FIRST_PARTIAL if is_first else Priority.PARTIAL, audio_s)
        cost_s = self._speaker.checkpoint.partial.of(audio_s)
        asked: list[Ticket] = []
        ticket = self._gateway.ask(
            job, cost_s, lambda ticket: self._on_partial(ticket, asked_s=now, cost_s=cost_s)
        )
        asked.append(ticket)
        if ticket.state in (JobState.WAITING, JobState.RUNNING):
            self._partial = ticket

    def _on_partial(self, ticket: Ticket, *, asked_s: float, cost_s: float) -> None:
        now, figures = self._timeline.now, self._gateway.figures
        self._partial = None
        if ticket.state is JobState.SHED:
            self._last = PartialDecode(asked_s - self.onset + PRE_ROLL_S)
        else:
            covered_s = min(ticket.started_at, self.ends + PROVISIONAL_S) - self.onset + PRE_ROLL_S
            if now >= figures.since:
                figures.partial_queue_s.append(ticket.started_at - asked_s)
                if self._decoded_s is None:
                    figures.first_partial_s.append(now - self.onset)
            self._decoded_s = covered_s
            self._last = PartialDecode(covered_s, cost_s, now - asked_s)
        if not self._is_told:
            self._timeline.at(now + CHUNK_S, self._look)

    # -- finals

    def _pause(self, speech_s: float) -> None:
        self._is_paused = True
        if self._partial is not None:
            self._gateway.cancel(self._partial)
            self._partial = None
        if self._void is None:
            self._ask_final(Priority.EAGER, speech_s)

    def _resume(self) -> None:
        self._is_paused = False
        eager, self._eager = self._eager, None
        if eager is not None:
            self._gateway.cancel(eager)
            self._void = eager if eager.state is JobState.RUNNING else None
        self._timeline.at(self._timeline.now + CHUNK_S, self._look)

    def _end(self) -> None:
        self._is_final_wanted = True
        self._gateway.figures.ended += self._timeline.now >= self._gateway.figures.since
        if self._eager is None:
            if self._void is None:
                self._ask_final(Priority.FINAL, self.spoken.speech_s)
        elif self._eager.state is JobState.DONE:
            self._tell(self._eager)
        else:
            self._gateway.promote(self._speaker.session)

    def _ask_final(self, priority: Priority, speech_s: float) -> None:
        audio_s = speech_s + PRE_ROLL_S + min(self._speaker.before_s, TOLD_S)
        cost_s = self._speaker.checkpoint.final.of(audio_s)
        self._eager = self._gateway.ask(self._job(priority, audio_s), cost_s, self._on_final)

    def _on_final(self, ticket: Ticket) -> None:
        if ticket is self._void:
            self._void = None
            if self._is_final_wanted or self._is_paused:
                priority = Priority.FINAL if self._is_final_wanted else Priority.EAGER
                self._ask_final(priority, min(self._timeline.now - self.onset, self.spoken.speech_s))
        elif self._is_final_wanted and ticket is self._eager:
            self._tell(ticket)

    def _tell(self, ticket: Ticket) -> None:
        assert ticket.state is JobState.DONE, "a final was lost"
        now, figures = self._timeline.now, self._gateway.figures
        self._is_told = True
        if now >= figures.since:
            figures.to_final_s.append(now - self.ends)
            waited_s = ticket.started_at - self.ends - SILENCE_S
            figures.final_queue_s.append(max(waited_s, 0.0))
        self._speaker.on_final(self)

    def _job(self, priority: Priority, audio_s: float) -> Job:
        within_s = PARTIAL_WITHIN_S if priority in SHEDDABLE else WITHIN_S[priority]
        return Job(
            session=self._speaker.session,
            priority=priority,
            audio_s=audio_s,
            deadline=self._timeline.now + within_s,
            cost_key="engine/partial" if priority in SHEDDABLE else "engine/final",
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    speakers: int
    workers: int
    cores: int
    """Cores of one worker; each decodes one utterance at a time."""
    gateways: int
    checkpoint: str = "base"
    measured_s: float = 20.0
    warm_up_s: float = 20.0
    call_s: float = 0.0012
    """What a call of a worker adds to a decode (s)."""
    audio_ms: float = 5.3
    """CPU of a gateway for a second of audio, before the engine (`audio_path.py`)."""
    admit_load: float = 0.0
    """As `scheduler.admit_load`; 0 refuses nobody."""

    @property
    def slots(self) -> int:
        return self.workers * self.cores


def simulate(plan: Plan) -> Figures:
    """Let all speak for `warm_up_s` and then for `measured_s`, and return what was seen in the second part."""
    timeline, figures = Timeline(), Figures(since=plan.warm_up_s)
    gateways = [
        Gateway(timeline, cores, figures, call_s=plan.call_s, admit_load=plan.admit_load)
        for cores in share_out(plan.slots, plan.gateways)
    ]
    spoken, dice = parse_spoken(SPOKEN), Random(1)
    for session in range(plan.speakers):
        gateway = gateways[session % plan.gateways]
        speaker = Speaker(gateway, session, CHECKPOINTS[plan.checkpoint], spoken)
        timeline.at(dice.uniform(0, plan.warm_up_s / 2), speaker.start)
    timeline.run(plan.warm_up_s + plan.measured_s)
    return figures


def share_out(total: int, parts: int) -> list[int]:
    """Divide into whole parts that differ by one at most."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def find_quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share does not exceed; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def list_uses(plan: Plan, figures: Figures) -> dict[str, float]:
    """Which share of each part of the cluster is in use; above 1 there is not enough of it."""
    audio = plan.speakers * plan.audio_ms / 1000 / plan.gateways
    decisions = sum(figures.decisions_s) / plan.measured_s / plan.gateways
    network_bit_s = 8 * (plan.speakers * AUDIO_BYTES_S + figures.sent_bytes / plan.measured_s) / plan.gateways
    return {
        "cores of the workers": figures.busy_s / plan.measured_s / plan.slots,
        "core of a gateway": audio + decisions,
        "of it decisions": decisions,
        "1 Gbit/s of a gateway": network_bit_s / 1e9,
    }


def report(plan: Plan, figures: Figures) -> list[str]:
    """The rows of a Markdown table."""

    def show(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> str:
        quantiles = (find_quantile(values, share) * unit for share in (0.5, 0.95))
        return " / ".join(f"{value:.{digits}f}" for value in quantiles)

    uses = list_uses(plan, figures)
    scarcest = max((name for name in uses if not name.startswith("of it")), key=uses.__getitem__)
    partials = len(figures.partial_queue_s)
    rows = {
        "speakers, refused": f"{plan.speakers}, {figures.refused}",
        "workers x cores, gateways": f"{plan.workers} x {plan.cores}, {plan.gateways}",
        "end of speech to final, p50 / p95 (s)": show(figures.to_final_s),
        "of it the queue, p50 / p95 (s)": show(figures.final_queue_s),
        "finals, silences that ended": f"{len(figures.to_final_s)}, {figures.ended}",
        "queue of partials, p50 / p95 (s)": show(figures.partial_queue_s),
        "onset to the first partial, p50 / p95 (s)": show(figures.first_partial_s),
        "partials a second and speaker": f"{partials / plan.measured_s / plan.speakers:.2f}",
        "partials shed": f"{100 * figures.shed / max(figures.shed + partials, 1):.1f} %",
        "highest level of pressure": str(figures.highest_level),
        "a decision, p50 / p95 (us)": show(figures.decisions_s, 1e6, 0),
        "decisions a second and gateway": f"{len(figures.decisions_s) / plan.measured_s / plan.gateways:.0f}",
        **{f"in use: {name}": f"{100 * share:.1f} %" for name, share in uses.items()},
        "scarcest": scarcest,
    }
    return [f"| {name} | {value} |" for name, value in rows.items()]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--speakers", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--cores", type=int, default=8, help="cores of a worker")
    parser.add_argument("--gateways", type=int, default=80)
    parser.add_argument("--checkpoint", choices=list(CHECKPOINTS), default="base")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="scripted seconds that count, after 20 others"
    )
    parser.add_argument("--admit-load", type=float, default=0.0, help="as the setting; 0 refuses nobody")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    plan = Plan(
        speakers=options.speakers,
        workers=options.workers,
        cores=options.cores,
        gateways=options.gateways,
        checkpoint=options.checkpoint,
        measured_s=options.seconds,
        admit_load=options.admit_load,
    )
    began_s = time.monotonic()
    figures = simulate(plan)
    print("\n".join(["| what | value |", "|---|---|", *report(plan, figures)]))
    print(f"\n{time.monotonic() - began_s:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

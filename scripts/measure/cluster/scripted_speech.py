"""Speakers on scripted time: what a live session asks of its scheduler, utterance by utterance, as the server does."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from scripted_cluster import Gateway

from app.core.config import EndpointingSettings
from app.services.decoding.policy import SHEDDABLE, Job, JobState, Priority, Ticket
from app.services.decoding.stability import LONG_WINDOW_S
from app.services.decoding.told_speech import TOLD_S
from app.services.decoding.window_session import PARTIAL_WITHIN_S, WITHIN_S
from app.services.decoding.window_stream import (
    EARLY_EVERY_S,
    FIRST_S,
    OVERDUE_S,
    STRETCH,
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
        self._cost_s = 0.0
        """Of the newest decode of the whole utterance."""
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
            self._timeline.at(max(now + CHUNK_S, self._find_earliest()), self._look)
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

    def _find_earliest(self) -> float:
        """No partial is due before this, whatever the load: chunks before it need no look."""
        if self._last is None:
            return self.onset + FIRST_S
        since_s = max(EARLY_EVERY_S, STRETCH * self._last.decode_s, self._last.took_s)
        return self.onset - PRE_ROLL_S + self._last.covered_s + since_s

    def _on_partial(self, ticket: Ticket, *, asked_s: float, cost_s: float) -> None:
        now, figures = self._timeline.now, self._gateway.figures
        self._partial = None
        if ticket.state is JobState.SHED:
            self._last = PartialDecode(asked_s - self.onset + PRE_ROLL_S)
        else:
            covered_s = min(ticket.started_at, self.ends + PROVISIONAL_S) - self.onset + PRE_ROLL_S
            if now >= figures.since:
                figures.partial_queue_s.append(max(now - asked_s - cost_s, 0.0))
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
        self._cost_s = cost_s = self._speaker.checkpoint.final.of(audio_s)
        self._eager = self._gateway.ask(self._job(priority, audio_s), cost_s, self._on_final)

    def _on_final(self, ticket: Ticket) -> None:
        """The decode is over, or was never made since its pause was none."""
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
            queue_s = now - self.ends - SILENCE_S - self._cost_s
            figures.final_queue_s.append(max(queue_s, 0.0))
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

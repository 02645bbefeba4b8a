"""Admission in scripted time: what is expected of newcomers, what is measured, who is refused, and who never is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.decoding.admission import (
    AROUND_S,
    DRIFT,
    GUESSED_RATE,
    LEAST,
    LINGER_S,
    SILENT_S,
    SPEAKING,
    Admission,
    EngineCost,
)
from app.services.decoding.policy import MAX_RETRY_S, MIN_RETRY_S, Job, JobState, Priority, SchedulingPolicy
from tests.support.simulated_load import SimulatedMachine, SimulatedSpeaker, p95

LATE_S = 2.0
ENDPOINT_S = 0.6


def make_policy(cores: int = 2, rate: float | None = 0.07, admit_below: float = 0.85) -> SchedulingPolicy:
    """A policy that knows from a warm-up what the engine "tiny" costs."""
    policy = SchedulingPolicy(cores, admit_below=admit_below)
    policy.admission.cost("tiny").warm_up_rate = rate
    return policy


def admit_crowd(policy: SchedulingPolicy, number: int, now: float = 0.0) -> list[int]:
    """As many starts at one moment; returns the sessions that are let in."""
    inside = []
    for session in range(1, number + 1):
        if policy.admission_wait_s(now, "tiny") is None:
            policy.open(session, now, "tiny")
            inside.append(session)
    return inside


def speak_together(cores: int, speakers: int, rate: float, seed: int = 1) -> list[float]:
    """The waits of finals (end of speech to final, s) where this many speak most of the time."""
    machine = SimulatedMachine(make_policy(cores, rate))
    dice = random.Random(seed)
    said = [
        SimulatedSpeaker(
            machine,
            session,
            cost=rate / 2,
            begins=dice.uniform(0, 3),
            utterances=12,
            speech_s=(2.0, 11.0),
            pause_s=(1.2, 2.0),
        )
        for session in range(1, speakers + 1)
    ]
    for speaker in said:
        speaker.start()
    machine.run(300.0)
    return [wait + ENDPOINT_S for speaker in said for wait in speaker.finals_s]


# -- a crowd


@pytest.mark.parametrize(("cores", "rate"), [(1, 0.05), (2, 0.07), (4, 0.1)])
def test_of_a_crowd_as_many_are_admitted_as_can_be_served(cores: int, rate: float) -> None:
    """At least three quarters of those who could be served; all who are admitted may speak at once."""
    admitted = len(admit_crowd(make_policy(cores, rate), 1000))
    assert p95(speak_together(cores, admitted, rate)) <= LATE_S

    assert p95(speak_together(cores, int(admitted / 0.75) + 1, rate)) > LATE_S


def test_who_has_not_spoken_yet_counts_as_a_speaker() -> None:
    policy = make_policy()
    inside = admit_crowd(policy, 64)
    assert 1 < len(inside) < 64
    for now in (0.0, 1.0, 30.0):
        assert policy.admission_wait_s(now, "tiny") is not None
    assert MIN_RETRY_S <= (policy.admission_wait_s(0.0, "tiny") or 0) <= MAX_RETRY_S


def test_ten_idle_minutes_later_as_many_are_admitted() -> None:
    policy = make_policy()
    first = admit_crowd(policy, 64)
    for session in first:
        policy.forget(session, 0.0)
    assert admit_crowd(policy, 64, now=600.0) == first


def test_after_people_have_spoken_the_decodes_tell_the_cost() -> None:
    """Finals that take twice what the warm-up took: the next crowd is half as large, ten idle minutes later too."""
    policy = make_policy(rate=0.05)
    before = len(admit_crowd(policy, 200))
    for session in range(1, before + 1):
        policy.forget(session, 0.0)
    machine = SimulatedMachine(policy)
    for session in range(1, 9):
        SimulatedSpeaker(machine, session, cost=0.05, begins=0.1 * session, utterances=40).start()
    machine.run(400.0)

    after = len(admit_crowd(policy, 200, now=1000.0))
    assert 0.5 * before <= after <= 0.65 * before


def test_open_microphones_that_are_silent_make_room_but_not_all_of_it() -> None:
    policy = make_policy()
    inside = admit_crowd(policy, 64)
    later = SILENT_S * 10
    more = 0
    while policy.admission_wait_s(later, "tiny") is None:
        policy.open(100 + more, later, "tiny")
        more += 1
    assert 0.5 * (1 - LEAST) * len(inside) < more <= len(inside) * (1 - LEAST) + 1


def test_those_who_speak_little_are_measured_and_make_room() -> None:
    machine = SimulatedMachine(make_policy())
    inside = admit_crowd(machine.policy, 64)
    for session in inside:
        speaker = SimulatedSpeaker(
            machine, session, cost=0.035, begins=session * 0.1, utterances=40, speech_s=2.0, pause_s=8.0
        )
        speaker.speak()
    assert machine.policy.admission_wait_s(0.0, "tiny") is not None
    machine.run(90.0)
    assert machine.policy.admission_wait_s(90.0, "tiny") is None


def test_speakers_who_come_one_after_another_are_admitted_until_finals_would_break() -> None:
    machine = SimulatedMachine(make_policy(rate=0.2))
    inside: list[SimulatedSpeaker] = []

    def knock() -> None:
        if machine.policy.admission_wait_s(machine.now, "tiny") is None:
            inside.append(SimulatedSpeaker(machine, len(inside), 0.1, machine.now, 25))
            inside[-1].start()

    for number in range(100):
        machine.at(1.0 + number, knock)
    machine.run(100.0)
    retry_s = machine.policy.admission_wait_s(100.0, "tiny")
    machine.run(200.0)

    # A final costs 0.6 s in 6 s: 2 cores hold 20 such speakers without any partials.
    assert 12 <= len(inside) <= 19
    assert retry_s is not None
    assert p95([wait for speaker in inside for wait in speaker.finals_s]) < 1.4, (
        "0.9 s beyond what a final costs"
    )
    machine.run(400.0)
    assert machine.policy.admission_wait_s(400.0, "tiny") is None


# -- who is never refused


@given(st.floats(0.001, 100.0), st.integers(1, 64))
def test_one_speaker_always_fits(rate: float, cores: int) -> None:
    assert make_policy(cores, rate).admission_wait_s(0.0, "tiny") is None


def catch_up(policy: SchedulingPolicy, session: int, until: float) -> None:
    """The session decodes without a pause: its audio came faster than real time."""
    policy.open(session, 0.0, "tiny")
    now = 0.0
    while now < until:
        ticket = policy.submit(Job(session, Priority.FINAL, 8.0, now + 0.3), now)
        policy.dispatch(now)
        assert ticket.state is JobState.RUNNING
        now += 0.56
        policy.finish(ticket, now)
        policy.admission.count_speech(session, 8.0)


def test_a_session_that_catches_up_does_not_count_as_many() -> None:
    """It takes a whole core as long as it has audio, which is no reason to expect as much of a newcomer."""
    policy = make_policy()
    catch_up(policy, 1, 20.0)
    assert policy.admission.load(20.0) <= DRIFT * 0.07 + AROUND_S
    assert policy.admission_wait_s(20.0, "tiny") is None


def test_a_newcomer_is_not_refused_for_those_who_have_left() -> None:
    """A machine so slow that one speaker fills it: who speaks alone is admitted while a closed tab is still decoded."""
    policy = make_policy(cores=1, rate=2.0)
    catch_up(policy, 1, 20.0)
    assert policy.admission_wait_s(20.0, "tiny") is not None
    policy.admission.set_awaited(1, 20.0, is_awaited=False)
    assert policy.admission_wait_s(20.0, "tiny") is None
    policy.admission.set_awaited(1, 20.0, is_awaited=True)
    assert policy.admission_wait_s(20.0, "tiny") is not None, (
        "resumed, it counts again, and is not refused itself"
    )


def test_what_nobody_waits_for_gives_way() -> None:
    policy = make_policy(cores=1)
    for session in (1, 2, 3):
        policy.open(session, 0.0, "tiny")
    policy.admission.set_awaited(1, 20.0, is_awaited=False)
    away = policy.submit(Job(1, Priority.FINAL, 5.0, 0.1), 0.0)
    unseen = policy.submit(Job(1, Priority.PARTIAL, 5.0, 0.1), 0.0)
    partial = policy.submit(Job(3, Priority.PARTIAL, 5.0, 9.0), 0.0)
    final = policy.submit(Job(2, Priority.FINAL, 5.0, 9.0), 0.0)

    order = []
    for now in (0.0, 0.4, 0.8):
        policy.dispatch(now)
        (running,) = policy._running
        order.append(running)
        policy.finish(running, now + 0.4)
    assert order == [final, partial, away]
    assert unseen.state is JobState.SHED, "nobody sees it"


def test_what_nobody_waits_for_leaves_a_core_and_presses_nobody() -> None:
    policy = make_policy(cores=2)
    for session in (1, 2):
        policy.open(session, 0.0, "tiny")
        policy.admission.set_awaited(session, 0.0, is_awaited=False)
        policy.submit(Job(session, Priority.FINAL, 5.0, 0.1), 0.0)
    policy.dispatch(9.0)
    assert policy.running == 1
    assert policy.monitor.level == 0


def test_who_has_left_for_good_makes_room_a_moment_later() -> None:
    """Else a crowd that comes and goes would be admitted as a whole."""
    policy = make_policy()
    inside = admit_crowd(policy, 64)
    policy.forget(inside[0], 0.0)
    assert policy.admission_wait_s(LINGER_S / 2, "tiny") is not None
    assert policy.admission_wait_s(LINGER_S, "tiny") is None


def test_whoever_is_alone_does_not_wait_for_their_own_last_dictation() -> None:
    policy = make_policy(cores=1, rate=1.0)
    policy.open(1, 0.0, "tiny")
    assert policy.admission_wait_s(0.0, "tiny") is not None
    policy.forget(1, 0.0)
    assert policy.admission_wait_s(0.0, "tiny") is None


def test_a_crowd_whose_members_leave_at_once_is_no_row_of_lone_speakers() -> None:
    policy = make_policy()
    admitted = 0
    for number in range(64):
        now = number * 0.01
        if policy.admission_wait_s(now, "tiny") is None:
            policy.open(number, now, "tiny")
            policy.admission.set_awaited(number, now + 0.004, is_awaited=False)
            policy.forget(number, now + 0.005)
            admitted += 1
    assert admitted == len(admit_crowd(make_policy(), 64))


def test_admission_can_be_turned_off() -> None:
    for admit_below, admitted in ((0.85, False), (0.0, True)):
        policy = make_policy(admit_below=admit_below)
        assert (len(admit_crowd(policy, 500)) == 500) is admitted


def test_partials_do_not_count() -> None:
    with_partials, without = make_policy(), make_policy()
    for policy in (with_partials, without):
        policy.open(1, 0.0, "tiny")
    for _ in range(20):
        ticket = with_partials.submit(Job(1, Priority.PARTIAL, 5.0, 1.0), 1.0)
        with_partials.dispatch(1.0)
        with_partials.finish(ticket, 2.0)
    assert with_partials.admission.load(2.0) == without.admission.load(2.0)


# -- costs


def test_an_engine_that_was_never_measured_is_not_free() -> None:
    cost = EngineCost()
    assert cost.rate == GUESSED_RATE
    cost.add(0.4, 4.0)
    assert cost.rate == GUESSED_RATE, "one utterance tells nothing"
    cost.add(0.4, 4.0)
    assert cost.rate == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 60)), max_size=50), st.floats(1e-3, 10))
def test_decodes_move_a_measured_cost_within_bounds(
    decodes: list[tuple[float, float]], warm_up: float
) -> None:
    """A machine that slept for an hour in the middle of a decode has learned nothing."""
    cost = EngineCost(warm_up)
    for took_s, speech_s in decodes:
        cost.add(took_s, speech_s)
        assert warm_up / DRIFT <= cost.rate <= warm_up * DRIFT
        assert 0 < cost.expected_load < cost.highest_load


def test_the_newest_speech_counts_most() -> None:
    cost = EngineCost(0.1)
    for _ in range(200):
        cost.add(0.8, 8.0)
    for _ in range(200):
        cost.add(1.2, 8.0)
    assert cost.rate == pytest.approx(0.15, rel=0.05)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "forget", "charge", "speech", "away", "back"]),
            st.integers(1, 5),
            st.floats(0, 60),
        ),
        max_size=60,
    )
)
def test_every_session_counts_between_a_quarter_of_a_speaker_and_two(
    events: list[tuple[str, int, float]],
) -> None:
    admission, now, awaited = Admission(2, 0.85), 0.0, {}
    admission.cost("tiny").warm_up_rate = 0.07
    for what, session, amount in events:
        match what:
            case "open":
                admission.open(session, "tiny", now)
                awaited[session] = True
            case "forget":
                admission.forget(session, now)
                awaited.pop(session, None)
            case "charge":
                now += amount
                admission.charge(session, amount, now)
            case "speech":
                admission.count_speech(session, amount)
            case _:
                admission.set_awaited(session, now, is_awaited=what == "back")
                awaited.update({session: what == "back"} if session in awaited else {})
        count = sum(awaited.values())
        cost = admission.cost("tiny")
        load = admission.load(now)
        assert LEAST * cost.expected_load * count - 1e-9 <= load <= cost.highest_load * count + 1e-9
    assert SPEAKING < 1

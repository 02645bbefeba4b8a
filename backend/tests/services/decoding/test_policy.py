"""The scheduler's decisions on scripted time: order, latest wins, shedding, fairness, workers."""

import time
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.decoding.policy import (
    MAX_WAITING,
    PATIENCE_S,
    SHEDDABLE,
    STALE_S,
    Job,
    JobState,
    Priority,
    SchedulingPolicy,
    Ticket,
)
from tests.support.simulated_load import (
    COMMIT_S,
    PROVISIONAL_S,
    SimulatedJob,
    SimulatedMachine,
    p95,
    start_speakers,
)


def job(
    session: int = 1,
    priority: Priority = Priority.FINAL,
    deadline: float = 100.0,
    *,
    engine: str = "e",
    worker: Hashable | None = None,
) -> Job:
    return Job(session, priority, 1.0, deadline, engine, worker)


def busy(policy: SchedulingPolicy, cores: int, now: float = 0.0) -> list[Ticket]:
    """Take so many cores by finals of sessions that nobody else is."""
    tickets = [policy.submit(job(900 + n), now) for n in range(cores)]
    assert policy.dispatch(now) == tickets
    return tickets


def order_of(policy: SchedulingPolicy, holding: Ticket, now: float = 0.0) -> list[Ticket]:
    """Let one core run everything that waits; the order in which it was started."""
    started: list[Ticket] = []
    while True:
        policy.finish(holding, now, learn=False)
        decided = [ticket for ticket in policy.dispatch(now) if ticket.state is JobState.RUNNING]
        if not decided:
            return started
        (holding,) = decided
        started.append(holding)


def test_classes_go_in_order() -> None:
    """Finals before eager finals before feeds before first partials before partials before recordings."""
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    tickets = {priority: policy.submit(job(10 - priority, priority), 0.0) for priority in reversed(Priority)}
    policy.dispatch(0.0)

    assert order_of(policy, holding) == [tickets[priority] for priority in Priority]


def test_within_a_class_the_earliest_deadline_then_who_was_served_longest_ago() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    first = policy.submit(job(1, deadline=5.0), 0.0)
    assert order_of(policy, holding) == [first]
    (holding,) = busy(policy, 1)
    late, served, fresh = (
        policy.submit(job(session, deadline=deadline), 0.0)
        for session, deadline in ((3, 6.0), (1, 5.0), (2, 5.0))
    )

    assert order_of(policy, holding) == [fresh, served, late]


def test_a_deadline_in_the_past_buys_nothing() -> None:
    """Who is behind by his own flood does not overtake for it."""
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1, now=10.0)
    punctual = policy.submit(job(1, deadline=10.3), 10.0)
    behind = policy.submit(job(2, deadline=-50.0), 10.31)

    assert order_of(policy, holding, now=10.4) == [punctual, behind]


def test_each_sessions_first_job_goes_before_anybodys_second() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    flood = [policy.submit(job(1, deadline=1.0), 0.0) for _ in range(5)]
    other = policy.submit(job(2, deadline=9.0), 0.0)

    assert order_of(policy, holding)[:2] == [flood[0], other]


def test_who_used_more_than_his_share_stands_back_in_his_class() -> None:
    """Rounds count turns; costly turns count by the share they take."""
    policy = SchedulingPolicy(1)
    policy.shares.charge(1, 5.0, 0.0)
    (holding,) = busy(policy, 1)
    greedy, modest = policy.submit(job(1, deadline=1.0), 0.0), policy.submit(job(2, deadline=9.0), 0.0)
    feed = policy.submit(job(3, Priority.FEED, deadline=0.5), 0.0)

    assert order_of(policy, holding) == [modest, greedy, feed]


@pytest.mark.parametrize("lost", ["superseded", "cancelled"])
def test_a_turn_that_was_not_taken_costs_no_round(lost: str) -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    for _ in range(5):
        ticket = policy.submit(job(1, Priority.PARTIAL, deadline=1.0), 0.0)
        if lost == "cancelled":
            policy.cancel(ticket)
    mine = policy.submit(job(1, Priority.PARTIAL, deadline=1.0), 0.0)
    other = policy.submit(job(2, Priority.PARTIAL, deadline=9.0), 0.0)

    assert [t for t in order_of(policy, holding) if t.state is not JobState.SHED] == [mine, other]


def test_the_newest_partial_of_a_session_replaces_the_one_that_waits() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    old = policy.submit(job(1, Priority.FIRST_PARTIAL), 0.0)
    others = policy.submit(job(2, Priority.PARTIAL), 0.0)
    new = policy.submit(job(1, Priority.PARTIAL), 0.1)

    assert (old.state, others.state, new.state) == (JobState.SHED, JobState.WAITING, JobState.WAITING)
    assert policy.dispatch(0.1) == [old], "its owner is told"
    assert order_of(policy, holding, now=0.1) == [others, new]


def test_a_stale_partial_is_shed_and_a_stale_final_is_not() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    partial = policy.submit(job(1, Priority.PARTIAL), 0.0)
    final = policy.submit(job(1, deadline=0.3), 0.0)
    now = STALE_S + 0.01

    policy.finish(holding, now)
    assert policy.dispatch(now) == [partial, final]
    assert (partial.state, final.state) == (JobState.SHED, JobState.RUNNING)


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (3, 2), (8, 7)])
def test_partials_leave_a_core_for_finals(cores: int, at_once: int) -> None:
    policy = SchedulingPolicy(cores)
    for session in range(20):
        policy.submit(job(session, Priority.PARTIAL), 0.0)
    policy.dispatch(0.0)
    assert policy.running == at_once
    if cores > 1:
        final = policy.submit(job(99), 0.0)
        assert policy.dispatch(0.0) == [final]


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (3, 2), (8, 7)])
def test_recordings_leave_a_core_for_those_who_speak(cores: int, at_once: int) -> None:
    policy = SchedulingPolicy(cores)
    for session in range(20):
        policy.submit(job(session, Priority.FILE), 0.0)
    policy.dispatch(0.0)
    assert policy.running == at_once
    if cores > 1:
        partial = policy.submit(job(99, Priority.PARTIAL), 0.0)
        assert policy.dispatch(0.0) == [partial], "the least of what is live does not wait for a recording"


def test_a_recording_is_never_shed_and_never_grows_urgent() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    recording = policy.submit(job(1, Priority.FILE, deadline=0.3), 0.0)
    late = PATIENCE_S + STALE_S + 60.0
    newest = policy.submit(job(2, Priority.PARTIAL), late)

    assert order_of(policy, holding, now=late) == [newest, recording]


def test_recordings_take_turns() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    long = [policy.submit(job(1, Priority.FILE, deadline=1.0), 0.0) for _ in range(3)]
    short = policy.submit(job(2, Priority.FILE, deadline=9.0), 0.0)

    assert order_of(policy, holding)[:2] == [long[0], short]


def test_recordings_take_nobodys_share() -> None:
    """Neither admission nor who is above his share hears of them."""
    with_them, without = SchedulingPolicy(4), SchedulingPolicy(4)
    for policy in (with_them, without):
        policy.open(1, 0.0)
        ticket = policy.submit(job(1), 0.0)
        policy.dispatch(0.0)
        policy.finish(ticket, 1.0)
    for session in range(10, 20):
        ticket = with_them.submit(job(session, Priority.FILE), 1.0)
        with_them.dispatch(1.0)
        with_them.finish(ticket, 9.0)
        with_them.submit(job(session, Priority.FILE), 9.0)
    for policy in (with_them, without):
        policy.dispatch(9.0)

    assert with_them.admission.load(9.0) == without.admission.load(9.0) > 0
    assert with_them.shares.active_sessions(set(), 9.0) == without.shares.active_sessions(set(), 9.0) == 1


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 1000))
def test_a_final_waits_for_one_recordings_decode_at_the_most(cores: int, files: int, seed: int) -> None:
    """However many recordings there are: what a speaker's final waits is bounded by what one decode takes."""
    decode_s = 2.0
    machine = SimulatedMachine(SchedulingPolicy(cores))
    said = start_speakers(machine, 1, cost=0.02, utterances=5, seed=seed)

    def upload(session: int) -> None:
        machine.ask(
            Job(session, Priority.FILE, 20.0, machine.now + 0.3, "tiny/full/file"),
            decode_s,
            lambda _, now: upload(session) if now < 40 else None,
        )

    for session in range(100, 100 + files):
        machine.at(0.0, lambda session=session: upload(session))  # type: ignore[misc]
    machine.run(200.0)

    waits = [asked.waited_s for asked in machine.of(Priority.FINAL, Priority.EAGER)]
    assert len(said[0].finals_s) == 5
    assert max(waits) <= (decode_s if cores == 1 else 0.2) + 1e-6
    assert all(asked.state is JobState.DONE for asked in machine.of(Priority.FILE))


def test_a_partial_that_would_make_a_final_late_is_shed() -> None:
    """A final waits for its worker; the last core is not given to a partial that would run beyond its deadline."""
    policy = SchedulingPolicy(2)
    policy.costs.learn("slow", 1.0, 2.0)
    policy.costs.learn("e", 1.0, 0.1)
    policy.submit(job(1, worker="w"), 0.0)
    policy.dispatch(0.0)
    policy.submit(job(2, deadline=0.5, worker="w"), 0.0)
    slow = policy.submit(job(3, Priority.PARTIAL, engine="slow"), 0.0)
    quick = policy.submit(job(4, Priority.PARTIAL), 0.0)
    policy.dispatch(0.0)

    assert (slow.state, quick.state) == (JobState.SHED, JobState.RUNNING)


def test_a_partial_does_not_give_way_to_a_final_that_is_late_anyhow() -> None:
    policy = SchedulingPolicy(2)
    policy.costs.learn("e", 1.0, 0.1)
    policy.submit(job(1, worker="w"), 0.0)
    policy.dispatch(0.0)
    policy.submit(job(2, deadline=0.05, worker="w"), 0.0)
    partial = policy.submit(job(3, Priority.PARTIAL), 0.0)

    assert policy.dispatch(0.0) == [partial]
    assert partial.state is JobState.RUNNING


def test_feeds_of_a_session_run_one_at_a_time() -> None:
    policy = SchedulingPolicy(4)
    mine = [policy.submit(job(1, Priority.FEED), 0.0) for _ in range(2)]
    other = policy.submit(job(2, Priority.FEED), 0.0)

    assert policy.dispatch(0.0) == [mine[0], other]
    policy.finish(mine[0], 0.1)
    assert policy.dispatch(0.1) == [mine[1]]


def test_jobs_of_a_lane_run_one_at_a_time_and_leave_the_core_to_others() -> None:
    policy = SchedulingPolicy(2)
    first = policy.submit(job(1, Priority.FEED, deadline=1.0, worker="w0"), 0.0)
    same = policy.submit(job(2, Priority.FEED, deadline=2.0, worker="w0"), 0.0)
    other = policy.submit(job(3, Priority.FEED, deadline=3.0, worker="w1"), 0.0)

    assert policy.dispatch(0.0) == [first, other]
    policy.finish(first, 0.1)
    assert policy.dispatch(0.1) == [same]


def test_a_promoted_job_is_a_final() -> None:
    policy = SchedulingPolicy(1)
    (holding,) = busy(policy, 1)
    other = policy.submit(job(1, Priority.EAGER, deadline=1.0), 0.0)
    mine = policy.submit(job(2, Priority.EAGER, deadline=2.0), 0.0)
    policy.promote(2, 0.4)

    assert order_of(policy, holding, now=0.5) == [mine, other]


@pytest.mark.parametrize("priority", [Priority.EAGER, Priority.FEED])
def test_nothing_starves_under_endless_finals(priority: Priority) -> None:
    """Others' finals never end; an eager final or a feed has its turn all the same, soon after its patience ends."""
    machine = SimulatedMachine(SchedulingPolicy(1))

    def again(_: SimulatedJob, now: float) -> None:
        machine.ask(job(1 + len(machine.asked) % 5, deadline=now + 0.3), 0.2, again)

    def begin() -> None:
        for session in range(1, 5):
            machine.ask(job(session, deadline=0.3), 0.2, again)
        machine.ask(job(99, priority, deadline=0.5), 0.2)

    machine.at(0.0, begin)
    machine.run(10.0)
    (asked,) = machine.of(priority)
    assert asked.started is not None
    assert asked.started <= PATIENCE_S + 5 * 0.2 + 0.001


def test_a_final_that_waits_has_a_place_in_line() -> None:
    policy = SchedulingPolicy(1)
    holding = busy(policy, 1)[0]
    for session in (1, 2, 3):
        policy.submit(job(session, Priority.FINAL), 0.0)
    policy.submit(job(4, Priority.PARTIAL), 0.0)
    assert [policy.find_place(session) for session in (1, 2, 3, 4, 5)] == [1, 2, 3, None, None]
    policy.finish(holding, 1.0)
    policy.dispatch(1.0)
    assert [policy.find_place(session) for session in (1, 2, 3)] == [None, 1, 2]


def test_a_session_that_is_forgotten_has_nothing_in_line() -> None:
    policy = SchedulingPolicy(1)
    busy(policy, 1)
    gone = [policy.submit(job(1, priority), 0.0) for priority in (Priority.FINAL, Priority.PARTIAL)]
    stays = policy.submit(job(2), 0.0)
    policy.forget(1, 0.0)

    assert policy.dispatch(0.0) == gone
    assert all(ticket.state is JobState.SHED for ticket in gone)
    assert list(policy.waiting()) == [stays]


def test_the_line_of_a_session_is_bounded() -> None:
    policy = SchedulingPolicy(1)
    busy(policy, 1)
    for _ in range(MAX_WAITING):
        policy.submit(job(1), 0.0)
    with pytest.raises(RuntimeError, match="session 1 has"):
        policy.submit(job(1), 0.0)
    policy.submit(job(2), 0.0)


# -- whole runs


def test_fifty_speakers_for_minutes_take_little_time() -> None:
    """On cores that can hold them, all finals come, none late, and everybody's as soon as everybody else's."""
    machine = SimulatedMachine(SchedulingPolicy(8))
    everybody = start_speakers(machine, 50, cost=0.1, utterances=20)
    began = time.process_time()
    machine.run(200.0)

    assert time.process_time() - began < 10, "a run of three minutes must take moments"
    assert all(len(speaker.finals_s) == 20 for speaker in everybody)
    assert max(p95(speaker.finals_s) for speaker in everybody) < 0.9
    assert machine.most_running == 8


def test_at_twice_what_fits_no_final_is_lost_and_partials_give_way() -> None:
    machine = SimulatedMachine(SchedulingPolicy(2))
    everybody = start_speakers(machine, 20, cost=0.2, utterances=10)
    machine.run(600.0)

    assert all(len(speaker.finals_s) == 10 for speaker in everybody)
    assert machine.highest_level == 3
    states = [asked.state for asked in machine.of(*SHEDDABLE)]
    assert states.count(JobState.SHED) > states.count(JobState.DONE)
    assert list(machine.policy.waiting()) == []


@pytest.mark.parametrize("floods", [1, 3])
def test_a_flood_delays_another_by_little_more_than_one_decode(floods: int) -> None:
    """Speaking alone against speaking beside a session that asks for finals without end, several at a time."""

    def measure(floods: int) -> float:
        machine = SimulatedMachine(SchedulingPolicy(2))
        (speaker,) = start_speakers(machine, 1, cost=0.05, utterances=40)

        def again(asked: SimulatedJob, now: float) -> None:
            machine.ask(job(asked.ticket.job.session, deadline=now - 10), 0.3, again)

        def begin() -> None:
            for session in range(100, 100 + floods):
                for _ in range(5):
                    machine.ask(job(session, deadline=0.0), 0.3, again)

        machine.at(0.0, begin)
        machine.run(240.0)
        waits = [
            max(PROVISIONAL_S + asked.waited_s + asked.cost_s, COMMIT_S)  # from the end of speech
            for asked in machine.of(Priority.FINAL, Priority.EAGER, session=speaker.session)
        ]
        assert len(waits) == 40
        return p95(waits)

    assert measure(floods) <= measure(0) + 1.5 * 0.3


def test_equal_floods_share_the_cores_equally() -> None:
    machine = SimulatedMachine(SchedulingPolicy(2))

    def again(asked: SimulatedJob, now: float) -> None:
        machine.ask(job(asked.ticket.job.session, deadline=now + 0.3), 0.1, again)

    def begin() -> None:
        for session in (1, 2, 3, 4, 5):
            for _ in range(session):  # the greedier, the more at a time
                machine.ask(job(session, deadline=0.3), 0.1, again)

    machine.at(0.0, begin)
    machine.run(60.0)
    done = [
        len([asked for asked in machine.of(Priority.FINAL, session=s) if asked.ended]) for s in range(1, 6)
    ]
    assert max(done) <= 1.1 * min(done)


# -- properties

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.integers(1, 5),
            st.sampled_from(list(Priority)),
            st.sampled_from([None, 1, 2]),
        ),
        st.tuples(st.sampled_from(["promote", "forget"]), st.integers(1, 5)),
        st.tuples(st.sampled_from(["finish", "cancel"]), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.floats(0.0, 2.0)),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(st.integers(1, 4), STEPS)
def test_every_job_ends_exactly_once_and_no_final_is_shed(
    cores: int, steps: list[tuple[object, ...]]
) -> None:
    policy, now = SchedulingPolicy(cores), 0.0
    tickets: list[Ticket] = []
    told: list[Ticket] = []
    excused: set[Ticket] = set()

    def settle() -> None:
        decided = policy.dispatch(now)
        told.extend(decided)
        running = [ticket for ticket in tickets if ticket.state is JobState.RUNNING]
        assert len(running) == policy.running <= cores
        workers = [ticket.job.worker for ticket in running if ticket.job.worker is not None]
        assert len(workers) == len(set(workers))
        assert sum(ticket.job.priority in SHEDDABLE for ticket in running) <= max(cores - 1, 1)
        feeds = [ticket.job.session for ticket in running if ticket.job.priority is Priority.FEED]
        assert len(feeds) == len(set(feeds))
        slots = [ticket.job.session for ticket in policy.waiting() if ticket.job.priority in SHEDDABLE]
        assert len(slots) == len(set(slots)), "one slot for each session"
        idle = policy.running < cores
        stuck = [
            t
            for t in policy.waiting()
            if t.priority is Priority.FINAL and (t.job.worker is None or t.job.worker not in workers)
        ]
        assert not (idle and stuck), "a final waits beside an idle core"

    for name, *arguments in steps:
        match name, arguments:
            case "submit", [int(session), Priority() as priority, worker]:
                tickets.append(policy.submit(job(session, priority, now + 0.3, worker=worker), now))
            case "promote", [int(session)]:
                policy.promote(session, now)
            case "forget", [int(session)]:
                excused |= {ticket for ticket in policy.waiting() if ticket.job.session == session}
                policy.forget(session, now)
            case "finish", [int(number)] if running := [t for t in tickets if t.state is JobState.RUNNING]:
                policy.finish(running[number % len(running)], now)
            case "cancel", [int(number)] if tickets:
                policy.cancel(tickets[number % len(tickets)])
            case "pass", [float(seconds)]:
                now += seconds
        settle()
    while running := [ticket for ticket in tickets if ticket.state is JobState.RUNNING]:
        now += 0.01
        policy.finish(running[0], now)
        settle()

    assert all(ticket.state in (JobState.DONE, JobState.SHED, JobState.CANCELLED) for ticket in tickets)
    assert len(told) == len(set(told)), "nobody is told twice"
    assert {ticket for ticket in tickets if ticket.state is not JobState.CANCELLED} == set(told)
    shed = {ticket for ticket in tickets if ticket.state is JobState.SHED} - excused
    assert all(ticket.job.priority in SHEDDABLE for ticket in shed)

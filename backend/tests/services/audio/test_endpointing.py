"""Endpointing on scripted probabilities: no audio, no clock, every decision counted in frames."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest

from app.core.discard_reasons import DiscardReason
from app.services.audio.endpointing import (
    FRAME_MS,
    Begin,
    Continue,
    Decision,
    End,
    EndpointConfig,
    Endpointer,
    Pause,
    SpeechEvidence,
    frames,
)

CONVERSATION = EndpointConfig(silence_ms=600)


def play(endpointer: Endpointer, *runs: tuple[float, int], level: float = -25) -> list[Decision]:
    """Push runs of (probability, frames); give the decisions."""
    return [
        decision
        for prob, count in runs
        for _ in range(count)
        if (decision := endpointer.push(prob, level)) is not None
    ]


UNWEIGHED = SpeechEvidence(0, 0.0, 0.0, 0.0)


def end_at(frame: int, speech_end: int) -> End:
    """An end that is decoded, as `without_evidence` gives it."""
    return End(frame, speech_end, UNWEIGHED)


def without_evidence(decisions: Sequence[Decision | None]) -> list[Decision | None]:
    return [
        replace(each, evidence=UNWEIGHED, likely_reason=None) if isinstance(each, End) else each
        for each in decisions
    ]


def test_speech_begins_at_its_first_voiced_frame_after_about_100_ms() -> None:
    """Three voiced frames of four start speech; the start lies at the first of them."""
    endpointer = Endpointer(CONVERSATION)

    assert play(endpointer, (0.0, 10), (0.9, 2)) == []
    assert play(endpointer, (0.9, 1)) == [Begin(10)]


def test_one_weak_frame_does_not_delay_the_start() -> None:
    """Of four frames one may be unvoiced."""
    assert play(Endpointer(CONVERSATION), (0.0, 5), (0.9, 2), (0.2, 1), (0.9, 1)) == [Begin(5)]


@pytest.mark.parametrize(("silence_ms", "count"), [(350, 11), (600, 19), (1200, 38), (2000, 63)])
def test_silence_of_the_profile_ends_an_utterance(silence_ms: int, count: int) -> None:
    """The utterance ends with the frame that completes the silence, and remembers where speech stopped."""
    endpointer = Endpointer(EndpointConfig(silence_ms=silence_ms))

    decisions = play(endpointer, (0.9, 30), (0.0, count))

    assert frames(silence_ms) == count
    assert without_evidence(decisions) == [Begin(0), end_at(30 + count, 30)]


def test_a_pause_shorter_than_the_profile_is_part_of_the_utterance() -> None:
    """Speech that resumes in time goes on."""
    decisions = play(Endpointer(CONVERSATION), (0.9, 30), (0.0, 18), (0.9, 30), (0.0, 19))

    assert without_evidence(decisions) == [Begin(0), end_at(97, 78)]


def test_probabilities_between_the_thresholds_keep_speech_going_but_do_not_start_it() -> None:
    """0.35 to 0.5 is hysteresis."""
    endpointer = Endpointer(CONVERSATION)

    assert play(endpointer, (0.4, 100)) == []
    assert play(endpointer, (0.9, 30), (0.4, 30), (0.0, 18)) == [Begin(100)]


@pytest.mark.parametrize(
    ("runs", "evidence", "likely_reason"),
    [
        ([(0.7, 6)], SpeechEvidence(192, 0.7, 1.0, -25), DiscardReason.TOO_SHORT),
        ([(0.55, 3)], SpeechEvidence(96, 0.55, 1.0, -25), DiscardReason.TOO_SHORT),
        ([(0.95, 20)], SpeechEvidence(640, 0.95, 1.0, -25), None),
        ([(0.51, 9), (0.3, 30)], SpeechEvidence(288, 0.51, 9 / 28, -25), None),
    ],
    ids=["short", "a click", "a word", "like music"],
)
def test_what_the_detector_calls_speech_is_never_discarded_undecoded(
    runs: list[tuple[float, int]], evidence: SpeechEvidence, likely_reason: DiscardReason | None
) -> None:
    """How sure it was is evidence for the engine, and names an utterance in which the engine finds no words."""
    [_, end] = play(Endpointer(CONVERSATION), *runs, (0.0, 19))

    assert isinstance(end, End)
    assert end.discard_reason is None
    assert end.likely_reason is likely_reason
    assert asdict(end.evidence) == pytest.approx(asdict(evidence))


def test_an_utterance_that_may_be_too_quiet_for_an_engine_says_so() -> None:
    [_, end] = play(Endpointer(CONVERSATION), (0.9, 20), (0.0, 19), level=-70)
    assert isinstance(end, End)
    assert (end.discard_reason, end.likely_reason) == (None, DiscardReason.TOO_QUIET)


def test_silence_behind_a_hard_cut_is_not_decoded() -> None:
    """The rest of an utterance that was cut in its last breath holds no speech at all."""
    endpointer = Endpointer(CONVERSATION)
    hard = frames(28_000)
    play(endpointer, (0.9, hard - 6))
    [cut] = play(endpointer, (0.4, 3), level=-60) + play(endpointer, (0.4, 3), level=-80)
    [end] = play(endpointer, (0.0, 19))

    assert isinstance(cut, End)
    assert isinstance(end, End)
    assert cut.discard_reason is None
    assert end.discard_reason is DiscardReason.NO_SPEECH


def test_manual_waits_for_finish() -> None:
    """Without a silence of its own an utterance ends only when told."""
    endpointer = Endpointer(EndpointConfig(silence_ms=None))

    assert play(endpointer, (0.9, 30), (0.0, 300)) == [Begin(0)]
    assert without_evidence([endpointer.finish()]) == [end_at(330, 30)]


def test_finish_in_silence_ends_nothing() -> None:
    """There is no utterance to end, and none begins from what was heard before."""
    endpointer = Endpointer(CONVERSATION)
    play(endpointer, (0.9, 2))

    assert endpointer.finish() is None
    assert play(endpointer, (0.9, 1)) == []


@pytest.mark.parametrize("silence_ms", [600, 2000, None])
def test_from_20_s_a_short_pause_ends_the_utterance(silence_ms: int | None) -> None:
    """The maximum utterance holds in every profile."""
    endpointer = Endpointer(EndpointConfig(silence_ms=silence_ms))
    long = frames(20_000)

    decisions = play(endpointer, (0.9, long), (0.0, 5))

    assert without_evidence(decisions) == [
        Begin(0),
        replace(end_at(long + 5, long), is_cut=True),
    ]


def test_at_28_s_the_cut_is_made_in_the_quietest_moment() -> None:
    """Without any pause the utterance is cut where it is quietest; the next one begins there at once."""
    endpointer = Endpointer(CONVERSATION)
    soft, hard = frames(20_000), frames(28_000)
    assert play(endpointer, (0.9, soft + 50)) == [Begin(0)]
    assert play(endpointer, (0.9, 3), level=-60) == []

    [end] = play(endpointer, (0.9, hard - soft - 53))

    assert isinstance(end, End)
    assert end.continues
    assert end.discard_reason is None
    assert soft + 50 <= end.frame < soft + 53
    # The rest is an utterance of its own, of which nothing is forgotten.
    rest = play(endpointer, (0.0, 19))
    assert without_evidence(rest) == [end_at(hard + 19, hard)]


def test_speech_without_end_is_cut_again_and_again() -> None:
    """No utterance is longer than the limit, and together they cover everything."""
    endpointer = Endpointer(CONVERSATION)
    ends = [d for d in play(endpointer, (0.9, frames(200_000))) if isinstance(d, End)]

    starts = [0, *(end.frame for end in ends)]
    lengths_s = [(b - a) * FRAME_MS / 1000 for a, b in itertools.pairwise(starts)]

    assert len(ends) >= 7
    assert max(lengths_s) <= 28.1


PROVISIONAL = EndpointConfig(silence_ms=600, provisional_ms=256)


def test_after_256_ms_of_silence_the_utterance_may_be_over() -> None:
    """The end that follows has the same end of speech: nothing voiced came between."""
    decisions = play(Endpointer(PROVISIONAL), (0.9, 30), (0.0, 8))
    assert decisions == [Begin(0), Pause(30)]
    decisions = play(Endpointer(PROVISIONAL), (0.9, 30), (0.0, 19))
    assert without_evidence(decisions) == [Begin(0), Pause(30), end_at(49, 30)]


def test_speech_that_continues_is_told_at_its_first_frame_and_may_pause_again() -> None:
    decisions = play(Endpointer(PROVISIONAL), (0.9, 30), (0.0, 18), (0.4, 1), (0.0, 8), (0.9, 3))
    assert decisions == [Begin(0), Pause(30), Continue(), Pause(49), Continue()]


def test_an_end_that_comes_before_the_pause_is_all_there_is() -> None:
    config = EndpointConfig(silence_ms=100, provisional_ms=256)
    decisions = play(Endpointer(config), (0.9, 30), (0.0, 10))
    assert without_evidence(decisions) == [Begin(0), end_at(34, 30)]


def test_a_detector_is_sure_of_speech_by_the_share_of_voiced_frames() -> None:
    speech = SpeechEvidence(voiced_ms=1000, mean_probability=0.7, voiced_share=0.6, level_dbfs=-25.0)
    assert speech.is_sure
    assert not replace(speech, voiced_share=0.5).is_sure

"""The translator by replay: a client's events and the speech session's events in, steps and server events out."""

import base64
from collections.abc import Iterator
from itertools import count
from typing import Any, cast

import pytest

from app.api.dialects.realtime import (
    SLICE_CHARACTERS,
    Begin,
    Discard,
    End,
    Feed,
    Finalise,
    RealtimeTranslator,
    Step,
    read_event,
)
from app.api.dialects.realtime_session import BetaDisabled, Refusal, SessionConfig, merge_update
from app.core.config import Settings
from app.core.errors import PrompterError, ProviderNotReady
from app.services.dictation.events import Event

MODELS = {"whisper_local": ["base"]}
TRANSCRIPTION = "conversation.item.input_audio_transcription"
COMMIT = {"type": "input_audio_buffer.commit", "event_id": "c1"}
CLEAR = {"type": "input_audio_buffer.clear"}


def audio(seconds: float, rate_hz: int = 24_000) -> dict[str, Any]:
    data = base64.b64encode(bytes(2 * int(seconds * rate_hz))).decode()
    return {"type": "input_audio_buffer.append", "audio": data}


def updated(**given: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": given}}}


class Replay:
    """A translator, and what it has said and asked for so far."""

    def __init__(self, **given: Any) -> None:
        ids = count(1)
        config = merge_update(SessionConfig(), {"audio": {"input": given}})
        settings = Settings(_env_file=None)
        self.translator = RealtimeTranslator(settings, MODELS, lambda: str(next(ids)), config)
        self.events: list[dict[str, Any]] = []
        self.failures: dict[type[Step], PrompterError] = {}
        self._utterances = 0
        assert self.take()[0]["type"] == "session.created"

    def say(self, event: dict[str, Any], during: dict[type[Step], list[Event]] | None = None) -> list[Step]:
        """The steps that a client's event asks for; `during` are events that they cause. `ready` follows Begin."""
        steps: list[Step] = []
        going = self.translator.receive(event)
        answer: PrompterError | None = None
        while True:
            try:
                step = going.send(answer)
            except StopIteration:
                return steps
            steps.append(step)
            answer = self.failures.get(type(step))
            if isinstance(step, Begin) and answer is None:
                self.hear("ready")
            for caused in (during or {}).get(type(step), []):
                self.translator.translate(caused)

    def hear(self, kind: str, **fields: Any) -> None:
        """An event of the speech session."""
        self.translator.translate(cast("Event", {"type": kind, **fields}))

    def begin(self, start_ms: int = 0) -> int:
        self._utterances += 1
        self.hear("speech_started", utterance_id=self._utterances, start_ms=start_ms, end_ms=start_ms + 500)
        return self._utterances

    def stop(self, utterance: int, end_ms: int, **more: Any) -> None:
        self.hear("speech_stopped", utterance_id=utterance, start_ms=0, end_ms=end_ms, **more)

    def partial(self, utterance: int, stable: str) -> None:
        self.hear(
            "partial", utterance_id=utterance, text=stable, stable=stable, lang="en", start_ms=0, end_ms=0
        )

    def final(self, utterance: int, text: str, **more: Any) -> None:
        self.hear("final", utterance_id=utterance, text=text, lang="en", start_ms=0, end_ms=1000, **more)

    def take(self) -> list[dict[str, Any]]:
        """What the translator has said since the last time."""
        new = list(self.translator.take())
        assert all(event["event_id"].startswith("event_") for event in new)
        self.events += new
        return new

    def kinds(self) -> list[str]:
        return [event["type"].removeprefix("conversation.item.") for event in self.take()]


TURN = ["input_audio_buffer.committed", "added", "done"]
SPOKEN = ["input_audio_buffer.speech_started"]
STOPPED = ["input_audio_buffer.speech_stopped", *TURN]
DELTA, COMPLETED, FAILED = (f"input_audio_transcription.{kind}" for kind in ("delta", "completed", "failed"))


# -- turns that the server ends


def test_a_turn_in_the_original_s_order() -> None:
    replay = Replay()
    begin, feed = replay.say(audio(1))
    assert isinstance(begin, Begin)
    assert isinstance(feed, Feed)
    assert (feed.rate_hz, len(feed.pcm)) == (24_000, 48_000)
    utterance = replay.begin(80)
    replay.partial(utterance, "What is")
    replay.stop(utterance, 400)
    replay.final(utterance, "What is it?")
    events = replay.take()
    kinds = [event["type"].removeprefix("conversation.item.") for event in events]
    assert kinds == [*SPOKEN, DELTA, *STOPPED, DELTA, DELTA, COMPLETED]
    assert len({event["event_id"] for event in events}) == len(events)
    assert {event.get("item_id", event.get("item", {}).get("id")) for event in events} == {
        events[0]["item_id"]
    }
    assert events[0]["audio_start_ms"] == 80
    assert events[2]["audio_end_ms"] == 900
    assert events[3]["previous_item_id"] is None
    assert events[-1]["transcript"] == "What is it?"
    assert events[-1]["usage"] == {"type": "duration", "seconds": 0.82}
    assert events[-1]["languages"] == [{"code": "en"}]
    assert events[-1]["logprobs"] is None
    replay.say(audio(1))
    second = replay.begin(1200)
    replay.stop(second, 1500)
    committed = next(event for event in replay.take() if event["type"] == TURN[0])
    assert committed["previous_item_id"] == events[0]["item_id"]


def test_speech_that_comes_to_nothing_is_an_empty_transcript() -> None:
    replay = Replay()
    replay.say(audio(1))
    utterance = replay.begin()
    replay.stop(utterance, 400)
    replay.hear("utterance_discarded", utterance_id=utterance, start_ms=0, end_ms=0, reason="no_speech")
    events = replay.take()
    assert events[-1]["type"] == f"{TRANSCRIPTION}.completed"
    assert events[-1]["transcript"] == ""


def test_a_long_turn_is_one_item() -> None:
    """Utterances that end by their length alone are cut; speech that goes on is the same turn."""
    replay = Replay()
    replay.say(audio(30))
    first = replay.begin(0)
    replay.stop(first, 20_000, cut=True)
    second = replay.begin(20_000)
    replay.final(first, "One")
    replay.say(audio(10))
    replay.stop(second, 30_000)
    replay.final(second, "two.", joined=True)
    events = replay.take()
    kinds = [event["type"].removeprefix("conversation.item.") for event in events]
    assert kinds == [*SPOKEN, DELTA, *STOPPED, DELTA, DELTA, COMPLETED]
    assert events[-1]["transcript"] == "One two."


def test_a_turn_that_ends_where_it_was_cut() -> None:
    replay = Replay()
    replay.say(audio(21))
    utterance = replay.begin()
    replay.stop(utterance, 20_800, cut=True)
    replay.final(utterance, "All.")
    assert replay.kinds() == [*SPOKEN, DELTA]
    replay.say(audio(0.4))
    assert replay.kinds() == [], "the silence of a turn has not come yet"
    replay.say(audio(0.2))
    assert replay.kinds() == [*STOPPED, DELTA, COMPLETED]


def test_speech_after_the_silence_of_a_cut_turn_is_another_turn() -> None:
    replay = Replay()
    replay.say(audio(21))
    first = replay.begin()
    replay.stop(first, 20_000, cut=True)
    replay.begin(20_300)
    assert replay.kinds() == [*SPOKEN, *STOPPED, *SPOKEN]


def test_the_client_may_commit_in_the_middle_of_speech() -> None:
    replay = Replay()
    replay.say(audio(1))
    utterance = replay.begin()
    steps = replay.say(COMMIT)
    assert isinstance(steps[0], Finalise)
    replay.stop(utterance, 900)
    replay.final(utterance, "Half")
    replay.hear("flushed", id=steps[0].number)
    assert replay.kinds() == [*SPOKEN, *TURN, DELTA, COMPLETED]


# -- buffers that the client commits


def test_a_committed_buffer_is_one_item_of_any_length() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(60))
    first, second, third = (replay.begin(at) for at in (0, 20_000, 40_000))
    replay.partial(first, "One")
    replay.final(first, "One.")
    replay.stop(first, 19_000, cut=True)
    assert replay.kinds() == [DELTA], "what is sure is told before the commit"
    replay.final(second, "Two.")
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    assert replay.kinds() == [DELTA, *TURN]
    replay.final(third, "Three.")
    replay.hear("flushed", id=flush.number)
    *deltas, completed = replay.take()
    assert [event["type"] for event in deltas] == [f"{TRANSCRIPTION}.delta"] * 2
    assert completed["transcript"] == "One. Two. Three."
    assert completed["usage"] == {"type": "duration", "seconds": 60.0}
    told = "".join(event["delta"] for event in replay.events if event["type"].endswith(".delta"))
    assert told == completed["transcript"]


def test_silence_alone_is_an_empty_transcript() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(3))
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    assert replay.kinds() == TURN
    replay.hear("flushed", id=flush.number)
    (completed,) = replay.take()
    assert (completed["transcript"], completed["languages"]) == ("", [])
    assert completed["usage"]["seconds"] == 3.0


def test_speech_that_begins_while_the_buffer_is_committed_belongs_to_it() -> None:
    """The last audio is held back by the resampler until the flush."""
    replay = Replay(turn_detection=None)
    replay.say(audio(1))
    started = cast("Event", {"type": "speech_started", "utterance_id": 1, "start_ms": 900, "end_ms": 1000})
    (flush,) = replay.say(COMMIT, during={Finalise: [started]})
    assert isinstance(flush, Finalise)
    replay.final(1, "Yes.")
    replay.hear("flushed", id=flush.number)
    assert replay.take()[-1]["transcript"] == "Yes."


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_an_empty_buffer_cannot_be_committed(seconds: float) -> None:
    replay = Replay(turn_detection=None)
    if seconds:
        replay.say(audio(seconds))
    replay.say(COMMIT)
    (error,) = replay.take()
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "input_audio_buffer_commit_empty",
        "message": "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but"
        f" buffer only has {1000 * seconds:.2f}ms of audio.",
        "param": None,
        "event_id": "c1",
    }


def test_commits_wait_for_each_other() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(1))
    first = replay.begin()
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    replay.say(audio(1))
    second = replay.begin()
    (other,) = replay.say(COMMIT)
    assert isinstance(other, Finalise)
    replay.final(first, "One.")
    replay.hear("flushed", id=flush.number)
    replay.final(second, "Two.")
    replay.hear("flushed", id=other.number)
    done = [event for event in replay.take() if event["type"] == f"{TRANSCRIPTION}.completed"]
    assert [event["transcript"] for event in done] == ["One.", "Two."]
    assert done[0]["item_id"] != done[1]["item_id"]


def test_what_is_cleared_and_has_ended_is_named() -> None:
    """An utterance of 28 s is complete before its item is: whoever clears takes it back, and not what was committed."""
    replay = Replay(turn_detection=None)
    replay.say(audio(300))
    committed = replay.begin()
    replay.final(committed, "One.")
    [flush] = [step for step in replay.say(COMMIT) if isinstance(step, Finalise)]
    replay.hear("flushed", id=flush.number)
    replay.say(audio(300))
    ended, open_ = replay.begin(300), replay.begin(400)
    replay.final(ended, "Two.")
    assert replay.say(CLEAR) == [Discard(frozenset({ended, open_}))]
    replay.say(audio(300))
    assert replay.say(CLEAR) == [Discard(frozenset())]


def test_what_is_cleared_is_never_told() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(30))
    first, second = replay.begin(), replay.begin()
    assert replay.say(CLEAR) == [Discard(frozenset({first, second}))]
    replay.final(first, "Secret.")
    replay.hear("utterance_discarded", utterance_id=second, start_ms=0, end_ms=0, reason="cleared")
    assert replay.kinds() == ["input_audio_buffer.cleared"]
    replay.say(COMMIT)
    assert replay.take()[0]["error"]["code"] == "input_audio_buffer_commit_empty"


# -- changes of the session


def test_updates_tell_what_is_in_force() -> None:
    replay = Replay()
    replay.say(updated(transcription={"language": "es"}))
    (event,) = replay.take()
    assert event["type"] == "session.updated"
    assert event["session"]["audio"]["input"]["transcription"]["language"] == "es"
    assert event["session"]["id"].startswith("sess_")


def test_a_change_of_the_hearing_waits_for_the_end_of_a_turn() -> None:
    replay = Replay()
    replay.say(audio(1))
    utterance = replay.begin()
    replay.say(updated(transcription={"language": "es"}))
    assert [type(step) for step in replay.say(audio(1))] == [Feed]
    replay.stop(utterance, 1000)
    steps = replay.say(audio(1))
    assert [type(step) for step in steps] == [End, Begin, Feed]
    assert isinstance(steps[1], Begin)
    assert steps[1].plan.config.lang == "es"
    replay.say(updated(transcription={"language": "es"}))
    assert [type(step) for step in replay.say(audio(1))] == [Feed], "nothing has changed"


def test_another_rate_holds_at_once_and_the_item_goes_on() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(1))
    first = replay.begin()
    replay.say(updated(format={"type": "audio/pcm", "rate": 16_000}))
    steps = replay.say(audio(1, 16_000), during={End: [cast("Event", {"type": "stopped"})]})
    assert [type(step) for step in steps] == [End, Begin, Feed]
    assert first == 1
    second = replay.begin(100)
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    replay.final(second, "Two.")
    replay.hear("flushed", id=flush.number)
    assert replay.take()[-1]["usage"]["seconds"] == 2.0


def test_without_transcription_nothing_is_heard() -> None:
    replay = Replay(transcription=None)
    assert replay.say(audio(1)) == []
    assert replay.say(COMMIT) == []
    assert replay.kinds() == TURN


@pytest.mark.parametrize(("codec", "rate"), [("audio/pcmu", 8000), ("audio/pcma", 8000)])
def test_telephone_audio(codec: str, rate: int) -> None:
    replay = Replay(format={"type": codec})
    event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(range(240))).decode()}
    _, feed = replay.say(event)
    assert isinstance(feed, Feed)
    assert (feed.rate_hz, len(feed.pcm)) == (rate, 480)


def test_large_appends_are_fed_in_slices() -> None:
    replay = Replay()
    feeds = [step for step in replay.say(audio(5)) if isinstance(step, Feed)]
    assert max(len(feed.pcm) for feed in feeds) <= SLICE_CHARACTERS // 4 * 3
    assert sum(len(feed.pcm) for feed in feeds) == 240_000


def test_a_sample_may_be_cut_between_appends() -> None:
    replay = Replay()
    fed: list[Step] = []
    for part in (b"\x01", b"\x02\x03", b"\x04"):
        fed += replay.say({"type": "input_audio_buffer.append", "audio": base64.b64encode(part).decode()})
    assert [step.pcm for step in fed if isinstance(step, Feed)] == [b"\x01\x02", b"\x03\x04"]


# -- mistakes and failures


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({}, "invalid_value", "type"),
        ({"type": 7}, "invalid_value", "type"),
        ({"type": []}, "invalid_value", "type"),
        ({"type": {}}, "invalid_value", "type"),
        ({"type": "warble", "event_id": "e1"}, "invalid_value", "type"),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "conversation.item.create", "item": {}}, "invalid_value", "type"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "%%%%"}, "invalid_value", "audio"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_parameter", "session.type"),
    ],
)
def test_mistakes_get_an_error_and_the_session_goes_on(event: dict[str, Any], code: str, param: str) -> None:
    replay = Replay()
    assert replay.say(event) == []
    (error,) = replay.take()
    assert error["type"] == "error"
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)
    assert error["error"]["event_id"] == event.get("event_id")
    assert "warble" not in error["error"]["message"], "no input is repeated"
    assert [type(step) for step in replay.say(audio(1))] == [Begin, Feed]


@pytest.mark.parametrize(
    "kind", ["response.cancel", "output_audio_buffer.clear", "conversation.item.truncate"]
)
def test_what_asks_for_nothing_is_no_error(kind: str) -> None:
    replay = Replay()
    assert replay.say({"type": kind}) == []
    assert replay.take() == []


def test_the_beta_is_told_that_it_is_over() -> None:
    replay = Replay()
    with pytest.raises(BetaDisabled):
        replay.say({"type": "transcription_session.update", "session": {}, "event_id": "e1"})
    (error,) = replay.take()
    assert (error["error"]["code"], error["error"]["event_id"]) == ("beta_api_shape_disabled", "e1")


def test_an_engine_that_is_not_ready_is_told_once_and_by_each_item() -> None:
    replay = Replay(turn_detection=None)
    replay.failures[Begin] = ProviderNotReady("there are no weights; fetch some")
    replay.say(audio(1))
    replay.say(audio(1))
    assert [event["error"]["code"] for event in replay.take()] == ["provider_not_ready"]
    replay.say(COMMIT)
    assert replay.kinds() == [*TURN, FAILED]
    assert replay.events[-1]["error"]["type"] == "server_error"
    del replay.failures[Begin]
    replay.say(updated(transcription={"model": "base"}))
    assert [type(step) for step in replay.say(audio(1))] == [Begin, Feed]


def test_an_engine_that_fails_on_an_utterance_fails_its_item_alone() -> None:
    replay = Replay()
    replay.say(audio(1))
    utterance = replay.begin()
    replay.stop(utterance, 400)
    replay.hear("utterance_discarded", utterance_id=utterance, start_ms=0, end_ms=0, reason="engine_error")
    replay.hear("error", code="engine_failed", message="it failed", fatal=False)
    assert replay.kinds() == [*SPOKEN, *STOPPED, FAILED]
    replay.hear("error", code="engine_failed", message="it is gone", fatal=True)
    (error,) = replay.take()
    assert (error["error"]["type"], error["error"]["code"]) == ("server_error", "engine_failed")


def test_an_item_of_which_a_part_failed_says_which() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(60))
    first, second = replay.begin(0), replay.begin(20_000)
    replay.hear("utterance_discarded", utterance_id=first, start_ms=0, end_ms=19_000, reason="engine_error")
    replay.hear("error", code="engine_failed", message="it failed", fatal=False)
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    replay.final(second, "The rest.")
    replay.hear("flushed", id=flush.number)
    completed = replay.take()[-1]
    assert completed["transcript"] == "The rest."
    assert completed["uncovered"] == [{"start_ms": 0, "end_ms": 19_000, "dbfs": None}]


def test_a_silent_client_keeps_its_item() -> None:
    replay = Replay(turn_detection=None)
    replay.say(audio(1))
    first = replay.begin()
    assert [type(step) for step in replay.translator.pause()] == [End]
    assert list(replay.translator.pause()) == []
    replay.final(first, "One.")
    replay.hear("stopped")
    steps = replay.say(audio(1))
    assert [type(step) for step in steps] == [Begin, Feed]
    second = replay.begin()
    (flush,) = replay.say(COMMIT)
    assert isinstance(flush, Finalise)
    replay.final(second, "Two.")
    replay.hear("flushed", id=flush.number)
    assert replay.take()[-1]["transcript"] == "One. Two."


def test_an_engine_that_finds_utterances_by_itself() -> None:
    replay = Replay()
    replay.say(audio(1))
    replay.partial(1, "")
    replay.final(1, "A mock.")
    assert replay.kinds() == [DELTA, *TURN, DELTA, COMPLETED]
    manual = Replay(turn_detection=None)
    manual.say(audio(1))
    manual.final(1, "A mock.")
    manual.final(2, "Again.")
    (flush,) = manual.say(COMMIT)
    assert isinstance(flush, Finalise)
    manual.hear("flushed", id=flush.number)
    assert manual.take()[-1]["transcript"] == "A mock. Again."


@pytest.mark.parametrize(
    ("message", "code"), [("{", "invalid_json"), (b"\xff\xfe", "invalid_json"), ("[]", "invalid_event")]
)
def test_messages_that_hold_no_event(message: str | bytes, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_event(message)
    assert refusal.value.code == code
    assert read_event(b'{"type":"input_audio_buffer.clear"}') == CLEAR


def chunks(length: int) -> Iterator[int]:
    """Lengths of chunks that add up to this."""
    step = 1
    while length > 0:
        yield min(step, length)
        length -= step
        step = step * 7 % 997 + 1


def test_how_appends_are_cut_does_not_matter() -> None:
    replay = Replay()
    data = bytes(i % 251 for i in range(30_000))
    fed, at = b"", 0
    for length in chunks(len(data)):
        part = base64.b64encode(data[at : at + length]).decode()
        steps = replay.say({"type": "input_audio_buffer.append", "audio": part})
        fed += b"".join(step.pcm for step in steps if isinstance(step, Feed))
        at += length
    assert fed == data

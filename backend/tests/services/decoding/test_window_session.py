"""One session of a whole-window engine: its context, its window sizes, and one decode at a time."""

import anyio
import numpy as np
import orjson
import pytest

from app.core.config import Settings, SttSettings, WhisperSettings
from app.core.errors import EngineFailed
from app.providers.base import SttConfig, WindowRequest, WindowResult
from app.services.decoding.policy import Priority
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.told_speech import PAUSE_S
from app.services.decoding.window_session import (
    CONTEXT_CHARACTERS,
    SPOKEN_HALF_LIFE_S,
    DecodeTask,
    DecodingContext,
    WindowSession,
    WindowSizes,
    is_final,
    prompt_end,
)
from tests.fakes.window_engine import FakeWindowSession, WindowScript, hear, make_speech, make_text

SECOND = 16_000


def request(words: int = 3, *, final: bool = True) -> WindowRequest:
    samples = make_speech(words)
    return WindowRequest(samples, len(samples), final=final, window="full")


def session(
    engine: FakeWindowSession, scheduler: Scheduler | None = None, sizes: WindowSizes | None = None
) -> WindowSession:
    number = scheduler.new_session() if scheduler else 0
    return WindowSession(
        engine, SttConfig(), sizes or WindowSizes(), name="fake", scheduler=scheduler, number=number
    )


# -- context


def test_a_context_goes_on_at_another_server() -> None:
    here, there = DecodingContext(), DecodingContext()
    final = WindowResult("What is the weather like", "en", lang_sure=True, trusted=True)
    here.remember(final, 3 * SECOND, 2.0, make_speech(3))
    there.load(orjson.loads(orjson.dumps(here.dump())))
    assert (there.lang, there.spoken) == (here.lang, here.spoken)
    assert there.prompt(4 * SECOND, 3 * SECOND) == here.prompt(4 * SECOND, 3 * SECOND) == final.text
    assert there.find_told(4 * SECOND, SECOND) is None  # the audio before stays where it is


def test_a_prompt_has_the_last_whole_words_of_a_text() -> None:
    assert prompt_end("short") == "short"
    end = prompt_end("word " * 100)
    assert len(end) <= CONTEXT_CHARACTERS
    assert end.startswith("word")
    assert len(prompt_end("x" * 500)) == CONTEXT_CHARACTERS, "a single word is cut"


NO_SAMPLES = np.empty(0, np.int16)


def test_the_last_trusted_final_is_the_context_for_a_while() -> None:
    context = DecodingContext()
    assert context.prompt(0, 10 * SECOND) == ""
    context.remember(WindowResult("Open the door.", trusted=True), 5 * SECOND, 2, NO_SAMPLES)
    assert context.prompt(6 * SECOND, 3 * SECOND) == "Open the door."
    assert context.prompt(6 * SECOND, SECOND) == "", "a short utterance would repeat it"
    assert context.prompt(36 * SECOND, 3 * SECOND) == "", "it is too old"
    context.remember(WindowResult("Thank you.", trusted=False), 7 * SECOND, 1, NO_SAMPLES)
    assert context.prompt(8 * SECOND, 3 * SECOND) == ""


@pytest.mark.parametrize(
    ("before", "text", "start_s", "goes_on"),
    [
        ("He asked", "something warm.", 6, True),
        ("He asked,", "something warm.", 6, True),
        ("He asked.", "something warm.", 6, False),
        ("He asked", "Something warm.", 6, False),
        ("He asked", "something warm.", 5 + PAUSE_S, False),
        ("He asked", "", 6, False),
    ],
)
def test_a_text_goes_on_by_how_it_is_written(before: str, text: str, start_s: float, goes_on: bool) -> None:
    context = DecodingContext()
    assert not context.goes_on(text, 0)
    context.remember(WindowResult(before, trusted=True), 5 * SECOND, 2, NO_SAMPLES)
    assert context.goes_on(text, int(start_s * SECOND)) is goes_on


def test_what_was_spoken_is_remembered_by_its_length_and_fades() -> None:
    context = DecodingContext()
    for lang, speech_s in (("es", 20), (None, 5), ("en", SPOKEN_HALF_LIFE_S), ("en", 1)):
        context.remember(WindowResult("x", lang), 0, speech_s, NO_SAMPLES)
        assert context.lang == lang
    spoken_s = dict(context.spoken)
    assert 9 < spoken_s["es"] < 10
    assert SPOKEN_HALF_LIFE_S < spoken_s["en"] < SPOKEN_HALF_LIFE_S + 1


async def test_a_decode_in_full_keeps_the_language_of_the_short_one() -> None:
    def answer(request: WindowRequest) -> WindowResult:
        return WindowResult(
            "x", request.lang or "es", doubtful=None if request.window == "full" else "unsure"
        )

    engine = FakeWindowSession(WindowScript(answer=answer))
    task = DecodeTask(Priority.FINAL, SECOND)
    request = WindowRequest(make_speech(3), SECOND, final=True, window="short")
    assert (await session(engine).decode(task, lambda: request)).lang == "es"
    assert [(made.window, made.lang) for made in engine.requests] == [("short", None), ("full", "es")]


# -- windows


def test_window_sizes_come_from_the_settings() -> None:
    whisper = WhisperSettings(partial_window="full", final_window="short")
    settings = Settings(_env_file=None, stt=SttSettings(whisper_local=whisper))
    assert WindowSizes.from_settings(settings) == WindowSizes(partial="full", final="short")


@pytest.mark.parametrize(
    ("priority", "final"), [(each, each.name in ("FINAL", "EAGER", "FILE")) for each in Priority]
)
def test_decodes_of_a_whole_utterance_are_finals(priority: Priority, final: bool) -> None:
    assert is_final(priority) is final


# -- decodes


async def test_without_a_scheduler_a_final_is_decoded_at_once() -> None:
    engine = FakeWindowSession()
    result = await session(engine).decode(DecodeTask(Priority.FINAL), request)
    assert (result.text, engine.requests[0].window) == (make_text(3), "short")
    assert session(engine).pressure_factor == 1
    assert session(engine).model == "fake"


async def test_the_request_is_made_when_the_turn_has_come() -> None:
    """A partial covers the audio until then."""
    engine, scheduler = FakeWindowSession(), Scheduler(1, lambda: 0.0)
    release, heard = anyio.Event(), [1]
    async with anyio.create_task_group() as group:
        it = session(engine, scheduler)
        holding = DecodeTask(Priority.FINAL)
        engine.script.hold = lambda each: each.final
        group.start_soon(it.decode, holding, request)
        other = session(FakeWindowSession(), scheduler)
        await anyio.wait_all_tasks_blocked()
        results: list[WindowResult] = []

        async def partial() -> None:
            results.append(
                await other.decode(DecodeTask(Priority.PARTIAL), lambda: request(heard[0], final=False))
            )
            release.set()

        group.start_soon(partial)
        await anyio.wait_all_tasks_blocked()
        assert results == []
        heard[0] = 4
        engine.held[0].set()
        await release.wait()
    assert results[0].text == make_text(4)


async def test_decodes_of_a_session_run_one_at_a_time() -> None:
    engine = FakeWindowSession(WindowScript(hold=lambda _: True))
    it = session(engine)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(it.decode, DecodeTask(Priority.FINAL), request)
        for done in range(3):
            await anyio.wait_all_tasks_blocked()
            assert len(engine.held) == done + 1
            engine.held[done].set()


async def test_a_doubtful_short_final_is_decoded_again_in_full_and_both_times_count() -> None:
    def doubtful(asked: WindowRequest) -> WindowResult:
        result = hear(asked)
        return WindowResult("um", doubtful="capped") if asked.window == "short" else result

    engine = FakeWindowSession(WindowScript(doubtful, decode_ms=3.0))
    it = session(engine, Scheduler(1, lambda: 0.0), WindowSizes(final="short"))
    result = await it.decode(DecodeTask(Priority.FINAL), request)
    assert [each.window for each in engine.requests] == ["short", "full"]
    assert (result.text, result.decode_ms) == (make_text(3), 6.0)


async def test_part_of_an_utterance_is_decoded_once_in_a_short_window() -> None:
    engine = FakeWindowSession(WindowScript(lambda _: WindowResult("um", doubtful="unsure")))
    it = session(engine, Scheduler(1, lambda: 0.0), WindowSizes(final="full"))
    result = await it.decode_once(DecodeTask(Priority.FINAL), request())
    assert (result.text, [each.window for each in engine.requests]) == ("um", ["short"])


async def test_a_promoted_task_is_a_final() -> None:
    task = DecodeTask(Priority.EAGER, 100)
    session(FakeWindowSession(), Scheduler(1, lambda: 0.0)).promote(task)
    assert task.priority is Priority.FINAL


async def test_what_the_engine_raises_is_an_error_of_ours() -> None:
    engine = FakeWindowSession(WindowScript(failures=[RuntimeError("secret words")]))
    with pytest.raises(EngineFailed) as caught:
        await session(engine).decode(DecodeTask(Priority.FINAL), request)
    assert "secret" not in caught.value.message

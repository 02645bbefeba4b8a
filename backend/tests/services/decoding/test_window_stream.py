"""Streaming over a scripted whole-window engine: what is decoded when, what is told, and nothing lost at any cut."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import EngineFailed
from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    Samples,
    SttConfig,
    Transcript,
    WindowRequest,
    WindowResult,
    Word,
)
from app.services.decoding.load import PartialsMode, Pressure
from app.services.decoding.policy import Job, Priority, Shed
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import (
    LANGUAGE_S,
    OVERDUE_S,
    TAIL_SAMPLES,
    LiveWindowStream,
    PartialDecode,
    WindowStream,
    is_partial_due,
)
from tests.conftest import SAMPLES, read_wav
from tests.fakes.window_engine import (
    WORD_SAMPLES,
    ContinuingFakeSession,
    FakeWindowSession,
    WindowScript,
    hear,
    make_speech,
    make_text,
)

T = TypeVar("T")
CHUNK = 1600
PRE_ROLL = 6400


@dataclass
class Dictation:
    """One dictation of the fake engine; remembers what its utterances tell."""

    engine: FakeWindowSession
    session: WindowSession
    tasks: TaskGroup
    partials: list[Hypothesis] = field(default_factory=list)
    eager: list[str] = field(default_factory=list)

    def utterance(self, start: int = 0) -> LiveWindowStream:
        return LiveWindowStream(self.session, start, start + PRE_ROLL, self, self.tasks)

    def on_partial(self, text: str, stable: str, covered_samples: int) -> None:
        self.partials.append(Hypothesis(text, stable))

    def on_eager_final(self, transcript: Transcript) -> None:
        self.eager.append(transcript.text)


@asynccontextmanager
async def dictation(
    script: WindowScript | None = None,
    windows: WindowSizes | None = None,
    config: SttConfig | None = None,
    factor: float = 1,
    partials: PartialsMode = "on",
    cores: int = 1,
    engine: FakeWindowSession | None = None,
) -> AsyncIterator[Dictation]:
    """A dictation on a clock that stands still."""

    class Pressed(Scheduler):
        pressure = Pressure(factor, partials)

        async def run(self, job: Job, call: Callable[[], Awaitable[T]]) -> T:
            if partials == "first_only" and job.priority is Priority.PARTIAL:
                raise Shed(job.priority.name)
            return await super().run(job, call)

    engine = engine or FakeWindowSession(script)
    async with anyio.create_task_group() as tasks:
        scheduler = Pressed(cores, lambda: 0.0)
        number = scheduler.new_session()
        yield Dictation(
            engine,
            WindowSession(
                engine,
                config or SttConfig(),
                windows or WindowSizes(),
                name="fake",
                scheduler=scheduler,
                number=number,
            ),
            tasks,
        )
    await engine.aclose()


async def feed(stream: WindowStream, audio: Samples, chunk: int = CHUNK) -> None:
    """Speak, giving the engine all the time it wants after each chunk."""
    for at in range(0, len(audio), chunk):
        await stream.accept(audio[at : at + chunk])
        await settle()


async def settle() -> None:
    """Until everything that can go on has gone on: nothing here waits for a clock or a thread."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


def silence(ms: int) -> Samples:
    return np.zeros(16 * ms, np.int16)


def utterance(words: int, tail_ms: int = 608) -> tuple[Samples, int]:
    """Pre-roll, words, silence; and where the speech ends."""
    return np.concatenate(
        (silence(400), make_speech(words), silence(tail_ms))
    ), PRE_ROLL + words * WORD_SAMPLES


def holding(count: int) -> WindowScript:
    """Holds the first `count` decodes until the test lets them go."""
    left = [count]

    def hold(_: WindowRequest) -> bool:
        left[0] -= 1
        return left[0] >= 0

    return WindowScript(hold=hold)


async def close_while_held(it: Dictation, stream: LiveWindowStream) -> bool:
    """Close the stream while the engine holds a decode, and let that go; whether it closed before."""
    closed = anyio.Event()

    async def close() -> None:
        await stream.aclose()
        closed.set()

    async with anyio.create_task_group() as group:
        group.start_soon(close)
        await settle()
        was_closed = closed.is_set()
        it.engine.held[0].set()
    assert closed.is_set()
    return was_closed


# -- partials


async def test_partials_come_while_it_grows_and_hold_the_newest_word_back() -> None:
    async with dictation() as it:
        stream = it.utterance()
        audio, end = utterance(8)
        await feed(stream, audio[:end])
        lengths_ms = [len(request.samples) // 16 for request in it.engine.partials]
        distances_ms = [after - before for before, after in itertools.pairwise(lengths_ms)]
        assert lengths_ms[0] == 900
        assert distances_ms == [300, 300, 300, 300, 500]
        assert it.partials[-1] == Hypothesis(make_text(7), make_text(6))
        assert all(request.window == "short" for request in it.engine.partials)
        await stream.aclose()


async def test_accept_never_waits_and_the_next_partial_covers_what_was_said_meanwhile() -> None:
    async with dictation(holding(1)) as it:
        stream = it.utterance()
        audio, end = utterance(12)
        await feed(stream, audio[:end])  # the first decode still runs
        assert len(it.engine.requests) == 1
        it.engine.held[0].set()
        await settle()
        await feed(stream, silence(100))
        assert [len(request.samples) // 16 for request in it.engine.partials] == [900, 4100]
        await stream.aclose()


async def test_who_asked_for_no_partials_costs_none() -> None:
    async with dictation(config=SttConfig(partials=False)) as it:
        stream = it.utterance()
        audio, end = utterance(8)
        await feed(stream, audio)
        assert (await stream.finish(end)).text == make_text(8)
        assert len(it.engine.requests) == 1
        await stream.aclose()


async def test_an_engine_that_fails_at_a_partial_is_asked_for_the_final_alone() -> None:
    async with dictation(WindowScript(failures=[EngineFailed("broken")])) as it:
        stream = it.utterance()
        audio, end = utterance(8)
        await feed(stream, audio)
        assert (await stream.finish(end)).text == make_text(8)
        assert len(it.engine.partials) == 1
        await stream.aclose()


async def test_a_partial_in_circles_is_decoded_in_full_while_cores_are_free_and_else_not_shown() -> None:
    def loops(request: WindowRequest) -> WindowResult:
        short = request.window == "short"
        return WindowResult("you you you", doubtful="repetition") if short else hear(request)

    for factor in (1, 2):
        async with dictation(WindowScript(loops), factor=factor) as it:
            stream = it.utterance()
            await feed(stream, utterance(8)[0])
            assert {request.window for request in it.engine.partials} == (
                {"short", "full"} if factor == 1 else {"short"}
            )
            assert bool(it.partials) == (factor == 1)
            await stream.aclose()


async def test_under_load_words_go_on_to_come_every_few_seconds() -> None:
    """The first partial of an utterance runs, and each that is long overdue; all others are shed."""
    async with dictation(factor=4, partials="first_only") as it:
        stream = it.utterance()
        speech, end = utterance(24)
        await feed(stream, speech[:end])
        decoded = [len(request.samples) / SAMPLE_RATE_HZ for request in it.engine.partials]
        distances = [after - before for before, after in itertools.pairwise(decoded)]
        assert decoded[0] == pytest.approx(0.4 + 4 * 0.5, abs=0.11)
        assert len(decoded) >= 3
        assert all(distance == pytest.approx(OVERDUE_S, abs=0.3) for distance in distances), distances
        await stream.aclose()


# -- finals


@pytest.mark.parametrize(
    ("windows", "window"), [(WindowSizes(final="full"), "full"), (WindowSizes(), "short")]
)
@pytest.mark.parametrize(("factor", "cores"), [(1, 1), (1, 2), (4, 1), (4, 2)])
async def test_the_window_of_a_final_is_the_setting_s_under_any_load(
    windows: WindowSizes, window: str, factor: float, cores: int
) -> None:
    async with dictation(windows=windows, factor=factor, cores=cores) as it:
        stream = it.utterance()
        audio, end = utterance(3)
        await feed(stream, audio)
        assert (await stream.finish(end)).text == make_text(3)
        assert [request.window for request in it.engine.finals] == [window]
        await stream.aclose()


@pytest.mark.parametrize("doubt", ["repetition", "capped", "empty"])
async def test_a_doubtful_final_is_decoded_once_more_in_full(doubt: str) -> None:
    def doubtful(request: WindowRequest) -> WindowResult:
        return replace(hear(request), text="nonsense", doubtful=doubt)

    async with dictation(WindowScript(doubtful), WindowSizes(final="short")) as it:
        stream = it.utterance()
        audio, end = utterance(3)
        await feed(stream, audio)
        transcript = await stream.finish(end)
        assert [request.window for request in it.engine.finals] == ["short", "full"]
        assert (transcript.text, transcript.decode_ms) == ("nonsense", 2.0)
        await stream.aclose()


async def test_speech_without_words_is_decoded_again_from_where_the_text_ends() -> None:
    """The engine hears the first three words of a recording; asked again, it hears the others."""
    audio, rate_hz = read_wav(SAMPLES / "en_two_requests_16k.wav")
    assert rate_hz == SAMPLE_RATE_HZ
    first, others = "One two three.", "And the others, as fast as people speak."

    def deaf(request: WindowRequest) -> WindowResult:
        text = first if len(request.samples) == len(audio) else others
        words = tuple(Word(word, 300 * n, 300 * n + 300, 0.9) for n, word in enumerate(text.split()))
        return WindowResult(text, "en", words)

    async with dictation(WindowScript(deaf)) as it:
        stream = it.utterance()
        await feed(stream, audio, chunk=len(audio))
        transcript = await stream.finish(len(audio))
        assert transcript.text.startswith(f"{first} {others}")
        assert transcript.words == (), "nobody asked for word times"
        assert transcript.decode_ms == len(it.engine.finals)
        await stream.aclose()


async def test_only_finals_that_were_told_choose_language_and_context() -> None:
    """What was decoded in advance and taken back leaves no trace."""
    async with dictation() as it:
        first = it.utterance()
        audio, end = utterance(8, 256)
        await feed(first, audio)
        first.pause(end)
        await settle()
        assert it.eager == [make_text(8)]
        assert (it.session.context.lang, it.session.context.prompt(0, 10**6)) == (None, "")
        assert it.session.context.spoken == ()
        first.resume()
        await feed(first, make_speech(1, 8))
        await first.finish(PRE_ROLL + len(audio) + WORD_SAMPLES)
        await first.aclose()
        assert it.session.context.lang == "en"

        start = 20 * 16_000
        second = it.utterance(start)
        audio, end = utterance(8)
        await feed(second, audio)
        await second.finish(end)
        await second.aclose()
        final = it.engine.finals[-1]
        assert (final.context, final.context_lang, final.lang) == (make_text(9), "en", None)
        assert [lang for lang, _ in final.spoken] == ["en"]
        assert all(request.context == "" for request in it.engine.partials)
        short, late = it.session.context.prompt(start, 16_000), it.session.context.prompt(start * 10, 10**6)
        assert (short, late) == ("", "")


# -- languages


async def test_each_utterance_finds_its_language_and_its_partials_keep_it_once_it_is_sure() -> None:
    """No partial decides the language of a final, and no utterance that of the next."""

    def answer(request: WindowRequest) -> WindowResult:
        return replace(hear(request), lang="es", lang_sure=len(request.samples) > PRE_ROLL + 16_000)

    async with dictation(WindowScript(answer)) as it:
        for start in (0, 20 * 16_000):
            stream, before = it.utterance(start), len(it.engine.partials)
            audio, end = utterance(10)
            await feed(stream, audio)
            assert (await stream.finish(end)).lang == "es"
            await stream.aclose()
            given = [(len(made.samples), made.lang) for made in it.engine.partials[before:]]
            kept_after = next(length for length, lang in given if lang is not None)
            assert all((lang == "es") == (length >= kept_after) for length, lang in given)
            assert kept_after - PRE_ROLL > LANGUAGE_S * 16_000
        assert all(made.lang is None for made in it.engine.finals)


@pytest.mark.parametrize(
    ("config", "lang", "sure", "shown"),
    [
        (SttConfig(lang="es"), "es", True, False),
        (SttConfig(langs=("es", "en")), "es", True, False),
        (SttConfig(langs=("es", "ru")), "es", False, True),
        (SttConfig(), "ru", False, False),
        (SttConfig(), "ru", True, True),
        (SttConfig(likely_langs=("uk",)), "ru", False, True),
    ],
)
async def test_no_partial_is_in_a_script_of_no_language(
    config: SttConfig, lang: str, sure: bool, shown: bool
) -> None:
    def answer(request: WindowRequest) -> WindowResult:
        return WindowResult("Привет API", lang, lang_sure=sure)

    async with dictation(WindowScript(answer), config=config) as it:
        stream = it.utterance()
        await feed(stream, utterance(8)[0])
        assert bool(it.partials) is shown
        await stream.aclose()


# -- finals in advance


async def test_the_final_is_free_when_the_one_in_advance_is_ready() -> None:
    async with dictation() as it:
        stream = it.utterance()
        audio, end = utterance(4)
        await feed(stream, audio[: end + 4096])
        stream.pause(end)
        await feed(stream, audio[end + 4096 :])
        transcript = await stream.finish(end)
        assert [transcript.text] == it.eager == [make_text(4)]
        assert len(it.engine.finals) == 1
        await stream.aclose()


async def test_the_final_in_advance_does_not_wait_for_a_partial_that_nobody_wants() -> None:
    script = WindowScript(hold=lambda request: not request.final)
    async with dictation(script, cores=2) as it:
        stream = it.utterance()
        audio, end = utterance(4)
        await feed(stream, audio[: end + TAIL_SAMPLES])
        stream.pause(end)
        await settle()
        told = list(it.eager)
        final = await stream.finish(end)
        was_closed = await close_while_held(it, stream)
    assert told == [final.text] == [make_text(4)]
    assert not was_closed, "closed while the partial still ran"
    assert it.partials == []


async def test_a_final_in_advance_hears_what_the_one_at_the_end_would() -> None:
    """So that no text depends on when it was decoded."""
    requests = []
    for pauses in (True, False):
        async with dictation() as it:
            stream = it.utterance()
            audio, end = utterance(4)
            await feed(stream, audio[: end + 4096])
            if pauses:
                stream.pause(end)
            await feed(stream, audio[end + 4096 :])
            await stream.finish(end)
            await stream.aclose()
            requests += it.engine.finals
    assert len(requests) == 2
    assert requests[0].samples.tobytes() == requests[1].samples.tobytes()
    assert len(requests[0].samples) == end + TAIL_SAMPLES


async def test_speech_that_the_engine_doubts_is_not_told_in_advance() -> None:
    """Whether it is speech is known at the end."""
    script = WindowScript(lambda request: replace(hear(request), is_speech_doubted=True))
    async with dictation(script) as it:
        audio, speech = utterance(4)
        stream = it.utterance()
        await feed(stream, audio)
        stream.pause(speech)
        await settle()
        assert it.eager == []
        transcript = await stream.finish(speech)
        assert (transcript.text, transcript.is_speech_doubted) == (make_text(4), True)
        assert len(it.engine.finals) == 1
        await stream.aclose()


async def test_an_end_that_comes_before_the_decode_is_ready_waits_for_it_and_tells_once() -> None:
    async with dictation(holding(1), config=SttConfig(partials=False)) as it:
        stream = it.utterance()
        audio, end = utterance(4)
        await feed(stream, audio)
        stream.pause(end)
        await settle()
        texts = []

        async def finish() -> None:
            texts.append((await stream.finish(end)).text)

        async with anyio.create_task_group() as group:
            group.start_soon(finish)
            await settle()
            assert texts == []
            it.engine.held[0].set()
        assert (texts, it.eager, len(it.engine.finals)) == ([make_text(4)], [], 1)
        await stream.aclose()


@pytest.mark.parametrize("running", [True, False], ids=["while it is decoded", "before"])
async def test_speech_that_goes_on_voids_the_final_in_advance(running: bool) -> None:
    script = WindowScript(hold=lambda request: request.final and request.speech_samples < 30_000)
    async with dictation(script, config=SttConfig(partials=False)) as it:
        stream = it.utterance()
        audio, end = utterance(4, 256)
        await feed(stream, audio)
        stream.pause(end)
        if running:
            await settle()
        stream.resume()
        if running:
            it.engine.held[0].set()
        await feed(stream, make_speech(4, 4))
        end = len(audio) + 4 * WORD_SAMPLES
        assert (await stream.finish(end)).text == make_text(8)
        assert it.eager == []
        assert len(it.engine.finals) == (2 if running else 1)
        await stream.aclose()


async def test_a_final_in_advance_that_fails_fails_the_utterance() -> None:
    async with dictation(
        WindowScript(failures=[EngineFailed("broken")]), config=SttConfig(partials=False)
    ) as it:
        stream = it.utterance()
        audio, end = utterance(4)
        await feed(stream, audio)
        stream.pause(end)
        await settle()
        with pytest.raises(EngineFailed):
            await stream.finish(end)
        await stream.aclose()


async def test_a_client_that_leaves_frees_the_engine_after_the_running_call() -> None:
    async with dictation(holding(1)) as it:
        stream = it.utterance()
        await feed(stream, utterance(8)[0])
        assert not await close_while_held(it, stream)


# -- long utterances


@pytest.mark.parametrize("chunk", [1600, 4000, 16_000])
async def test_a_long_utterance_is_decoded_in_windows_and_nothing_repeats_or_vanishes(chunk: int) -> None:
    async with dictation(config=SttConfig()) as it:
        stream = it.utterance()
        audio, end = utterance(88)
        await feed(stream, audio[:end], chunk)
        for shown in it.partials:
            count = len(shown.text.split())
            assert shown.text == make_text(count)
        assert len(it.partials[-1].text.split()) >= 84
        longest_s = max(len(request.samples) for request in it.engine.partials) / 16_000
        assert longest_s < 14
        assert any(request.context for request in it.engine.partials)
        assert (await stream.finish(end)).text == make_text(88)
        assert len(it.engine.finals[-1].samples) == end
        await stream.aclose()


async def test_without_word_times_a_long_window_is_not_cut() -> None:
    def timeless(request: WindowRequest) -> WindowResult:
        return replace(hear(request), words=())

    async with dictation(WindowScript(timeless)) as it:
        stream = it.utterance()
        audio, end = utterance(60)
        await feed(stream, audio[:end], 8000)
        assert it.partials[-1].text == make_text(59)
        await stream.aclose()


@given(
    chunks=st.lists(st.integers(16, 20_000), min_size=1, max_size=12),
    flaws=st.lists(st.integers(0, 3), min_size=1, max_size=20),
)
@settings(max_examples=15)
def test_stable_never_shrinks_whatever_the_engine_makes_of_the_newest_words(
    chunks: list[int], flaws: list[int]
) -> None:
    """Its last words are wrong, missing or double at times; what is stable stays, and the final is right."""
    count = [0]

    def flawed(request: WindowRequest) -> WindowResult:
        result = hear(request)
        if request.final or not result.text:
            return result
        count[0] += 1
        words = result.text.split()
        flaw = flaws[count[0] % len(flaws)]
        wrong = {0: words, 1: [*words[:-1], "hm"], 2: words[:-1], 3: [*words, words[-1]]}[flaw]
        return replace(result, text=" ".join(wrong))

    async def run() -> None:
        async with dictation(WindowScript(flawed)) as it:
            stream = it.utterance()
            audio, end = utterance(60)
            at = 0
            while at < len(audio):
                step = chunks[at % len(chunks)]
                await feed(stream, audio[at : at + step], step)
                at += step
            stable = ""
            for shown in it.partials:
                assert shown.stable is not None
                assert shown.stable.startswith(stable)
                assert shown.text.startswith(shown.stable)
                stable = shown.stable
            assert (await stream.finish(end)).text == make_text(60)
            await stream.aclose()

    anyio.run(run)


# -- when a partial is due


@pytest.mark.parametrize(("heard_s", "due"), [(0.89, False), (0.9, True)])
def test_the_first_comes_after_half_a_second_of_speech(heard_s: float, due: bool) -> None:
    assert is_partial_due(heard_s, 0.4, None, 1) is due


@pytest.mark.parametrize(
    ("last", "factor", "distance_s"),
    [
        (PartialDecode(3.0), 1, 0.5),
        (PartialDecode(3.0, decode_s=0.1, took_s=0.2), 1, 0.5),
        (PartialDecode(3.0, decode_s=1.0, took_s=1.0), 1, 1.2),
        (PartialDecode(3.0, decode_s=0.1, took_s=2.0), 1, 2.0),
        (PartialDecode(3.0, decode_s=0.1, took_s=0.1), 4, 2.0),
        (PartialDecode(1.0, decode_s=0.1, took_s=0.2), 1, 0.25),
        (PartialDecode(1.0, decode_s=0.3, took_s=0.3), 1, 0.36),
        (PartialDecode(1.0, decode_s=0.1, took_s=0.1), 2, 1.0),
    ],
    ids=[
        *("a shed one", "a fast one", "a slow one", "one that waited", "under pressure"),
        *("an early one", "a slow early one", "an early one under pressure"),
    ],
)
def test_the_next_comes_when_it_is_worth_its_cost(
    last: PartialDecode, factor: float, distance_s: float
) -> None:
    assert not is_partial_due(last.covered_s + distance_s - 0.01, 0.4, last, factor)
    assert is_partial_due(last.covered_s + distance_s + 0.01, 0.4, last, factor)


# -- after a pause


async def say(it: Dictation, words: int, first: int, start: int) -> tuple[Transcript, int]:
    """One utterance of these words, and where its speech ends in the session."""
    stream = it.utterance(start)
    audio = np.concatenate((silence(400), make_speech(words, first), silence(608)))
    speech = PRE_ROLL + words * WORD_SAMPLES
    await feed(stream, audio)
    final = await stream.finish(speech)
    await stream.aclose()
    return final, start + speech


@pytest.mark.parametrize("pause_s", [0.7, 3, 5])
async def test_an_utterance_after_a_pause_is_decoded_with_the_one_before_it(pause_s: float) -> None:
    engine = ContinuingFakeSession()
    async with dictation(engine=engine) as it:
        first, end = await say(it, 4, 0, 0)
        second, _ = await say(it, 5, 4, end + int(pause_s * 16_000) - PRE_ROLL)
    assert (first.text, first.joined) == (make_text(4), False)
    assert (second.text, second.joined) == (make_text(5, 4), True)
    assert [told.text for told in engine.told] == [make_text(4)]
    assert len(engine.finals) == 1, "the second one is not decoded alone"
    assert [word.text for word in second.words] == []
    assert count_words(engine.told[0].samples) == 4


def count_words(samples: Samples) -> int:
    return len(np.unique(samples[samples > 0]))


async def test_word_times_count_from_the_utterance_itself() -> None:
    async with dictation(engine=ContinuingFakeSession(), config=SttConfig(words=True)) as it:
        _, end = await say(it, 4, 0, 0)
        second, _ = await say(it, 2, 4, end + 16_000)
    assert [(word.text, word.start_ms, word.end_ms) for word in second.words] == [
        ("w4", 400, 700),
        ("w5", 700, 1000),
    ]


async def test_an_unsure_continuation_is_decoded_alone() -> None:
    engine = ContinuingFakeSession(WindowScript(go_on=lambda *_: None))
    async with dictation(engine=engine) as it:
        _, end = await say(it, 4, 0, 0)
        second, _ = await say(it, 5, 4, end + 16_000)
    assert (second.text, second.joined) == (make_text(5, 4), True), "by how it is written"
    assert len(engine.told) == 1
    assert len(engine.finals) == 2


async def test_after_a_long_pause_nothing_is_joined() -> None:
    engine = ContinuingFakeSession()
    async with dictation(engine=engine) as it:
        _, end = await say(it, 4, 0, 0)
        second, _ = await say(it, 5, 4, end + 6 * 16_000)
    assert (second.text, second.joined) == (make_text(5, 4), False)
    assert not engine.told


async def test_ellipses_of_a_decoder_are_not_told() -> None:
    def cut(request: WindowRequest) -> WindowResult:
        heard = hear(request)
        return replace(heard, text=f"... {heard.text}...") if request.final else heard

    async with dictation(WindowScript(cut)) as it:
        final, _ = await say(it, 4, 0, 0)
    assert final.text == make_text(4)


@pytest.mark.parametrize("chunk", [160, 1600, 16_000])
async def test_what_is_joined_does_not_depend_on_chunks(chunk: int) -> None:
    """The final in advance and the one at the end are decoded after the same speech."""
    engine = ContinuingFakeSession()
    async with dictation(engine=engine) as it:
        _, end = await say(it, 4, 0, 0)
        stream = it.utterance(end + 16_000)
        speech = PRE_ROLL + 3 * WORD_SAMPLES
        await feed(stream, np.concatenate((silence(400), make_speech(3, 4), silence(608))), chunk)
        stream.pause(speech)
        await settle()
        final = await stream.finish(speech)
        await stream.aclose()
    assert len(engine.told) == 1, "the final in advance is the final"
    assert np.array_equal(engine.told[0].samples[:PRE_ROLL], np.zeros(PRE_ROLL))
    assert it.eager == [final.text] == [make_text(3, 4)]

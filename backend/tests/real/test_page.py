"""The page on real weights: a spoken prompt is understood, sent and answered."""

import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.conftest import read_wav
from tests.real.recall import Clip, Heard, assert_understood, list_human_clips, list_sample_clips

pytestmark = [*BROWSER, pytest.mark.timeout(600)]

PATIENCE_MS = 180_000
"""Real weights take a minute and more where other tests use the same cores."""
WAYS_TO_SAY = (("en-us", 150), ("en-us", 130), ("en-gb", 150), ("en-gb", 130), ("en-us", 170), ("en-gb", 140))
"""Voices and their words a minute."""


def choose_clip(lang: str) -> Clip:
    """A short prompt: in English one of the samples, in Spanish a person, for the samples' voice is not understood."""
    clips = list_sample_clips("en") if lang == "en" else list_human_clips("es")
    return next(clip for clip in clips if clip.id in ("en_weather_madrid_48k", "es_fleurs_006"))


@pytest.mark.parametrize("lang", ["en", "es"])
async def test_a_spoken_prompt_is_answered(open_page: OpenPage, lang: str) -> None:
    """Dictate, see the words, send them, see the answer come; after a reload all is there."""
    clip = choose_clip(lang)
    app = await open_page(says=clip.path)
    await app.button("Dictate").click()
    await app.in_state("listening")
    await expect(app.page.get_by_test_id("heard")).to_have_text(re.compile(r"\w"), timeout=PATIENCE_MS)
    await app.button("Stop dictating").click()
    await expect(app.state).to_have_attribute("data-state", "idle", timeout=PATIENCE_MS)
    prompt = await app.composer.input_value()
    assert_understood([Heard(clip, prompt)], kept=0.7, invented=0.3)

    await app.composer.press("Enter")
    await expect(app.mine).to_contain_text(prompt)
    await expect(app.answers).to_have_attribute("aria-busy", "true")
    await expect(app.answers).to_have_attribute("aria-busy", "false", timeout=PATIENCE_MS)
    answer = await app.answers.inner_text()
    assert len(answer.split()) >= 3
    assert prompt not in answer, "a model answers, and no echo"

    await app.page.reload()
    await expect(app.mine).to_contain_text(prompt)
    await expect(app.answers).to_contain_text(answer.split("\n")[0])


async def test_hands_free_sends_answers_and_ends_by_voice(open_page: OpenPage, tmp_path: Path) -> None:
    """Spoken after one press: a prompt, a pause, and the words that end it. The prompt is sent and answered.

    A busy browser leaves gaps in what its microphone hears, and "listening" becomes "leasing": as a person would, the
    test says it again, in other ways, for more than a minute. What is heard after the end is not written.
    """
    clip = choose_clip("en")
    speech = tmp_path / "speech.wav"
    told = [say("Stop listening.", tmp_path, *way) for way in WAYS_TO_SAY]
    write_wav(speech, clip.path, *told * 4)
    app = await open_page(says=speech)
    await app.page.get_by_role("button", name=re.compile("^Hands-free: listen")).click()
    await expect(app.mine.first).to_be_visible(timeout=PATIENCE_MS)
    try:
        await expect(app.state).to_have_attribute("data-state", "idle", timeout=PATIENCE_MS)
    except AssertionError as error:
        raise AssertionError(f"it goes on listening after {await app.mine.all_inner_texts()}") from error
    await expect(app.answers.first).to_have_attribute("aria-busy", "false", timeout=PATIENCE_MS)
    prompt = (await app.mine.first.inner_text()).strip()
    assert_understood([Heard(clip, prompt)], kept=0.7, invented=0.3)
    await expect(app.composer).to_have_value("")


def say(text: str, folder: Path, voice: str, words_per_minute: int) -> Path:
    """The text as a synthesizer says it."""
    synthesizer = shutil.which("espeak-ng") or pytest.skip("no espeak-ng on this machine")
    path = folder / f"said-{voice}-{words_per_minute}.wav"
    subprocess.run([synthesizer, "-v", voice, "-s", str(words_per_minute), "-w", str(path), text], check=True)
    return path


def write_wav(path: Path, *parts: Path) -> None:
    """Recordings one after the other, each with three seconds of silence behind it, at the rate of the first."""
    pieces: list[np.ndarray] = []
    rate_hz = 0
    for part in parts:
        samples, own_hz = read_wav(part)
        rate_hz = rate_hz or own_hz
        at = np.arange(0, len(samples), own_hz / rate_hz)
        pieces += [np.interp(at, np.arange(len(samples)), samples), np.zeros(3 * rate_hz)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.concatenate(pieces).astype("<i2").tobytes())

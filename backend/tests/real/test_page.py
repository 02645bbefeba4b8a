"""The page on real weights: a spoken prompt is understood, sent and answered."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.real.recall import Clip, Heard, assert_understood, list_human_clips, list_sample_clips

pytestmark = [*BROWSER, pytest.mark.timeout(240)]

PATIENCE_MS = 90_000
"""Real weights take seconds where other tests use the same cores."""


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

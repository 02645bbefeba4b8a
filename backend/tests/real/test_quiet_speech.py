"""Speech that a gate may lose, on real weights: words between pauses, over a telephone line, and very quiet."""

import numpy as np
import pytest

from app.providers.base import Samples
from tests.conftest import SPEECH
from tests.real.recall import dictate, join_finals, load_audio
from tests.support.noises import at_level, to_telephone

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]


def load_clip(name: str) -> Samples:
    path = SPEECH / "clips" / f"{name}.wav"
    if not path.is_file():
        pytest.skip("the real recordings are not beside this checkout")
    return load_audio(path)


async def test_words_between_pauses_are_kept(real_server: str) -> None:
    """ "Ask not" stands between two pauses, and the detector doubts it."""
    text = join_finals(await dictate(real_server, load_clip("en_jfk"), "en"))
    assert "ask not what your country can do for you" in text.lower()


@pytest.mark.parametrize("dbfs", [-20, -70])
async def test_speech_over_a_telephone_line_is_kept_at_every_level(real_server: str, dbfs: float) -> None:
    audio = load_clip("en_fleurs_006").astype(np.float64) / 32768
    damaged = np.rint(at_level(to_telephone(audio), dbfs) * 32767).clip(-32768, 32767).astype(np.int16)
    text = join_finals(await dictate(real_server, damaged, "en"))
    assert text.lower().startswith("the northern marian")
    assert "no damages reported in the nation" in text.lower()

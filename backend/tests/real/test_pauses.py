"""Pauses inside sentences on real weights: the words between them are written, and the sentence goes on."""

import numpy as np
import pytest

from app.providers.base import Samples
from app.utils.joining import TextPart, join_texts
from tests.real.recall import (
    RATE_HZ,
    Clip,
    Heard,
    assert_understood,
    dictate,
    list_human_clips,
    load_audio,
)
from tests.support.speech_client import Event

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

FRAME = RATE_HZ // 50
ONE_SENTENCE = {
    "en": ("en_ls_1272-128104-0000", "en_ls_1998-15444-0001", "en_lv_sense_0870", "en_ls_2414-128291-0001"),
    "es": ("es_fleurs_000", "es_fleurs_008", "es_mls_13697"),
}
# Measured less some: arithmetic differs between processors. Decoded alone, a third of the pauses split the sentence.
KEPT = {"en": 0.82, "es": 0.8}
GOES_ON = 0.75


def put_pauses_in(audio: Samples, seed: int) -> Samples:
    """The audio with pauses of 0.7 to 3 s of faint noise, every 1.5 to 3 s, where it is quietest there."""
    random = np.random.default_rng(seed)
    pieces, last = [], 0
    frames = audio[: len(audio) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME)
    levels = np.convolve(np.sqrt((frames**2).mean(axis=1)), np.ones(5) / 5, "same")
    while last + 4 * RATE_HZ < len(audio):
        begin, end = last // FRAME + 75, last // FRAME + 150
        cut = (begin + int(np.argmin(levels[begin:end]))) * FRAME
        pause = random.normal(size=int(random.uniform(0.7, 3) * RATE_HZ)) * 18
        pieces += [audio[last:cut], pause.astype(np.int16)]
        last = cut
    return np.concatenate([*pieces, audio[last:], np.zeros(RATE_HZ, np.int16)])


def join(finals: list[Event]) -> str:
    return join_texts(TextPart(final["text"], final.get("joined", False), final["lang"]) for final in finals)


@pytest.mark.parametrize("lang", ["en", "es"])
async def test_a_sentence_goes_on_after_a_pause(real_server: str, lang: str) -> None:
    heard: list[Heard] = []
    goes_on: list[bool] = []
    for seed, clip in enumerate(clip for clip in list_human_clips(lang) if clip.id in ONE_SENTENCE[lang]):
        finals = await dictate(real_server, put_pauses_in(load_audio(clip.path), seed), lang)
        assert not any(final["text"].endswith(("..", "…")) for final in finals)
        assert "joined" not in finals[0]
        goes_on += [final.get("joined", False) for final in finals[1:]]
        heard.append(Heard(Clip(clip.id, lang, clip.path, clip.text), join(finals)))
    assert_understood(heard, kept=KEPT[lang], invented=0.2)
    assert len(goes_on) > len(heard)
    assert sum(goes_on) >= GOES_ON * len(goes_on), [one.text for one in heard]


async def test_a_new_sentence_is_not_joined(real_server: str) -> None:
    named = {clip.id: clip for clip in list_human_clips("en")}
    said = [
        named[name]
        for name in ("en_cmd_what_time_is_it", "en_ls_1272-128104-0000", "en_cmd_would_you_please")
    ]
    pause = np.zeros(RATE_HZ, np.int16)
    audio = np.concatenate([piece for clip in said for piece in (load_audio(clip.path), pause)])
    finals = await dictate(real_server, audio, "en")
    begins = [final["text"].split()[0].lower() for final in finals if not final.get("joined")]
    assert begins == ["what", "mr.", "would"], [final["text"] for final in finals]

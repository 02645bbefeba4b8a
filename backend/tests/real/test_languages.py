"""`lang: auto` on real weights: people who change the language from one utterance to the next."""

import numpy as np
import pytest

from app.providers.base import Samples
from tests.conftest import SPEECH
from tests.real.recall import RATE_HZ, Clip, dictate, list_human_clips, load_audio
from tests.support.speech_client import Event, make_silence

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

SENTENCES = (
    "en_cmd_would_you_please", "es_fleurs_006", "en_ls_6930-75918-0000", "es_fleurs_002", "en_ls_1272-128104-0000",
    "es_fleurs_004", "en_lv_sense_0920", "es_fleurs_008",
)  # fmt: skip
CUTS = (
    ("en_cmd_would_you_please", 0.92, 1.46), ("es_fleurs_000", 3.84, 4.32), ("en_cmd_would_you_please", 1.74, 2.24),
    ("es_fleurs_000", 4.56, 5.18), ("en_jfk", 1.55, 2.15), ("es_fleurs_002", 2.94, 3.58), ("en_jfk", 9.9, 10.4),
    ("es_fleurs_002", 5.44, 6.16), ("en_ls_1272-128104-0000", 2.34, 3.04), ("es_fleurs_006", 0.82, 1.32),
    ("en_ls_1272-128104-0000", 3.64, 4.2), ("es_fleurs_006", 2.3, 2.92), ("en_lv_sense_0920", 3.56, 4.24),
    ("es_fleurs_006", 3.58, 4.2), ("en_lv_sense_0920", 4.2, 4.8), ("es_fleurs_008", 6.78, 7.34),
    ("en_ls_6930-75918-0000", 1.08, 1.56), ("es_fleurs_008", 4.88, 5.44), ("en_fleurs_003", 1.22, 1.92),
    ("es_mls_13697", 13.2, 13.64),
)  # fmt: skip
"""Words of at most a second inside sentences: clip, start and end (s)."""
PAUSE_S = 1.6


def find_clips() -> dict[str, Clip]:
    if not SPEECH.is_dir():
        pytest.skip("the real recordings are not beside this checkout")
    return {clip.id: clip for lang in ("en", "es") for clip in list_human_clips(lang)}


async def find_languages(url: str, parts: list[tuple[str, Samples]], langs: list[str]) -> list[str]:
    """What is wrong in a dictation of these parts, each with its language: one line for each part."""
    audio, ends_ms = [make_silence(0.3)], []
    for _, part in parts:
        audio += [part, make_silence(PAUSE_S)]
        ends_ms.append(sum(map(len, audio)) * 1000 // RATE_HZ)
    finals = await dictate(url, np.concatenate(audio), "auto", langs=langs)
    found: list[list[Event]] = [[] for _ in parts]
    for final in finals:
        found[int(np.searchsorted(ends_ms, final["timing"]["speech_end_ms"]))].append(final)
    return [
        f"{lang} {len(part) / RATE_HZ:.1f} s: {[(final['lang'], final['text']) for final in told]}"
        for (lang, part), told in zip(parts, found, strict=True)
        if {final["lang"] for final in told} != {lang}
    ]


async def test_each_sentence_is_written_in_its_language(real_server: str) -> None:
    """Of eight that alternate, one may be mistaken; nothing tells the server which languages to expect."""
    clips = find_clips()
    parts = [(clips[name].lang, load_audio(clips[name].path)) for name in SENTENCES]
    wrong = await find_languages(real_server, parts, [])
    assert len(wrong) <= 1, wrong


async def test_words_of_less_than_a_second_are_written_in_their_language(real_server: str) -> None:
    """Every second pair comes after a second of silence more."""
    clips = find_clips()
    parts = []
    for number, (name, start_s, end_s) in enumerate(CUTS):
        audio = load_audio(clips[name].path)[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]
        lead = make_silence(number // 2 % 2)
        parts.append((clips[name].lang, np.concatenate((lead, audio))))
    wrong = await find_languages(real_server, parts, ["es", "en"])
    assert len(wrong) <= 3, wrong

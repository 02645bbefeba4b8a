"""Recordings on real weights: long pauses, inverted channels, sizes that were never written, a context in the way."""

from pathlib import Path

import httpx2
import pytest

from tests.conftest import SPEECH
from tests.real.recall import Clip, Heard, assert_understood, upload

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

REPORT = "Please send the report to the office on Monday morning."
NEIGHBOURHOOD = "He asked himself something warm and living quickeneth me it must be in the neighbourhood"
"""Of words so rare these weights write others."""
TRAVELLERS = (
    "Se recomienda enfáticamente a los viajeros que se informen sobre cualquier riesgo de clima extremo en el área que "
    "visitan, dado que ello puede afectar sus planes de viaje"
)
PRINTERS = (
    "began printing in the monastery of Subiaco near Rome and used an exceedingly beautiful type which is indeed to "
    "look at a transition between Gothic and Roman then Moses was afraid and said surely the thing is known"
)
RECORDINGS = {
    "pause_en2414_3s.ogg": ("en", NEIGHBOURHOOD, 0.75),
    "pause_es000_3s.ogg": ("es", TRAVELLERS, 0.8),
    "context_loses_sentence.flac": ("en", PRINTERS, 0.85),
    "bh_stereo_inverted.wav": ("en", REPORT, 0.85),
    "bh_wav_size_of_first_write.wav": ("en", REPORT, 0.85),
}
"""Language, what is said, and the share of it that is written."""


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_difficult_recording_is_written(real_server: str, name: str) -> None:
    path = SPEECH.parent / "repro" / name
    if not path.is_file():
        pytest.skip("the difficult recordings are not beside this checkout")
    lang, said, kept = RECORDINGS[name]
    text = await upload(real_server, path.read_bytes(), lang, name)
    assert_understood([Heard(Clip(Path(name).stem, lang, path, said), text)], kept=kept, invented=0.4)


async def test_spanish_is_translated(real_server: str) -> None:
    path = SPEECH.parent / "repro" / "pause_es000_3s.ogg"
    if not path.is_file():
        pytest.skip("the difficult recordings are not beside this checkout")
    async with httpx2.AsyncClient(base_url=real_server, trust_env=False, timeout=60) as http:
        form = {"model": "whisper-1", "response_format": "verbose_json"}
        answer = await http.post(
            "/v1/audio/translations", data=form, files={"file": (path.name, path.read_bytes())}
        )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["task"], told["language"]) == ("translate", "english")
    text = told["text"].lower()
    assert "travel" in text, text
    assert "weather" in text or "climate" in text, text

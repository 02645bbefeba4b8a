"""Folders of recordings, scenes made of them, and long recordings in pieces."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.bench.clips import RATE_HZ, build_scene, find_clips, load_samples
from app.bench.figures import BenchError
from tests.conftest import SAMPLES


def test_a_folder_of_texts() -> None:
    found = {clip.id: clip for clip in find_clips(SAMPLES)}
    assert found["es_correo_jefe_16k"].lang == "es"
    assert found["es_correo_jefe_16k"].text == "Escribe un correo para mi jefe."
    assert not found["noise_48k"].speech
    assert len(found) == 13


def test_languages_are_chosen_and_silence_stays() -> None:
    found = find_clips(SAMPLES, langs=["es"])
    assert {clip.lang for clip in found if clip.speech} == {"es"}
    assert [clip.id for clip in found if not clip.speech] == ["noise_48k", "silence_16k"]


def test_a_manifest_goes_before_texts(tmp_path: Path) -> None:
    row = {
        "id": "one",
        "file": "a.wav",
        "lang": "en",
        "kind": "speech-long",
        "text": "Hi!",
        "text_norm": "hi",
    }
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row) + "\n\n")
    (clip,) = find_clips(tmp_path, kinds=["speech-long"])
    assert (clip.id, clip.text, clip.path) == ("one", "hi", tmp_path / "a.wav")
    with pytest.raises(BenchError, match="no speech"):
        find_clips(tmp_path, kinds=["speech"])


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "transcripts.tsv").write_text('file\tlang\ttext\na.wav\tes\t"Hola", dijo\nb.wav\tnone\t\n')
    one, other = find_clips(tmp_path)
    assert (one.id, one.lang, one.text) == ("a", "es", '"Hola", dijo')
    assert not other.speech
    (tmp_path / "transcripts.tsv").write_text("name\na.wav\n")
    with pytest.raises(BenchError, match="needs the columns"):
        find_clips(tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", "{}"])
def test_a_bad_manifest_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"file":"a.wav","text":"a"}\n' + line)
    with pytest.raises(BenchError, match="line 2"):
        find_clips(tmp_path)


def test_recordings_come_at_the_rate_of_engines() -> None:
    clip = next(clip for clip in find_clips(SAMPLES) if clip.id == "en_weather_madrid_48k")
    assert abs(len(load_samples(clip)) / RATE_HZ - 2.7) < 0.1


def test_a_scene_says_its_clips_in_order_with_pauses() -> None:
    loaded = [(clip, load_samples(clip)) for clip in find_clips(SAMPLES, langs=["es"]) if clip.speech]
    one, again, other = build_scene(loaded, 4, 1), build_scene(loaded, 4, 1), build_scene(loaded, 4, 2)
    assert np.array_equal(one.samples, again.samples)
    assert [line.clip.id for line in one.lines] != [line.clip.id for line in other.lines]
    for line, following in zip(one.lines, one.lines[1:], strict=False):
        assert 1200 <= following.start_ms - line.end_ms <= 2000
    first = one.lines[0]
    heard = one.samples[int(first.start_ms * 16) : int(first.end_ms * 16)]
    assert np.array_equal(heard, {clip.id: audio for clip, audio in loaded}[first.clip.id])

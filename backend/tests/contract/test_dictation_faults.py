"""Line, server and client break while people dictate: a small part of `scripts/measure/dictation_faults.py`."""

import random
from dataclasses import asdict
from pathlib import Path

import pytest

from app.bench.clips import find_clips, load_samples
from app.client import dictation
from tests.conftest import SAMPLES
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.dictation_faults import (
    DictationCampaign,
    Fault,
    Heard,
    MortalServer,
    Scene,
    find_differences,
    make_scene,
)

pytestmark = pytest.mark.once

SEED = 3


def make_sample_scene(lang: str, dice: random.Random) -> Scene:
    clips = [(clip, load_samples(clip)) for clip in find_clips(SAMPLES, langs=(lang,)) if clip.speech]
    return make_scene(clips, dice, name=lang, provider="whisper_local", long_s=(6.0, 10.0))


async def test_no_utterance_is_lost_or_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reserved_port: int
) -> None:
    """It takes as long as two dictations that are said twice, and the start of two servers."""
    monkeypatch.setattr(dictation, "SILENCE_S", 3.0)
    dice = random.Random(SEED)
    settings = {
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
        "PROMPTER_SCHEDULER__ADMIT_LOAD": "0",
        "PROMPTER_LIMITS__RESUME_S": "8",
    }
    campaign = DictationCampaign(
        MortalServer(tmp_path, reserved_port, **settings),
        tmp_path,
        seed=SEED,
        speed=2.0,
        pause_s=1.0,
        gap_s=(0.2, 1.0),
        most_a_wave=3,
    )
    faults: list[Fault] = ["server killed", "client crashed", "cut"]
    wave = [make_sample_scene("en", dice), make_sample_scene("es", dice)]
    outcome = await campaign.run([wave], faults)
    assert outcome.faults["server killed"] == 1
    assert (outcome.failures, outcome.left_on_disk, outcome.troubles) == ([], [], [])
    assert (outcome.count("lost"), outcome.count("twice")) == (0, 0), outcome.differences
    assert outcome.count("broken_right") >= 0.9 * outcome.count("unbroken_right")


def test_what_is_lost_and_what_is_there_twice_is_found() -> None:
    scene = make_sample_scene("en", random.Random(SEED))
    whole = [
        Heard("Open the terminal.", 0, 2000),
        Heard("Run all the tests again.", 2500, 5000),
        Heard("Yes.", 5500, 6000),
    ]

    def kinds(found: list[Heard]) -> list[str]:
        return [each.kind for each in find_differences(scene, "told", whole, found, [])]

    assert kinds(whole) == []
    assert kinds([whole[0], Heard("Run all the test again.", 2510, 5000), whole[2]]) == ["differs"]
    assert kinds([whole[0], whole[2]]) == ["differs", "lost"]
    assert kinds([*whole[:2], Heard("Yet.", 5500, 6000)]) == ["differs"]
    assert kinds([*whole[:2], whole[1], whole[2]]) == ["twice"]
    [difference] = find_differences(scene, "told", whole, whole[:2], [("cut", 5000)])[1:]
    assert asdict(difference)["unbroken"] == "yes"
    assert difference.faults == [("cut", 5000)]

"""The lists of live speech: who uses a list has all of it, so that a new member cannot be forgotten."""

from pathlib import Path

import pytest

from app.core.config import EndpointingSettings
from app.core.discard_reasons import OTHER_REASON, DiscardReason
from app.core.endpointing_profiles import ENDPOINTING_PROFILES, EndpointingProfile
from app.core.metrics import Observer

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("profile", ENDPOINTING_PROFILES)
def test_every_profile_has_its_silence_in_the_settings(profile: EndpointingProfile) -> None:
    settings = EndpointingSettings(profile=profile)
    if profile == "manual":
        assert settings.silence_ms(profile) is None
    else:
        assert settings.silence_ms(profile) == EndpointingSettings.model_fields[f"{profile}_ms"].default


@pytest.mark.parametrize("reason", DiscardReason)
def test_every_reason_is_counted_under_its_own_name(reason: DiscardReason) -> None:
    observer = Observer()
    observer.count_discarded("fake", reason)
    assert f'reason="{reason}"' in observer.render().decode()
    assert f'reason="{OTHER_REASON}"' not in observer.render().decode()


@pytest.mark.parametrize("profile", ENDPOINTING_PROFILES)
def test_the_page_has_the_silence_of_each_profile(profile: EndpointingProfile) -> None:
    """`make types` writes them; the texts of the page take the seconds from there."""
    path = ROOT / "frontend" / "src" / "shared" / "api" / "endpointing.ts"
    silence_ms = EndpointingSettings().silence_ms(profile)
    written = "null" if silence_ms is None else str(silence_ms)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert f"  {profile}: {written}," in lines, f"{path.relative_to(ROOT).as_posix()}: run `make types`"

"""The lists of live speech: who uses a list has all of it, so that a new member cannot be forgotten."""

import re
from pathlib import Path

import pytest

from app.core.config import EndpointingSettings
from app.core.metrics import Observer
from app.core.speech import ENDPOINTING_PROFILES, OTHER_REASON, DiscardReason, EndpointingProfile

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
    assert OTHER_REASON not in observer.render().decode()


@pytest.mark.parametrize("profile", ENDPOINTING_PROFILES)
def test_the_pages_texts_have_the_silences_of_the_settings(profile: EndpointingProfile) -> None:
    """A text of the web app that gives a profile's silence as a number gives the default."""
    key = "profile" + "".join(part.title() for part in profile.split("_"))
    silence_ms = EndpointingSettings().silence_ms(profile)
    for path in sorted((ROOT / "frontend" / "src" / "i18n").rglob("*.ts")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"\b{key}\b", line) and (shown := re.search(r"(\d[\d.,]*) s\b", line)):
                where = f"{path.relative_to(ROOT).as_posix()}:{number}"
                seconds = float(shown[1].replace(",", "."))
                assert silence_ms is not None, f"{where}: `{profile}` has no silence"
                assert seconds == silence_ms / 1000, f"{where}: `{profile}` waits {silence_ms / 1000:g} s"

"""The lists of live speech: who uses a list has all of it, so that a new member cannot be forgotten."""

import pytest

from app.core.config import EndpointingSettings
from app.core.metrics import Observer
from app.core.speech import ENDPOINTING_PROFILES, OTHER_REASON, DiscardReason, EndpointingProfile


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
    observer.discarded("fake", reason)
    assert f'reason="{reason}"' in observer.render().decode()
    assert OTHER_REASON not in observer.render().decode()

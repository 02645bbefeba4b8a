"""Joining a Ray cluster: refused where strangers could reach it, or where Ray is not there."""

import pytest

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.providers.tier.ray_node import check_guard, check_installed

SETTINGS = DecodeSettings(tier="ray", address="127.0.0.1:1")


def test_without_a_token_nothing_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ProviderNotReady, match="RAY_AUTH_MODE=token"):
        check_guard(SETTINGS)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ProviderNotReady, match="TRUSTED_NETWORK"):
        check_guard(SETTINGS)


def test_a_token_or_a_firewall_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    check_guard(SETTINGS)
    monkeypatch.delenv("RAY_AUTH_MODE")
    check_guard(SETTINGS.model_copy(update={"trusted_network": True}))


def test_where_ray_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.providers.tier.ray_node.find_spec", lambda _: None)
    with pytest.raises(ProviderNotReady, match="extras add ray"):
        check_installed()

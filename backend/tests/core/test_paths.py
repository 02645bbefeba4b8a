"""Relative paths of settings: they never depend on the working directory."""

from pathlib import Path

import pytest

from app.core.paths import base_folder, checkout_root, resolve_path


def test_in_a_checkout_paths_start_at_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[3]
    monkeypatch.chdir(tmp_path)
    assert checkout_root() == base_folder() == root
    assert resolve_path(Path("data")) == root / "data"
    assert resolve_path(tmp_path / "data") == tmp_path / "data"


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert resolve_path(Path("~/data")) == tmp_path / "data"

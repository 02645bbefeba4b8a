"""Relative paths of settings: they never depend on the working directory."""

import sys
from pathlib import Path

import pytest
from platformdirs import user_data_path

from app.core import paths
from app.core.paths import base_folder, checkout_root, find_base, list_other_bases, resolve_path


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


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy that pip has installed from a checkout, into an environment elsewhere; the checkout."""
    checkout = tmp_path / "checkout"
    (checkout / "backend" / "app").mkdir(parents=True)
    (checkout / "requirements.txt").touch()
    monkeypatch.setattr(
        paths, "__file__", str(tmp_path / "lib" / "site-packages" / "app" / "core" / "paths.py")
    )
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.chdir(tmp_path)
    info = tmp_path / "found" / "prompter-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prompter\nVersion: 0.1.0\n")
    (info / "direct_url.json").write_text(f'{{"url": "{checkout.as_uri()}", "dir_info": {{}}}}')
    monkeypatch.syspath_prepend(str(info.parent))
    return checkout


def test_an_installed_copy_has_the_folder_of_the_user(installed: Path) -> None:
    assert checkout_root() is None
    assert base_folder() == user_data_path("prompter", appauthor=False)
    assert "installed program" in find_base().reason
    assert list_other_bases() == [installed], "the checkout that it was installed from"


def test_an_installed_copy_in_the_environment_of_a_checkout_keeps_its_folders(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(installed / ".venv"))
    assert base_folder() == installed
    assert "environment" in find_base().reason
    assert list_other_bases() == [user_data_path("prompter", appauthor=False)]


def test_another_checkout_is_found_by_the_working_directory(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "clone"
    (other / "backend" / "app").mkdir(parents=True)
    (other / "requirements.txt").touch()
    monkeypatch.chdir(other / "backend")
    assert list_other_bases() == [installed, other]

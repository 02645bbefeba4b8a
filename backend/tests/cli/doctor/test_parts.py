"""The checks of models, optional packages and the page: each finding."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.doctor import parts
from app.cli.doctor.findings import Finding
from app.cli.extras import read_installed
from app.core.config import Settings
from tests.conftest import ROOT


def make_settings(folder: Path, **fields: Any) -> Settings:
    return Settings(_env_file=None, models_dir=folder, **fields)


@pytest.fixture(autouse=True)
def no_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in the user's own cache are no part of these checks."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))


def get_only(findings: Iterator[Finding]) -> Finding:
    (found,) = findings
    return found


# -- speech


@pytest.mark.parametrize(
    ("stt", "state", "advice"),
    [
        ({}, "warning", "models pull base"),
        ({"provider": "whisper_local"}, "problem", "models pull base"),
        ({"whisper_local": {"model": "small"}}, "problem", "models list"),
        ({"provider": "openai_compat"}, "problem", "BASE_URL"),
        ({"provider": "openai_compat", "openai_compat": {"base_url": "https://stt.example/v1"}}, "ok", ""),
        ({"provider": "pocketsphinx"}, "ok", ""),
        ({"whisper_local": {"model": str(ROOT / "models" / "whisper-samples")}}, "ok", ""),
    ],
)
def test_a_speech_model(tmp_path: Path, stt: dict[str, Any], state: str, advice: str) -> None:
    found = get_only(parts.check_speech(make_settings(tmp_path, stt=stt)))
    assert (found.check, found.state) == ("speech model", state)
    assert advice in found.advice


def test_a_server_with_decode_workers_needs_no_speech_model(tmp_path: Path) -> None:
    found = get_only(
        parts.check_speech(make_settings(tmp_path, decode={"tier": "ray", "address": "127.0.0.1:1"}))
    )
    assert (found.state, found.advice) == ("ok", "")
    assert "decode workers" in found.message


def test_an_engine_of_a_plugin_is_not_judged(tmp_path: Path) -> None:
    assert list(parts.check_speech(make_settings(tmp_path, stt={"provider": "cloud_stub"}))) == []


def test_a_packaged_engine_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find_spec", lambda _: None)
    found = get_only(parts.check_speech(make_settings(tmp_path, stt={"provider": "pocketsphinx"})))
    assert (found.state, "extras add pocketsphinx" in found.advice) == ("problem", True)
    nothing = get_only(parts.check_speech(make_settings(tmp_path)))
    assert (nothing.state, "models pull base" in nothing.advice) == ("problem", True)


# -- answers


@pytest.mark.parametrize(
    ("llm", "connected", "states"),
    [
        ({}, 0, ["warning"]),
        ({}, 2, ["ok"]),
        ({"openai_compat": {"base_url": "http://127.0.0.1:1/v1", "model": "m"}}, 0, ["ok"]),
        ({"openai_compat": {"base_url": "http://127.0.0.1:1/v1"}}, 0, ["problem", "warning"]),
        ({"profiles": {"study": {"base_url": "http://127.0.0.1:1/v1"}}}, 0, ["ok"]),
        ({"llama_local": {"model": "large.gguf"}}, 0, ["problem", "warning"]),
    ],
)
def test_a_language_model(tmp_path: Path, llm: dict[str, Any], connected: int, states: list[str]) -> None:
    found = list(parts.check_language_model(make_settings(tmp_path, llm=llm), connected))
    assert [each.state for each in found] == states
    assert all(each.advice for each in found if each.state != "ok")


# -- packages and the page


def without(*names: str) -> dict[str, str]:
    return {name: version for name, version in read_installed().items() if name not in names}


def test_extras_that_are_all_there(tmp_path: Path) -> None:
    url = "postgresql://ana:pw@127.0.0.1:9/prompter"
    found = get_only(parts.check_extras(make_settings(tmp_path, storage={"url": url})))
    assert (found.state, "postgres" in found.message) == ("ok", True)


def test_an_extra_that_the_settings_need_and_that_misses(tmp_path: Path) -> None:
    url = "postgresql://ana:pw@127.0.0.1:9/prompter"
    settings = make_settings(tmp_path, storage={"url": url})
    found = list(parts.check_extras(settings, without("asyncpg")))
    assert [each.state for each in found] == ["problem", "ok"]
    assert "prompter extras add postgres" in found[0].advice
    unneeded = list(parts.check_extras(make_settings(tmp_path), without("asyncpg")))
    assert [each.state for each in unneeded] == ["ok"]


def test_an_extra_in_part_or_in_another_version(tmp_path: Path) -> None:
    (partial, _) = parts.check_extras(make_settings(tmp_path), without("genai-prices"))
    assert (partial.state, "genai-prices" in partial.message) == ("warning", True)
    (other, _) = parts.check_extras(make_settings(tmp_path), {**without(), "asyncpg": "0.1"})
    assert (other.state, "in place of 0.1" in other.message) == ("warning", True)
    assert "prompter extras add postgres" in other.advice


def test_the_page(tmp_path: Path) -> None:
    missing = get_only(parts.check_page(tmp_path))
    assert (missing.state, "make" in missing.advice) == ("warning", True)
    (tmp_path / "index.html").write_text("<!doctype html>", encoding="utf-8")
    assert get_only(parts.check_page(tmp_path)).state == "ok"

"""Which assistants there are: files, settings, what overrides what, and what a mistake in a file comes to."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.assistants import AssistantDefinition, AssistantLimits, AssistantSettings
from app.core.config import Settings
from app.services.assistants.definitions import load_assistants

GOOD = """
name = "helper"
title = "The helper"
description = "Counts"
language = "es-ES"
instructions = "Sé breve."
model = "fake/tiny"
toolsets = ["calculator", "time"]
[limits]
rounds = 3
calls = 4
seconds = 5
[approval]
calculate = "ask"
current_time = "off"
"""


def settings_of(folder: Path, **fields: Any) -> Settings:
    own = AssistantSettings(**{"folder": folder, "shipped": False, **fields})
    return Settings(_env_file=None, assistants=own)


def test_a_file_says_everything(tmp_path: Path) -> None:
    (tmp_path / "helper.toml").write_text(GOOD)
    [one] = load_assistants(settings_of(tmp_path)).values()
    assert (one.name, one.title, one.problem) == ("helper", "The helper", "")
    assert one.definition == AssistantDefinition(
        title="The helper",
        description="Counts",
        language="es-ES",
        instructions="Sé breve.",
        model="fake/tiny",
        toolsets=["calculator", "time"],
        limits=AssistantLimits(rounds=3, calls=4, seconds=5),
        approval={"calculate": "ask", "current_time": "off"},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title =", "invalid value"),
        ("tilte = 'x'", "`tilte`: extra inputs are not permitted"),
        ("[limits]\nrounds = 0", "`limits.rounds`: input should be greater than or equal to 1"),
        ("[approval]\nx = 'maybe'", "`approval.x`: input should be 'allow', 'ask' or 'off'"),
        ("name = 'other'", "`name` is 'other', and the file is called 'bad'"),
        ("toolsets = 3\ntitle = 4", "`title`: input should be a valid string (and 1 more)"),
    ],
)
def test_a_mistake_names_the_file_and_the_field(tmp_path: Path, text: str, words: str) -> None:
    """The server starts; the assistant stands in the lists with what is wrong."""
    (tmp_path / "bad.toml").write_text(text)
    (tmp_path / "good.toml").write_text("title = 'Good'")
    found = load_assistants(settings_of(tmp_path))
    assert found["bad"].problem.startswith("bad.toml: ")
    assert words in found["bad"].problem
    assert not found["good"].problem


def test_a_file_of_an_editor_that_marks_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "helper.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert not load_assistants(settings_of(tmp_path))["helper"].problem


def test_a_folder_that_is_called_like_a_file(tmp_path: Path) -> None:
    """Everybody reads the reason: where things lie on the server is not in it."""
    (tmp_path / "bad.toml").mkdir()
    problem = load_assistants(settings_of(tmp_path))["bad"].problem
    assert problem == "bad.toml: is a directory"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    assert "utf-8" in load_assistants(settings_of(tmp_path))["bad"].problem


def test_the_folder_overrides_what_is_shipped_and_settings_both(tmp_path: Path) -> None:
    shipped = load_assistants(settings_of(tmp_path, shipped=True))
    assert shipped["loft-chat"].definition.language == "es"
    assert not shipped["loft-chat"].problem
    (tmp_path / "loft-chat.toml").write_text("title = 'Ours'")
    assert load_assistants(settings_of(tmp_path, shipped=True))["loft-chat"].title == "Ours"
    named = {"loft-chat": AssistantDefinition(title="Of the settings")}
    assert (
        load_assistants(settings_of(tmp_path, shipped=True, named=named))["loft-chat"].title
        == "Of the settings"
    )
    assert "loft-chat" not in load_assistants(settings_of(tmp_path / "nowhere"))


def test_names_that_cannot_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "two words.toml").write_text("title = 'x'")
    (tmp_path / "echo.toml").write_text("title = 'x'")
    with caplog.at_level(logging.ERROR):
        assert load_assistants(settings_of(tmp_path), frozenset({"echo"})) == {}
    assert "'two words'" in caplog.text
    assert "'echo'" in caplog.text
    with pytest.raises(ValidationError, match="no assistant can be called 'two words'"):
        AssistantSettings(named={"two words": AssistantDefinition()})


def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "INSTRUCTIONS": "Be brief.",
        "TOOLSETS": "time, calculator,time",
        "APPROVAL": "calculate=ask, current_time=off",
        "LIMITS__ROUNDS": "3",
    }.items():
        monkeypatch.setenv(f"PROMPTER_ASSISTANTS__NAMED__HELPER__{name}", value)
    helper = Settings(_env_file=None).assistants.named["helper"]
    assert helper.toolsets == ["time", "calculator"]
    assert helper.approval == {"calculate": "ask", "current_time": "off"}
    assert helper.limits.rounds == 3

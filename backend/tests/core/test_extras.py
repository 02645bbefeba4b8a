"""The pins of the extras are those of the checkout, and every error advises the one command."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from app.core import extras
from app.core.extras import advise_extra, read_extras
from tests.conftest import ROOT

IN_THE_BASE = {"llama", "pocketsphinx"}
"""Installed with the server where the index has a wheel; pyproject.toml needs no packages for them."""


def read_pins(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[;#\s]", line)[0] for line in lines} - {""}


def test_the_pins_are_those_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional: dict[str, list[str]] = declared["optional-dependencies"]
    assert set(optional) | IN_THE_BASE == set(read_extras())
    for name, extra in read_extras().items():
        if name in IN_THE_BASE:
            assert not optional.get(name), "an empty extra keeps old commands working"
            assert set(extra.pins) <= read_pins("requirements.txt")
        else:
            assert list(extra.packages) == optional[name]


def test_the_pins_are_those_that_the_tests_run_with() -> None:
    tested = read_pins("requirements.txt") | read_pins("requirements-dev.txt")
    names = ("tools", "postgres", "bench", "pdf", "heic")
    pins = {pin for name in names for pin in read_extras()[name].pins}
    assert pins <= tested


def test_every_pin_names_one_version() -> None:
    for extra in read_extras().values():
        assert extra.purpose
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in extra.pins)


def test_the_advice_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/somewhere")
    assert advise_extra("tools") == "`prompter extras add tools`"


def test_in_the_environment_of_make_it_names_the_target_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "checkout_root", lambda: tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert advise_extra("mic") == "`prompter extras add mic` (with make: `make extras EXTRAS=mic`)"

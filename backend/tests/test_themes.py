"""The design tokens are the same in the code, in the page's style sheet, and in the guide of themes."""

import json
import re
from pathlib import Path

import pytest

from app.core.theme_file import parse_colour, parse_theme
from app.core.theme_tokens import (
    COLOURS,
    CONTRASTS,
    DEFAULTS,
    FONTS,
    HIGH_CONTRAST,
    MEASURES,
    MOST_BYTES,
    MOST_NAME_CHARS,
)
from tests.conftest import ROOT

STYLES = (ROOT / "frontend" / "src" / "index.css").read_text("utf-8")
ALL_STYLES = "".join(path.read_text("utf-8") for path in sorted((ROOT / "frontend" / "src").rglob("*.css")))
GUIDES = [ROOT / "docs" / "themes.md", ROOT / "docs" / "es" / "themes.md"]
DECLARED = re.compile(r"^\s*(--[\w-]+):", re.MULTILINE)
ROW = re.compile(r"^\| `(--[\w-]+)` \|", re.MULTILINE)


def read_rule(selector: str) -> dict[str, str]:
    body = STYLES.partition(f"  {selector} {{\n")[2].partition("\n  }\n")[0]
    return dict(re.findall(r"--([\w-]+): ([^;]+);", body))


@pytest.mark.parametrize(
    ("selector", "colours"),
    [
        (":root", DEFAULTS["light"]),
        (":root.dark", DEFAULTS["dark"]),
        (":root.contrast", HIGH_CONTRAST["light"]),
        (":root.dark.contrast", HIGH_CONTRAST["dark"]),
    ],
)
def test_the_style_sheet_has_the_default_of_each_colour(selector: str, colours: dict[str, str]) -> None:
    assert read_rule(selector) == {
        name: " ".join(map(str, parse_colour(text))) for name, text in colours.items()
    }


def test_the_style_sheet_has_the_default_of_each_measure_and_each_font() -> None:
    for name, measure in MEASURES.items():
        assert f"--{name}: {measure.default};" in STYLES
    assert {f"--font-{font}" for font in FONTS} <= set(DECLARED.findall(STYLES))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_the_guide_lists_each_custom_property_of_the_page(guide: Path) -> None:
    text = guide.read_text("utf-8")
    assert sorted(ROW.findall(text)) == sorted(set(DECLARED.findall(ALL_STYLES)))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_the_guide_tells_what_each_token_has_to_keep(guide: Path) -> None:
    text = guide.read_text("utf-8")
    for name in COLOURS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `--{name}` |"))
        least = f"{CONTRASTS[name].least:g}:1" if name in CONTRASTS else ""
        light, dark = (DEFAULTS[mode][name] for mode in ("light", "dark"))
        assert [part.strip() for part in row.split("|")[3:6]] == [f"`{light}`", f"`{dark}`", least], name
    for limit in (MOST_BYTES, MOST_NAME_CHARS):
        assert str(limit) in text
    for name, measure in MEASURES.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `--{name}` |"))
        assert f"{measure.least:g}{measure.units[0]}" in row
        assert f"{measure.most:g}{measure.units[0]}" in row


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_the_example_of_the_guide_is_a_theme(guide: Path) -> None:
    text = guide.read_text("utf-8")
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert examples
    for example in examples:
        assert parse_theme(example.encode()).name == json.loads(example)["name"]

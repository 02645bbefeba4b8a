"""Theme files: what is taken, what is refused and where it is wrong, and the style sheet that one becomes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.theme_file import (
    ThemeFileError,
    load_theme,
    measure_contrast,
    measure_least_contrast,
    parse_colour,
    parse_theme,
)
from app.core.theme_tokens import COLOURS, CONTRASTS, DEFAULTS, HIGH_CONTRAST, MODES, MOST_BYTES, Mode
from tests.conftest import ROOT

CASES = json.loads((ROOT / "backend" / "tests" / "support" / "theme_cases.json").read_text("utf-8"))
"""The page checks the same ones."""
HIGH_TEXT = 7.0
HIGH_CONTROL = 4.5
CHANNELS = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))


def write(**parts: Any) -> bytes:
    return json.dumps({"prompter-theme": 1, "name": "x", **parts}).encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["file"])[:60])
def test_each_file_is_taken_or_refused_with_its_place(case: dict[str, Any]) -> None:
    content = json.dumps(case["file"]).encode()
    if "problem" not in case:
        assert parse_theme(content).name == case["file"]["name"]
        return
    with pytest.raises(ThemeFileError) as caught:
        parse_theme(content)
    assert (caught.value.problem, caught.value.place) == (case["problem"], case["place"])
    assert str(caught.value).startswith(case["place"])


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{\n"name": x\n}', "line 2"),
        (b"{", "line 1"),
        (b"\xff\xfe", ""),
        (b"[" * 16_000, ""),
        (b"", "line 1"),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(content: bytes, place: str) -> None:
    with pytest.raises(ThemeFileError) as caught:
        parse_theme(content)
    assert (caught.value.problem, caught.value.place) == ("not_json", place)


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "theme.json"
    path.write_bytes(write() + b" " * (MOST_BYTES - len(write())))
    assert load_theme(path).name == "x"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ThemeFileError, match=f"at most {MOST_BYTES} bytes"):
        load_theme(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ThemeFileError, match="cannot be read"):
            load_theme(path)


def test_texts_that_cannot_be_read_are_refused_by_name() -> None:
    with pytest.raises(
        ThemeFileError, match=r"light\.muted: its contrast to 'page' is 1\.\d\d; 4\.5 is needed"
    ):
        parse_theme(write(light={"muted": "#e0e0e0"}))
    with pytest.raises(ThemeFileError, match=r"dark\.control: .* 3\.0 is needed"):
        parse_theme(write(dark={"control": "#222222"}))


def test_a_theme_is_a_style_sheet_of_custom_properties_alone() -> None:
    theme = parse_theme(
        write(
            light={"surface": "#fff", "ink": "#000"},
            dark={"accent": "rgb(200, 200, 255)"},
            shape={"font": "serif"},
        )
    )
    sheet = theme.make_style_sheet()
    assert sheet.splitlines() == [
        ":root:not(.dark):not(.contrast){--surface:255 255 255;--ink:0 0 0;--code-page:255 255 255;--code-ink:0 0 0}",
        ":root.dark:not(.contrast){--accent:200 200 255}",
        ":root{--font-text:var(--font-serif)}",
    ]
    assert parse_theme(theme.make_file().encode()) == theme
    assert re.fullmatch(r"[0-9a-f]{8}", theme.digest)


@given(st.dictionaries(st.sampled_from(COLOURS), CHANNELS, max_size=8), st.sampled_from(MODES))
def test_what_is_taken_can_be_read(colours: dict[str, tuple[int, int, int]], mode: Mode) -> None:
    """Whatever the colours are: the file is refused, or each text has its contrast."""
    texts = {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in colours.items()}
    try:
        theme = parse_theme(write(**{mode: texts}))
    except ThemeFileError:
        return
    shown = {name: parse_colour(text) for name, text in DEFAULTS[mode].items()} | theme.colours[mode]
    for name, rule in CONTRASTS.items():
        assert all(measure_contrast(shown[name], shown[behind]) >= rule.least for behind in rule.behind)


@pytest.mark.parametrize("mode", MODES)
def test_the_shipped_colours_keep_their_contrasts(mode: Mode) -> None:
    for shown, is_high in ((DEFAULTS[mode], False), (HIGH_CONTRAST[mode], True)):
        assert tuple(shown) == COLOURS
        for name, rule in CONTRASTS.items():
            least = (HIGH_TEXT if rule.least > HIGH_CONTROL - 1 else HIGH_CONTROL) if is_high else rule.least
            for behind in rule.behind:
                found = measure_least_contrast(
                    parse_colour(shown[name]), parse_colour(shown[behind]), rule.tint
                )
                assert found >= least, (name, behind, found)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000", "#fff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
        ("#abc", "#aabbcc", 1.0),
    ],
)
def test_contrasts_are_those_of_the_guideline(one: str, other: str, ratio: float) -> None:
    assert measure_contrast(parse_colour(one), parse_colour(other)) == pytest.approx(ratio, abs=0.005)

"""The design tokens of the page: which there are, their values by default, and which contrast each pair keeps.

`make types` writes them for the page. Tests compare them with the style sheet and with docs/themes.md.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Mode = Literal["light", "dark"]
MODES: tuple[Mode, ...] = get_args(Mode)

LIGHT: dict[str, str] = {
    "page": "#f8fafc",
    "surface": "#ffffff",
    "raised": "#eef2f7",
    "line": "#d0d7e2",
    "control": "#768399",
    "ink": "#0f172a",
    "muted": "#526075",
    "accent": "#4a41e0",
    "danger": "#b01038",
    "warn": "#8f4307",
    "good": "#047857",
    "fill": "#4f46e5",
    "fill-end": "#7c3aed",
    "on-fill": "#ffffff",
    "code-page": "#ffffff",
    "code-ink": "#0f172a",
    "code-keyword": "#6d28d9",
    "code-string": "#046c4e",
    "code-number": "#9a3412",
    "code-name": "#1d4ed8",
    "code-comment": "#5a6678",
}
DARK: dict[str, str] = {
    "page": "#0b1020",
    "surface": "#11182b",
    "raised": "#1e283f",
    "line": "#333f5a",
    "control": "#7486a6",
    "ink": "#e9eef7",
    "muted": "#98a6be",
    "accent": "#a5a0ff",
    "danger": "#fb8596",
    "warn": "#fbbf24",
    "good": "#4adea4",
    "fill": "#4f46e5",
    "fill-end": "#7c3aed",
    "on-fill": "#ffffff",
    "code-page": "#11182b",
    "code-ink": "#e9eef7",
    "code-keyword": "#c4b5fd",
    "code-string": "#86efac",
    "code-number": "#fdba74",
    "code-name": "#93c5fd",
    "code-comment": "#94a3b8",
}
DEFAULTS: dict[Mode, dict[str, str]] = {"light": LIGHT, "dark": DARK}
COLOURS: tuple[str, ...] = tuple(LIGHT)
"""Colours of a theme file, each in both modes; a custom property of the page holds the numbers of its channels."""

HIGH_CONTRAST: dict[Mode, dict[str, str]] = {
    "light": {
        "page": "#ffffff",
        "surface": "#ffffff",
        "raised": "#ececec",
        "line": "#595959",
        "control": "#333333",
        "ink": "#000000",
        "muted": "#333333",
        "accent": "#1a1a99",
        "danger": "#7a0000",
        "warn": "#5c3300",
        "good": "#00471f",
        "fill": "#1a1a99",
        "fill-end": "#1a1a99",
        "on-fill": "#ffffff",
        "code-page": "#ffffff",
        "code-ink": "#000000",
        "code-keyword": "#5b0e8c",
        "code-string": "#00471f",
        "code-number": "#7a2000",
        "code-name": "#00338a",
        "code-comment": "#404040",
    },
    "dark": {
        "page": "#000000",
        "surface": "#000000",
        "raised": "#1c1c1c",
        "line": "#a6a6a6",
        "control": "#d0d0d0",
        "ink": "#ffffff",
        "muted": "#dcdcdc",
        "accent": "#bdc7ff",
        "danger": "#ffb0b8",
        "warn": "#ffd966",
        "good": "#7dffbd",
        "fill": "#d9deff",
        "fill-end": "#d9deff",
        "on-fill": "#000000",
        "code-page": "#000000",
        "code-ink": "#ffffff",
        "code-keyword": "#dccbff",
        "code-string": "#a8ffc4",
        "code-number": "#ffcf9e",
        "code-name": "#b3d6ff",
        "code-comment": "#cccccc",
    },
}
"""The colours of high contrast: the same for each theme, except for the accent of whoever chose one."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a colour keeps to the colours behind it."""

    behind: tuple[str, ...]
    least: float
    """The least ratio (WCAG 2.2)."""
    tint: float = 0.0
    """How much of the colour itself also lies over what is behind it: of a badge, of a marked word."""


TEXT = 4.5
CONTROL = 3.0
SURFACES = ("page", "surface", "raised")
TINTED = 0.15

CONTRASTS: dict[str, Contrast] = {
    "ink": Contrast(behind=SURFACES, least=TEXT),
    "muted": Contrast(behind=SURFACES, least=TEXT),
    "accent": Contrast(behind=SURFACES, least=TEXT, tint=TINTED),
    "danger": Contrast(behind=SURFACES, least=TEXT, tint=TINTED),
    "warn": Contrast(behind=SURFACES, least=TEXT, tint=TINTED),
    "good": Contrast(behind=SURFACES, least=TEXT),
    "control": Contrast(behind=SURFACES, least=CONTROL),
    "on-fill": Contrast(behind=("fill", "fill-end"), least=TEXT),
    **{
        name: Contrast(behind=("code-page",), least=TEXT)
        for name in COLOURS
        if name.startswith("code-") and name != "code-page"
    },
}
"""The tokens that are read or pressed. `accent` is also the ring of the focus."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A token that is a number with a unit."""

    units: tuple[str, ...]
    least: float
    most: float
    """Bounds in the first unit."""
    default: str


MEASURES: dict[str, Measure] = {
    "radius": Measure(units=("rem", "px"), least=0.0, most=1.5, default="0.5rem"),
    "space": Measure(units=("",), least=0.5, most=1.25, default="1"),
    "text-size": Measure(units=("%",), least=80.0, most=200.0, default="100%"),
}
PX_PER_REM = 16

Font = Literal["own", "system", "serif", "readable", "mono"]
FONTS: tuple[Font, ...] = get_args(Font)

FORMAT = 1
"""The number in `prompter-theme`."""
MOST_BYTES = 16_384
MOST_NAME_CHARS = 60

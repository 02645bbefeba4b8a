"""A theme file: read, checked, and written as the style sheet that the page loads before its first paint."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from app.core.theme_tokens import (
    COLOURS,
    CONTRASTS,
    DEFAULTS,
    FONTS,
    FORMAT,
    HIGH_CONTRAST,
    MEASURES,
    MODES,
    MOST_BYTES,
    MOST_NAME_CHARS,
    PX_PER_REM,
    Mode,
)

ThemeProblem = Literal[
    "too_big",
    "not_json",
    "not_an_object",
    "unknown_key",
    "wrong_format",
    "wrong_name",
    "unknown_token",
    "not_a_colour",
    "not_a_measure",
    "out_of_bounds",
    "unknown_font",
    "unreadable",
]
THEME_PROBLEMS: tuple[ThemeProblem, ...] = get_args(ThemeProblem)

_SELECTORS: dict[Mode, str] = {
    "light": ":root:not(.dark):not(.contrast)",
    "dark": ":root.dark:not(.contrast)",
}
_KEYS = ("prompter-theme", "name", *MODES, "shape")
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.ASCII | re.IGNORECASE)
_RGB = re.compile(r"rgb\( *(\d{1,3})(?: *, *| +)(\d{1,3})(?: *, *| +)(\d{1,3}) *\)", re.ASCII)
_MEASURE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)(rem|px|%|)", re.ASCII)

Channels = tuple[int, int, int]


class ThemeFileError(ValueError):
    """A theme file cannot be used. `place` is a line, or a token such as `dark.accent`."""

    def __init__(self, problem: ThemeProblem, place: str, expected: str) -> None:
        super().__init__(f"{place}: {expected}" if place else expected)
        self.problem = problem
        self.place = place


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme as its file has it: only tokens that are known, each with a value that was checked."""

    name: str
    colours: dict[Mode, dict[str, Channels]] = field(default_factory=dict)
    shape: dict[str, str] = field(default_factory=dict)

    def make_style_sheet(self) -> str:
        """The custom properties of the theme. High contrast keeps its own colours."""
        rules = [_write_rule(_SELECTORS[mode], self._list_colours(mode)) for mode in MODES]
        shape = {f"--{name}": value for name, value in self.shape.items() if name != "font"}
        if font := self.shape.get("font"):
            shape |= {"--font-text": f"var(--font-{font})"}
        return "".join((*rules, _write_rule(":root", shape)))

    def make_file(self) -> str:
        """The theme as a file again, for the page that lets its user change it."""
        colours = {
            mode: {name: "#{:02x}{:02x}{:02x}".format(*value) for name, value in colours.items()}
            for mode, colours in self.colours.items()
        }
        return json.dumps({"prompter-theme": FORMAT, "name": self.name, **colours, "shape": self.shape})

    @property
    def digest(self) -> str:
        """Eight characters that change with the style sheet."""
        return sha256(self.make_style_sheet().encode()).hexdigest()[:8]

    def _list_colours(self, mode: Mode) -> dict[str, str]:
        colours = self.colours.get(mode, {})
        return {f"--{name}": " ".join(map(str, value)) for name, value in colours.items()}


def load_theme(path: Path) -> Theme:
    """Read a theme file.

    Raises:
        ThemeFileError: it cannot be read, or is not a theme that can be read by people.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise ThemeFileError("not_json", "", f"the file cannot be read ({reason})") from None
    return parse_theme(content)


def parse_theme(content: bytes) -> Theme:
    """Check the content of a theme file. What it leaves out is as in PROMPTer's own theme.

    Raises:
        ThemeFileError: it is not a theme, or its texts are not readable on its own surfaces.
    """
    if len(content) > MOST_BYTES:
        raise ThemeFileError("too_big", "", f"a theme file has at most {MOST_BYTES} bytes")
    raw = _parse_json(content)
    _check_keys(raw)
    colours = {mode: dict(_read_colours(mode, raw[mode])) for mode in MODES if mode in raw}
    for tokens in colours.values():
        # Code stands on the surface of its theme, unless it has one of its own.
        for name, source in (("code-page", "surface"), ("code-ink", "ink")):
            if source in tokens:
                tokens.setdefault(name, tokens[source])
    theme = Theme(name=raw["name"], colours=colours, shape=dict(_read_shape(raw.get("shape", {}))))
    check_contrasts(theme)
    return theme


def check_contrasts(theme: Theme) -> None:
    """Check that what is read and pressed can be told from what is behind it.

    Raises:
        ThemeFileError: a token has too little contrast.
    """
    for mode in MODES:
        defaults = {name: parse_colour(value) for name, value in DEFAULTS[mode].items()}
        colours = {**defaults, **theme.colours.get(mode, {})}
        for name, rule in CONTRASTS.items():
            for behind in rule.behind:
                least = measure_least_contrast(colours[name], colours[behind], rule.tint)
                if least < rule.least:
                    expected = f"its contrast to {behind!r} is {least:.2f}; {rule.least} is needed"
                    raise ThemeFileError("unreadable", f"{mode}.{name}", expected)


def measure_least_contrast(colour: Channels, behind: Channels, tint: float) -> float:
    """The contrast to what is behind a colour, and to that with a tint of the colour over it."""
    tinted = tuple(
        _round(part * tint + under * (1 - tint)) for part, under in zip(colour, behind, strict=True)
    )
    return min(measure_contrast(colour, behind), measure_contrast(colour, tinted) if tint else 21.0)


def measure_contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_measure_luminance(one), _measure_luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def parse_colour(text: str) -> Channels:
    """The channels of `#rgb`, `#rrggbb` or `rgb(1, 2, 3)`.

    Raises:
        ValueError: it is none of them.
    """
    if _HEX.fullmatch(text):
        digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := _RGB.fullmatch(text):
        red, green, blue = (int(part) for part in match.groups())
        if max(red, green, blue) <= 255:
            return red, green, blue
    raise ValueError("not a colour")


def describe_tokens() -> dict[str, Any]:
    """All that the page knows of tokens, by the names of its constants."""
    return {
        "COLOURS": COLOURS,
        "DEFAULT_COLOURS": DEFAULTS,
        "HIGH_CONTRAST": HIGH_CONTRAST,
        "CONTRASTS": {name: asdict(rule) for name, rule in CONTRASTS.items()},
        "MEASURES": {name: asdict(measure) for name, measure in MEASURES.items()},
        "FONTS": FONTS,
        "FORMAT": FORMAT,
        "MOST_BYTES": MOST_BYTES,
        "MOST_NAME_CHARS": MOST_NAME_CHARS,
        "PX_PER_REM": PX_PER_REM,
        "THEME_PROBLEMS": THEME_PROBLEMS,
    }


# -- parts of the file


def _parse_json(content: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ThemeFileError("not_json", "", "a theme file is JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ThemeFileError("not_json", f"line {error.lineno}", "this is not JSON") from None
    except RecursionError:
        raise ThemeFileError("not_json", "", "this is nested too deeply") from None
    if not isinstance(raw, dict):
        raise ThemeFileError("not_an_object", "", "a theme file is one JSON object")
    return raw


def _check_keys(raw: dict[str, Any]) -> None:
    for key in raw:
        if key not in _KEYS:
            raise ThemeFileError("unknown_key", key[:MOST_NAME_CHARS], f"expected one of {', '.join(_KEYS)}")
    if raw.get("prompter-theme") != FORMAT or isinstance(raw["prompter-theme"], bool):
        raise ThemeFileError("wrong_format", "prompter-theme", f"expected the number {FORMAT}")
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > MOST_NAME_CHARS or not name.isprintable():
        expected = f"expected a text of 1 to {MOST_NAME_CHARS} characters"
        raise ThemeFileError("wrong_name", "name", expected)


def _read_colours(mode: Mode, raw: object) -> Iterator[tuple[str, Channels]]:
    for name, value in _list_entries(mode, raw):
        place = f"{mode}.{name}"
        if name not in COLOURS:
            raise ThemeFileError("unknown_token", place, "there is no such colour; see docs/themes.md")
        try:
            yield name, parse_colour(value if isinstance(value, str) else "")
        except ValueError:
            expected = "expected a colour such as #4f46e5 or rgb(79, 70, 229)"
            raise ThemeFileError("not_a_colour", place, expected) from None


def _read_shape(raw: object) -> Iterator[tuple[str, str]]:
    for name, value in _list_entries("shape", raw):
        place = f"shape.{name}"
        if name == "font":
            if value not in FONTS:
                raise ThemeFileError("unknown_font", place, f"expected one of {', '.join(FONTS)}")
        elif name not in MEASURES:
            raise ThemeFileError("unknown_token", place, "there is no such token; see docs/themes.md")
        else:
            _check_measure(name, value)
        yield name, str(value)


def _check_measure(name: str, value: object) -> None:
    measure = MEASURES[name]
    match = _MEASURE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in measure.units:
        expected = f"expected a text such as {measure.default!r}"
        raise ThemeFileError("not_a_measure", f"shape.{name}", expected)
    number = float(match[1]) / (PX_PER_REM if match[2] == "px" else 1)
    if not measure.least <= number <= measure.most:
        bounds = f"expected {measure.least:g}{measure.units[0]} to {measure.most:g}{measure.units[0]}"
        raise ThemeFileError("out_of_bounds", f"shape.{name}", bounds)


def _list_entries(place: str, raw: object) -> Iterator[tuple[str, object]]:
    if not isinstance(raw, dict):
        raise ThemeFileError("not_an_object", place, "expected an object of tokens")
    for name, value in raw.items():
        yield name[:MOST_NAME_CHARS], value


def _write_rule(selector: str, properties: dict[str, str]) -> str:
    body = ";".join(f"{name}:{value}" for name, value in properties.items())
    return f"{selector}{{{body}}}\n" if body else ""


def _measure_luminance(colour: tuple[int, ...]) -> float:
    red, green, blue = (_linearize(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linearize(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _round(value: float) -> int:
    """As JavaScript rounds, so that the page and the server agree."""
    return int(value + 0.5)

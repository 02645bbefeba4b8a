"""The shape of the code: how imports point, where vendors' libraries live, what no file may hold."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend"

BASE = frozenset({"schemas", "core", "utils"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "schemas": BASE,
    "core": BASE,
    "utils": BASE,
    "weights": BASE | {"weights"},
    "storage": BASE | {"storage"},
    "providers": BASE | {"weights", "providers"},
    "toolsets": BASE | {"providers", "toolsets"},
    "services": BASE | {"providers", "toolsets", "storage", "services"},
    "api": BASE | {"services", "providers", "api"},
    "main": BASE | {"api", "services", "providers", "storage"},
    "client": frozenset({"schemas", "core", "client"}),
    "cli": frozenset({"schemas", "core", "utils", "client", "cli", "main", "bench", "storage", "weights"}),
    "bench": frozenset({"schemas", "core", "client", "providers", "bench"}),
    "prompter": frozenset({"client", "core", "schemas", "providers", "toolsets"}),
}
"""Room by room, the rooms it may import. `app` itself (its version) is free to all."""

ROOM_EXCEPTIONS = {
    ("app.cli.users", "services"): "accounts are looked after at the machine, whether a server runs or not",
    ("app.cli.demo_data", "toolsets"): "demo data are made at the machine, whether a server runs or not",
}
"""Single modules that may import one room more, each with its reason."""

VENDORS: dict[str, frozenset[str]] = {
    "httpx": frozenset(),
    "httpx2": frozenset({"providers", "client"}),
    "openai": frozenset({"providers"}),
    "pydantic_ai": frozenset({"providers"}),
    "websockets": frozenset({"client"}),
    "faster_whisper": frozenset({"providers"}),
    "ctranslate2": frozenset({"providers"}),
    "onnxruntime": frozenset({"providers"}),
    "pocketsphinx": frozenset({"providers"}),
    "webrtcvad": frozenset({"providers"}),
    "prometheus_client": frozenset({"core"}),
    "jiwer": frozenset({"bench"}),
    "whisper_normalizer": frozenset({"bench"}),
    "matplotlib": frozenset({"bench"}),
    "sounddevice": frozenset({"cli"}),
    "av": frozenset({"client", "providers"}),
    "typer": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
    "fastapi": frozenset({"api", "main"}),
    "sqlite3": frozenset({"storage"}),
    "sqlalchemy": frozenset({"storage"}),
    "alembic": frozenset({"storage"}),
    "asyncpg": frozenset({"storage"}),
    "aiosqlite": frozenset({"storage"}),
    "jwt": frozenset({"services"}),
    "pwdlib": frozenset({"services"}),
    "cryptography": frozenset({"cli"}),
}
"""Libraries, and the only rooms that know them."""

VENDOR_EXCEPTIONS = {
    ("app.bench.fixtures", "fastapi"): "the least endpoint is what ingest is measured against",
    ("app.bench.gateway", "httpx2"): "a plain client is what the gateway's cost is measured with",
    ("app.weights.fetch", "httpx2"): "downloading weights serves the command line and never the server",
    ("app.weights.hub", "httpx2"): "downloading weights serves the command line and never the server",
    (
        "app.toolsets.loft.demo_shop",
        "sqlite3",
    ): "the demo shop is a file of its own, none of what the server keeps",
}

SUITE = "backend/tests/test_architecture.py"
FORBIDDEN_TEXT = {
    "a path of somebody's machine": re.compile(
        r"(?<![\w.~<}/])/(?:home|Users|root|work|mnt)/[\w.]+|[A-Z]:\\Users\\"
    ),
    "a package registry": re.compile(
        r"--(?:extra-)?index-url|https?://[\w.-]*(?:pypi|pythonhosted|npmjs|artifactory|nexus)[\w.-]*"
    ),
    "an unfinished note": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
}


def modules() -> dict[str, Path]:
    """Dotted name -> file, of the application and its public face."""
    found = {}
    for top in ("app", "prompter"):
        for path in sorted((BACKEND / top).rglob("*.py")):
            parts = path.relative_to(BACKEND).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(name: str, *, at_run_time: bool = False) -> Iterator[str]:
    """The modules that one module imports, anywhere in it; `at_run_time`: not what only checkers read."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree_of(MODULES[name])):
        if at_run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped.update(ast.walk(node))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively; write the whole name"
            source = node.module or ""
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in MODULES else source


def room(name: str) -> str:
    """ "services" of "app.services.audio.segmenter"; "" of "app" itself."""
    parts = name.split(".")
    return parts[0] if parts[0] == "prompter" else "".join(parts[1:2])


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name: str) -> None:
    """main -> api -> services -> providers, storage -> schemas, core, utils; clients know the words alone."""
    mine = room(name)
    if not mine:
        return
    assert mine in MAY_IMPORT, f"{name} stands in a room that MAY_IMPORT does not know"
    wrong = [
        target
        for target in imported(name)
        if target.split(".")[0] in ("app", "prompter")
        and room(target)
        and room(target) not in MAY_IMPORT[mine]
        and (name, room(target)) not in ROOM_EXCEPTIONS
    ]
    assert not wrong, f"{name} ({mine}) must not import {', '.join(wrong)}"


def test_there_is_no_import_cycle() -> None:
    """A module is finished before another one needs it."""
    graph = {
        name: sorted({target for target in imported(name, at_run_time=True) if target in MODULES} - {name})
        for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, f"import cycle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for target in graph[name]:
                visit(target, [*way, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    assert len(done) == len(MODULES)


def package(name: str) -> str:
    """The package that a module stands in; the package itself for its `__init__`."""
    return name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]


def test_there_is_no_cycle_between_packages() -> None:
    """What only a type checker imports counts too. A package and one inside it may import each other."""
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        mine = package(name)
        others = {package(target) for target in imported(name) if target in MODULES}
        graph.setdefault(mine, set()).update(
            other
            for other in others
            if not f"{other}.".startswith(f"{mine}.") and not f"{mine}.".startswith(f"{other}.")
        )
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, f"cycle of packages: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, [*way, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    assert done == graph.keys()


@pytest.mark.parametrize("name", MODULES)
def test_vendors_live_where_they_belong(name: str) -> None:
    """A library can be changed in one place."""
    for target in imported(name):
        vendor = target.split(".")[0]
        if vendor in VENDORS and (name, vendor) not in VENDOR_EXCEPTIONS:
            assert room(name) in VENDORS[vendor], f"{name} must not import {vendor}"


def test_the_exceptions_are_needed() -> None:
    """An exception that nobody uses any more is taken off the list."""
    for name, other in ROOM_EXCEPTIONS:
        rooms = {room(target) for target in imported(name)} if name in MODULES else set()
        assert other in rooms, f"{name} does not import {other} any more"
    for name, vendor in VENDOR_EXCEPTIONS:
        used = {target.split(".")[0] for target in imported(name)} if name in MODULES else set()
        assert vendor in used, f"{name} does not import {vendor} any more"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_prints_but_the_command_line(name: str) -> None:
    """What the server has to say goes to its log."""
    if room(name) == "cli":
        return
    calls = [
        node.lineno
        for node in ast.walk(tree_of(MODULES[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls, f"{name} prints in line {calls}"


@pytest.mark.parametrize("name", MODULES)
def test_a_file_says_in_its_first_line_what_it_is(name: str) -> None:
    """One sentence, on one line, before anything else; an empty `__init__.py` needs none."""
    text = MODULES[name].read_text(encoding="utf-8")
    if not text.strip():
        return
    assert text.startswith('"""'), f"{name} does not begin with a docstring"
    doc = ast.get_docstring(tree_of(MODULES[name]))
    assert doc, f"{name} has no docstring"
    first, _, rest = doc.partition("\n")
    assert first.endswith((".", "?", ":", "…")), f"{name}: the first line is no sentence: {first!r}"
    assert not rest or rest.startswith("\n"), f"{name}: the first sentence does not end in its line"


@cache
def tracked_texts() -> dict[str, str]:
    """The text files that git knows, those that are about to be added included."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return {}
    texts = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in data[:8000]:
            texts[name] = data.decode("utf-8", errors="replace")
    return texts


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_file_holds(what: str) -> None:
    """What is true on one machine alone does not enter the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nobody can tell which files belong to the project")
    texts = tracked_texts()
    assert SUITE in texts
    found = [
        f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match.group()}"
        for name, text in texts.items()
        if name != SUITE
        for match in FORBIDDEN_TEXT[what].finditer(text)
    ]
    assert not found, f"{what}: {found}"

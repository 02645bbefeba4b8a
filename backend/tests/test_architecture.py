"""The structure of the code: import direction, cycles, vendors' libraries, mirrored tests, forbidden text."""

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
    "services": BASE | {"providers", "toolsets", "storage", "weights", "services"},
    "api": BASE | {"services", "providers", "api"},
    "main": BASE | {"api", "services", "providers", "storage"},
    "client": frozenset({"schemas", "core", "utils", "client"}),
    "cli": frozenset({"schemas", "core", "utils", "client", "cli", "main", "bench", "storage", "weights"}),
    "bench": frozenset({"schemas", "core", "client", "providers", "bench"}),
    "prompter": frozenset({"client", "core", "schemas", "providers", "toolsets"}),
}
"""For each layer, the layers that it may import. Every layer may import `app` itself, which holds the version."""

LAYER_EXCEPTIONS = {
    ("app.cli.users", "services"): "the command manages accounts without a running server",
    ("app.cli.worker", "providers"): "the command starts a decode worker, which has no application",
    ("app.cli.demo_data", "toolsets"): "the command makes demo data without a running server",
}
"""Modules that may import one more layer, with the reason."""

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
    "prometheus_client": frozenset({"core"}),
    "jiwer": frozenset({"bench"}),
    "whisper_normalizer": frozenset({"bench"}),
    "matplotlib": frozenset({"bench"}),
    "sounddevice": frozenset({"cli"}),
    "av": frozenset({"client", "providers"}),
    "PIL": frozenset({"providers"}),
    "pypdfium2": frozenset({"providers"}),
    "pillow_heif": frozenset({"providers"}),
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
    "markdown_it": frozenset({"services"}),
    "pygments": frozenset({"services"}),
    "weasyprint": frozenset({"providers"}),
    "ray": frozenset({"providers"}),
    "cryptography": frozenset({"cli", "storage"}),
}
"""Libraries, and the only layers that may import them."""

VENDOR_EXCEPTIONS = {
    ("app.bench.fixtures", "fastapi"): "the benchmark of ingestion compares with a minimal endpoint",
    ("app.bench.gateway", "httpx2"): "the benchmark of the gateway compares with a plain HTTP client",
    ("app.weights.fetch", "httpx2"): "only the command line downloads weights, never the server",
    ("app.weights.hub", "httpx2"): "only the command line downloads weights, never the server",
    (
        "app.toolsets.loft.demo_shop",
        "sqlite3",
    ): "the demo shop has its own file, apart from the server's data",
}
"""Modules that may import one more library, with the reason."""

LEAST_MIRRORED = 0.9
"""Share of the modules that need a test module at the mirrored path."""
SHORTEST_MIRRORED_LINES = 15
"""Shorter modules need no test module of their own."""

SUITE = "backend/tests/test_architecture.py"
FORBIDDEN_TEXT = {
    "an absolute path of one machine": re.compile(
        r"(?<![\w.~<}/])/(?:home|Users|root|work|mnt)/[\w.]+|[A-Z]:\\Users\\"
    ),
    "a package registry": re.compile(
        r"--(?:extra-)?index-url|https?://[\w.-]*(?:pypi|pythonhosted|npmjs|artifactory|nexus)[\w.-]*"
    ),
    "an unfinished note": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
}

INSTALLS = re.compile(
    r"\b(?:pipx?|uv tool|uv) (?:install|download|inject|add)\s+([^`\"\n#;)]*)|\buvx\s+([^`\"\n#;)]*)"
)
SAFE_TO_INSTALL = re.compile(
    r"-{1,2}[\w-]+|\.|[\w./-]*/[\w./-]*|[\w./-]+\.(?:txt|whl|toml)|'?[\w.-]+(?:\[\w+\])?==[\w.]+'?"
)
"""An option, a folder, a file, or a package of one version."""
OWN_NAME = re.compile(r"\bprompter\[")


def find_modules() -> dict[str, Path]:
    """The modules of the application and its public package: dotted name -> file."""
    found = {}
    for top in ("app", "prompter"):
        for path in sorted((BACKEND / top).rglob("*.py")):
            parts = path.relative_to(BACKEND).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = find_modules()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def list_imports(name: str, *, at_run_time: bool = False) -> Iterator[str]:
    """The modules that a module imports, at any depth; `at_run_time` leaves out those under `TYPE_CHECKING`."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(parse(MODULES[name])):
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


def get_layer(name: str) -> str:
    """ "services" of "app.services.audio.segmenter"; "" of "app" itself."""
    parts = name.split(".")
    return parts[0] if parts[0] == "prompter" else "".join(parts[1:2])


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name: str) -> None:
    """main -> api -> services -> providers, storage -> schemas, core, utils; the client imports the last three."""
    layer = get_layer(name)
    if not layer:
        return
    assert layer in MAY_IMPORT, f"MAY_IMPORT lacks the layer {layer} of {name}"
    wrong = [
        target
        for target in list_imports(name)
        if target.split(".")[0] in ("app", "prompter")
        and get_layer(target)
        and get_layer(target) not in MAY_IMPORT[layer]
        and (name, get_layer(target)) not in LAYER_EXCEPTIONS
    ]
    assert not wrong, f"{name} ({layer}) must not import {', '.join(wrong)}"


def test_there_is_no_import_cycle() -> None:
    """Imports at run time form no cycle, deferred ones included."""
    graph = {
        name: sorted(
            {target for target in list_imports(name, at_run_time=True) if target in MODULES} - {name}
        )
        for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        assert name not in path, f"import cycle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for target in graph[name]:
                visit(target, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    assert len(done) == len(MODULES)


def get_package(name: str) -> str:
    """The package that holds a module; for an `__init__`, the package itself."""
    return name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]


def test_there_is_no_cycle_between_packages() -> None:
    """Imports under `TYPE_CHECKING` count too. A package and a package inside it may import each other."""
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        own = get_package(name)
        others = {get_package(target) for target in list_imports(name) if target in MODULES}
        graph.setdefault(own, set()).update(
            other
            for other in others
            if not f"{other}.".startswith(f"{own}.") and not f"{own}.".startswith(f"{other}.")
        )
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        assert name not in path, f"cycle of packages: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, [*path, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    assert done == graph.keys()


@pytest.mark.parametrize("name", MODULES)
def test_vendors_are_imported_in_their_layers_alone(name: str) -> None:
    """Replacing a library changes one layer."""
    for target in list_imports(name):
        vendor = target.split(".")[0]
        if vendor in VENDORS and (name, vendor) not in VENDOR_EXCEPTIONS:
            assert get_layer(name) in VENDORS[vendor], f"{name} must not import {vendor}"


def test_the_exceptions_are_needed() -> None:
    """An exception that no import uses is removed from the list."""
    for name, other in LAYER_EXCEPTIONS:
        layers = {get_layer(target) for target in list_imports(name)} if name in MODULES else set()
        assert other in layers, f"{name} does not import {other} any more"
    for name, vendor in VENDOR_EXCEPTIONS:
        used = {target.split(".")[0] for target in list_imports(name)} if name in MODULES else set()
        assert vendor in used, f"{name} does not import {vendor} any more"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_command_line_prints(name: str) -> None:
    """The server writes to its log."""
    if get_layer(name) == "cli":
        return
    calls = [
        node.lineno
        for node in ast.walk(parse(MODULES[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls, f"{name} prints in line {calls}"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_begins_with_a_sentence_about_it(name: str) -> None:
    """The first line is one sentence. An empty `__init__.py` needs none."""
    text = MODULES[name].read_text(encoding="utf-8")
    if not text.strip():
        return
    assert text.startswith('"""'), f"{name} does not begin with a docstring"
    doc = ast.get_docstring(parse(MODULES[name]))
    assert doc, f"{name} has no docstring"
    first, _, rest = doc.partition("\n")
    assert first.endswith((".", "?", ":", "…")), f"{name}: the first line is no sentence: {first!r}"
    assert not rest or rest.startswith("\n"), f"{name}: the first sentence does not end in its line"


def list_unmirrored() -> tuple[list[str], int]:
    """The modules of `app` without a test module at their path, and how many need one.

    `tests/<path>/test_<module>.py` tests `app/<path>/<module>.py`; the name may begin with the folder's
    (`test_<folder>_<module>.py`). Migrations are left out: the tests of `storage.migrate` run them all.
    """
    missing, count = [], 0
    for path in sorted((BACKEND / "app").rglob("*.py")):
        module = path.relative_to(BACKEND / "app")
        if path.name == "__init__.py" or "migrations" in module.parts:
            continue
        if len(path.read_text(encoding="utf-8").splitlines()) < SHORTEST_MIRRORED_LINES:
            continue
        count += 1
        folder = BACKEND / "tests" / module.parent
        names = (f"test_{module.stem}.py", f"test_{module.parent.name}_{module.stem}.py")
        if not any((folder / name).is_file() for name in names):
            missing.append(module.as_posix())
    return missing, count


def test_tests_mirror_the_modules() -> None:
    """A reader finds the tests of a module by its path."""
    missing, count = list_unmirrored()
    mirrored = 1 - len(missing) / count
    assert mirrored >= LEAST_MIRRORED, (
        f"only {mirrored:.0%} of {count} modules have a test module; without: {missing}"
    )


@cache
def tracked_texts() -> dict[str, str]:
    """The text files that git tracks or would add."""
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
def test_no_file_contains(what: str) -> None:
    """The repository holds nothing that is true on one machine alone, and no unfinished notes."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the files of the project are unknown")
    texts = tracked_texts()
    assert SUITE in texts
    found = [
        f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match.group()}"
        for name, text in texts.items()
        if name != SUITE
        for match in FORBIDDEN_TEXT[what].finditer(text)
    ]
    assert not found, f"{what}: {found}"


def find_unsafe_installs(text: str) -> list[str]:
    """Installation commands that give an index a name alone, which whoever owns it there decides about."""
    unsafe = []
    for match in INSTALLS.finditer(text):
        wanted = (match[1] or match[2] or "").split()
        if not all(SAFE_TO_INSTALL.fullmatch(word) for word in wanted):
            unsafe.append(match.group().strip())
    return unsafe + [match.group() for match in OWN_NAME.finditer(text)]


def test_nothing_advises_to_install_a_name_alone() -> None:
    """On package indexes the name `prompter` belongs to another program; `prompter extras add` installs pins."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the files of the project are unknown")
    found = {
        name: unsafe
        for name, text in tracked_texts().items()
        if name != SUITE and (unsafe := find_unsafe_installs(text))
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "is_unsafe"),
    [
        ("pip install 'prompter[tools]'", True),
        ("pip install -U prompter", True),
        ("`pipx install prompter`", True),
        ("uv tool install prompter", True),
        ("uvx prompter serve", True),
        ("python -m pip install sounddevice", True),
        ("pip install '.[tools]'", True),
        ("pip install .", False),
        ("pip install -r requirements.txt", False),
        ("pipx install ./prompter-0.1.0-py3-none-any.whl", False),
        ("pip install pocketsphinx==5.1.1", False),
    ],
)
def test_an_unsafe_installation_is_recognised(text: str, is_unsafe: bool) -> None:
    assert bool(find_unsafe_installs(text)) is is_unsafe

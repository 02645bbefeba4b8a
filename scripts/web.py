"""Builds and checks the web app: `build` (nothing to do where it is fresh), `types`, `lint`, `format`, `check`, `dev`.

Needs nothing but a Python, and Node with npm. Where those are missing or too old, one line says so; with
`--if-possible` that is no failure, for the server does its work without the page too.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "frontend"
BUILT = ROOT / "backend" / "app" / "web"
STAMP = BUILT / "stamp.txt"
SOURCES = (
    "package-lock.json",
    "index.html",
    "vite.config.ts",
    "tailwind.config.ts",
    "postcss.config.js",
    "tsconfig.json",
)
MINIMUM = (20, 19)
BORROWED = ROOT / "backend" / "tests" / "clients_js" / "node_modules"
"""The tests of JavaScript clients bring a Node of their own, which will do where the system's is too old."""
TYPES = Path("src") / "shared" / "api" / "schema.d.ts"
LINTERS = (
    ("typescript/bin/tsc", "--noEmit"),
    ("eslint/bin/eslint.js", "."),
    ("prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."),
)
FORMATTERS = (
    ("eslint/bin/eslint.js", "--fix", "."),
    ("prettier/bin/prettier.cjs", "--write", "--log-level=warn", "."),
)
NPM = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--fetch-retries=1",
    "--fetch-timeout=30000",
)
LOG = "web-build.log"


class CannotBuild(Exception):
    """Ends the work with one line."""


def main(argv: "list[str]") -> int:
    """Run the named command; return its exit code."""
    parser = argparse.ArgumentParser(description="Build and check the web app.")
    parser.add_argument("what", choices=tuple(COMMANDS))
    parser.add_argument("--if-possible", action="store_true", help="without Node or npm say so, and succeed")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the server's packages")
    options = parser.parse_args(argv)
    try:
        return COMMANDS[options.what](options)
    except CannotBuild as error:
        say(str(error))
        return 0 if options.if_possible else 1
    except KeyboardInterrupt:
        return 130


# -- the commands


def build(options: argparse.Namespace) -> int:  # noqa: ARG001  # called as the others are
    """Make backend/app/web, unless it is what these sources give."""
    digest = fingerprint()
    if STAMP.exists() and STAMP.read_text() == digest:
        return 0
    path = with_packages()
    say("building the web app (some seconds)")
    run(path, "node", "node_modules/vite/bin/vite.js", "build")
    STAMP.write_text(digest)
    return 0


def types(options: argparse.Namespace) -> int:
    """Write the types of the wire anew."""
    write_types(options.python, with_packages(), WEB / TYPES)
    return 0


def check(options: argparse.Namespace) -> int:
    """Check that the wire's types match the server, then types, lint, form and tests, and build."""
    path = with_packages()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / TYPES.name
        write_types(options.python, path, fresh)
        if fresh.read_bytes() != (WEB / TYPES).read_bytes():
            raise CannotBuild(
                f"frontend/{TYPES.as_posix()} is not what the server says; run `make types`, and look"
            )
    return run_all(path, (*LINTERS, ("vitest/vitest.mjs", "run"))) or build(options)


def lint(options: argparse.Namespace) -> int:  # noqa: ARG001  # called as the others are
    """Check types, lint and form."""
    return run_all(with_packages(), LINTERS)


def format_sources(options: argparse.Namespace) -> int:  # noqa: ARG001  # called as the others are
    """Fix what the linter can fix, and lay the sources out."""
    return run_all(with_packages(), FORMATTERS)


def dev(options: argparse.Namespace) -> int:
    """Server and Vite, each with reload; when one ends, so does the other."""
    path = with_packages()
    say("the page, reloaded when it changes, is at http://127.0.0.1:5173; the server behind it at port 8000")
    server = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    children = [
        subprocess.Popen([options.python, "-m", "app.cli", "serve", "--reload"], cwd=str(ROOT), env=server),
        subprocess.Popen(["node", "node_modules/vite/bin/vite.js"], cwd=str(WEB), env=env(path)),
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a supervisor, it ends both as well
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait()
    return max(abs(child.returncode) for child in children)


COMMANDS = {
    "build": build,
    "types": types,
    "lint": lint,
    "format": format_sources,
    "check": check,
    "dev": dev,
}


# -- Node and its packages


def with_packages() -> str:
    """The PATH of a Node that is new enough, with the packages of package-lock.json installed.

    Raises:
        CannotBuild: there is none, or npm fails.
    """
    if shutil.which("npm") is None:
        raise CannotBuild(
            "no npm here: the web app is not built; install Node 20.19 or newer (with npm) and run `make web`"
        )
    path = path_of_node()
    done, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    if not done.exists() or done.stat().st_mtime < wanted.stat().st_mtime:
        say("fetching the packages of the web app (half a minute or so)")
        run(path, "npm", "ci", *NPM)
    return path


def path_of_node() -> str:
    """The system's PATH, with another Node before it where its own is too old."""
    system = os.environ.get("PATH", "")
    folders = [str(folder / "bin") for folder in sorted(BORROWED.glob("node-*"))]
    for path in (system, *(os.pathsep.join((folder, system)) for folder in folders)):
        if version_of_node(path) >= MINIMUM:
            return path
    found = ".".join(map(str, version_of_node(system))) or "none"
    raise CannotBuild(
        f"Node {MINIMUM[0]}.{MINIMUM[1]} or newer is needed to build the web app, and this is {found}"
    )


def version_of_node(path: str) -> "tuple[int, ...]":
    """(major, minor) of the first `node`; () where there is none or it does not run."""
    node = shutil.which("node", path=path)
    if node is None:
        return ()
    try:
        found = re.match(rb"v(\d+)\.(\d+)", subprocess.check_output([node, "--version"]))
    except (OSError, subprocess.CalledProcessError):
        return ()
    return (int(found[1]), int(found[2])) if found else ()


def run(path: str, *command: str) -> None:
    """Run in frontend/, quietly.

    Raises:
        CannotBuild: it failed; what it said is in the log.
    """
    found = shutil.which(command[0], path=path) or command[0]  # on Windows npm is a script with an ending
    done = subprocess.run(
        [found, *command[1:]],
        cwd=str(WEB),
        env=env(path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        log = ROOT / "build" / LOG
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(done.stdout)
        raise CannotBuild(
            f"the web app cannot be built: {command[0]} {command[1]} failed; what it said is in {log}"
        )


def run_all(path: str, commands: "tuple[tuple[str, ...], ...]") -> int:
    """Run scripts of node_modules one after another, their output shown; the first exit code that is not 0."""
    for script, *arguments in commands:
        command = ["node", f"node_modules/{script}", *arguments]
        code = subprocess.call(command, cwd=str(WEB), env=env(path))
        if code != 0:
            return code
    return 0


# -- small things


def write_types(python: str, path: str, target: Path) -> None:
    """The server's schema, the socket's messages included, as TypeScript."""
    code = (
        "import json; from app.core.config import Settings; from app.main import create_app; "
        "print(json.dumps(create_app(Settings(_env_file=None)).openapi(), sort_keys=True))"
    )
    without = {name: value for name, value in os.environ.items() if not name.startswith("PROMPTER_")}
    schema = subprocess.check_output([python, "-c", code], cwd=str(ROOT / "backend"), env=without)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_bytes(json.dumps(json.loads(schema)).encode())
        run(path, "node", "node_modules/openapi-typescript/bin/cli.js", str(source), "--output", str(target))


def fingerprint() -> str:
    """What the page is made from: a hash over names and contents."""
    digest = hashlib.sha256()
    files = [WEB / name for name in SOURCES]
    for folder in ("src", "public"):
        files.extend(sorted(path for path in (WEB / folder).rglob("*") if path.is_file()))
    for path in files:
        digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def env(path: str) -> "dict[str, str]":
    """The environment with this PATH."""
    return {**os.environ, "PATH": path}


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(f"prompter: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

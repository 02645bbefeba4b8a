"""`prompter extras`: installs optional packages, as pinned, into the environment that runs, and nothing else."""

import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import REFUSED, USAGE, AsJson, CommandError, note_console, result_console
from app.core.extras import Extra, read_extras

if TYPE_CHECKING:
    from app.weights.package_index import IndexTool

app = typer.Typer(help="Optional packages of this installation.", no_args_is_help=True)

_PINNED = "=="
_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "UV_TARGET", "UV_PREFIX")
"""Variables with which either tool would install into another folder."""


@dataclass(frozen=True, slots=True)
class Change:
    """One package that is installed, or replaced by the version that PROMPTer is made for."""

    name: str
    version: str
    installed: str | None

    def __str__(self) -> str:
        if self.installed is None:
            return f"{self.name} {self.version}"
        return f"{self.name} {self.version} in place of {self.installed}"


@app.command("list")
def list_extras(as_json: AsJson = False) -> None:
    """Show the extras, and whether their packages are installed here."""
    installed = read_installed()
    rows = [(extra, not plan_changes([extra], installed)) for extra in read_extras().values()]
    if as_json:
        items = [
            {"name": extra.name, "purpose": extra.purpose, "installed": there, "packages": extra.packages}
            for extra, there in rows
        ]
        typer.echo(json.dumps(items))
        return
    for extra, there in rows:
        state = "installed" if there else "not installed"
        result_console().print(f"{extra.name:<13} {state:<14} {extra.purpose}", markup=False)


@app.command("add")
def add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Extras; `extras list` shows them.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Install the packages of extras into the environment that runs PROMPTer.

    They have the versions that this PROMPTer is made for. No other package is changed, PROMPTer itself included. The
    package index is the one that pip or uv is set to.
    """
    extras = _find_extras(names)
    _refuse_managed_python()
    before = read_installed()
    changes = plan_changes(extras, before)
    if not changes:
        result_console().print(
            f"everything is there: {', '.join(extra.name for extra in extras)}", markup=False
        )
        return
    tools = _find_tools()
    note_console().print(f"into {sys.prefix}, with {tools[0].name}:", markup=False)
    for change in changes:
        note_console().print(f"  {change}", markup=False)
    note_console().print("nothing else is changed", markup=False)
    if dry_run:
        return
    if not yes:
        _ask()
    _install(tools, changes, before)
    _report(changes, before)


def read_installed() -> dict[str, str]:
    """Return the version of every distribution that this environment sees, by its normalized name."""
    from packaging.utils import canonicalize_name

    importlib.invalidate_caches()
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        # A half-removed one has no name; of two with one name the first is imported.
        if name := distribution.metadata["Name"]:
            found.setdefault(canonicalize_name(name), distribution.version)
    return found


def plan_changes(extras: Iterable[Extra], installed: Mapping[str, str]) -> list[Change]:
    """Return what has to be installed or replaced so that the pins of these extras hold."""
    from packaging.utils import canonicalize_name

    changes = {}
    for pin in (pin for extra in extras for pin in extra.pins):
        name, _, version = pin.partition(_PINNED)
        there = installed.get(canonicalize_name(name))
        if there != version:
            changes[name] = Change(name=name, version=version, installed=there)
    return list(changes.values())


def list_constraints(changes: Iterable[Change], installed: Mapping[str, str]) -> list[str]:
    """Return a pin for every installed package that is not to be changed, PROMPTer included."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    changed = {canonicalize_name(change.name) for change in changes}
    found = []
    for name, version in sorted(installed.items()):
        try:
            Version(version)
        except InvalidVersion:
            continue  # pip reads no such constraint
        if name not in changed:
            found.append(f"{name}{_PINNED}{version}")
    return found


def _find_extras(names: Iterable[str]) -> list[Extra]:
    """Raises:
    CommandError: a name is unknown.
    """
    known = read_extras()
    for name in names:
        if name not in known:
            raise CommandError(f"there is no extra {name!r}; known are {', '.join(known)}", USAGE)
    return [known[name] for name in dict.fromkeys(names)]


def _refuse_managed_python() -> None:
    """Raises:
    CommandError: the Python belongs to the system's own package manager (PEP 668).
    """
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and marker.exists():
        raise CommandError(
            f"the Python in {sys.prefix} belongs to the operating system, and other packages may break it; nothing was "
            "installed. Install PROMPTer into an environment of its own (python3 -m venv, pipx or uv) and run this "
            "there",
            REFUSED,
        )


def _find_tools() -> "list[IndexTool]":
    """Raises:
    CommandError: there is neither pip nor uv.
    """
    from app.weights.package_index import find_index_tools

    tools = [tool for tool in find_index_tools() if tool.is_of_this_python]
    if not tools:
        raise CommandError(
            f"this environment has neither pip nor uv; install one, such as with: {sys.executable} -m ensurepip"
        )
    return tools


def _ask() -> None:
    """Raises:
    CommandError: nobody can be asked.
    Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise CommandError("nothing was installed, since nobody can be asked here; say --yes", USAGE)
    typer.confirm("install these?", default=True, abort=True, err=True)


def _install(tools: "list[IndexTool]", changes: list[Change], installed: Mapping[str, str]) -> None:
    """Run the first tool that can reach what is wanted.

    Raises:
        CommandError: none can; the message says why.
    """
    from app.weights.fetch import SourceUnreachable, WeightsNotFound

    with tempfile.TemporaryDirectory(prefix="prompter-extras-") as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(list_constraints(changes, installed)) + "\n", encoding="utf-8")
        for position, tool in enumerate(tools):
            done = subprocess.run(  # noqa: S603  # a tool of the user, without a shell
                _make_command(tool, changes, constraints),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
                check=False,
            )
            if done.returncode == 0:
                return
            error = _explain(tool, changes, done.stdout.decode(errors="replace"))
            is_last = position == len(tools) - 1
            if is_last or not isinstance(error.__cause__, SourceUnreachable | WeightsNotFound):
                raise error


def _make_command(tool: "IndexTool", changes: Iterable[Change], constraints: Path) -> list[str]:
    own = (
        ["--python", sys.executable]
        if tool.name == "uv"
        # Only at this level pip says why an index did not answer.
        else ["-vv", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    )
    pins = [f"{change.name}{_PINNED}{change.version}" for change in changes]
    return [*tool.program, "install", *own, "--constraint", str(constraints), *pins]


_BLAME = r"(?:No matching distribution found for|Cannot install|there is no version of) "
_CONFLICT = r"(?m)^ERROR: (?:ResolutionImpossible|Cannot install)"
_UNSATISFIABLE = "requirements are unsatisfiable"
_ABSENT = r"no version of|not found in|no usable wheels|network was disabled"
_NOT_WRITABLE = (
    r"(?mi)^\W*(?:error|caused by)\b.*(?:permission denied|os error 13|read-only file system|os error 30)"
)


def _explain(tool: "IndexTool", changes: Iterable[Change], output: str) -> CommandError:
    """Return the error for what a tool said; its cause is the kind of failure."""
    from app.weights.package_index import explain_failure

    pins = [f"{change.name}{_PINNED}{change.version}" for change in changes]
    blamed = [pin for pin in pins if re.search(_BLAME + re.escape(pin), output, re.IGNORECASE)]
    others = "" if blamed or len(pins) == 1 else f" and {len(pins) - 1} more"
    wanted = ", ".join(blamed or pins[:1]) + others
    if re.search(_NOT_WRITABLE, output):
        return CommandError(f"{sys.prefix} cannot be written by this user; nothing was installed", REFUSED)
    flat = " ".join(output.replace("│", " ").split())  # uv breaks its lines
    if re.search(_CONFLICT, output) or (_UNSATISFIABLE in flat and not re.search(_ABSENT, flat)):
        return CommandError(
            f"{wanted} do not fit the packages in {sys.prefix}, which are left as they are; install PROMPTer into an "
            "environment of its own"
        )
    cause = explain_failure(tool, wanted, output)
    error = CommandError(str(cause))
    error.__cause__ = cause
    return error


def _report(changes: Iterable[Change], before: Mapping[str, str]) -> None:
    """Say what is there now, what came along, and what would undo it.

    Raises:
        CommandError: the tool was told to install elsewhere, by its own settings.
    """
    from packaging.utils import canonicalize_name

    now = read_installed()
    missing = [change.name for change in changes if now.get(canonicalize_name(change.name)) != change.version]
    if missing:
        raise CommandError(
            f"installed, but not into {sys.prefix}: {', '.join(missing)}; pip or uv is set to another folder"
        )
    named = {canonicalize_name(change.name) for change in changes}
    others = [
        f"{name} {now[name]}" for name in sorted(now) if now[name] != before.get(name) and name not in named
    ]
    came_along = f"; with them came {', '.join(others)}" if others else ""
    result_console().print(f"installed: {', '.join(map(str, changes))}{came_along}", markup=False)
    for file, tool in (("pipx_metadata.json", "pipx"), ("uv-receipt.toml", "uv")):
        if (Path(sys.prefix) / file).exists():
            note_console().print(
                f"{tool} forgets them when it installs or upgrades PROMPTer: run this again then",
                markup=False,
            )

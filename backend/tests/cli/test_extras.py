"""`prompter extras` in a real environment with a real pip: it says what it does, does that, and nothing else."""

import os
import pty
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import extras
from app.cli.common import CommandError
from app.cli.extras import Change, list_constraints, plan_changes
from app.core.extras import Extra
from app.weights.package_index import IndexTool
from tests.fakes.package_index import FakeIndex, make_wheel
from tests.support.command import BACKEND, get_only_line, run_prompter

pytestmark = pytest.mark.once

EXTRAS = """
[tools]
purpose = "things to try"
packages = ["some-tools==2.0"]
brings = ["some-parts==1.5"]

[broken]
purpose = "needs another version of what is there"
packages = ["some-rival==1.0"]

[absent]
purpose = "no index has it"
packages = ["some-absence==1.0"]
"""
RUN = (
    "import sys; from pathlib import Path; from app.core import extras; extras.EXTRAS_FILE = Path(sys.argv.pop(1));"
    "from app.cli.main import main; main()"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment that sees the packages of the tests, and installs into itself."""

    folder: Path
    extras_file: Path

    @property
    def library(self) -> Path:
        return self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    @property
    def command(self) -> list[str]:
        return [str(self.folder / "bin" / "python"), "-c", RUN, str(self.extras_file), "extras"]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*self.command, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )

    def list_packages(self) -> dict[str, str]:
        folders = (path.name.removesuffix(".dist-info") for path in self.library.glob("*.dist-info"))
        return dict(name.split("-") for name in folders)

    def put(self, name: str, version: str) -> None:
        """Install a package without files of its own."""
        info = self.library / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        files = ("METADATA", "INSTALLER", "RECORD")
        (info / "RECORD").write_text("".join(f"{info.name}/{file},,\n" for file in files))
        (info / "INSTALLER").write_text("pip\n")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    """The extras' packages, and newer versions of what is installed already."""
    with FakeIndex().serve() as fake:
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_CONSTRAINT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", fake.simple_url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_RETRIES", "0")
        needs = ("some-parts", "other", "prompter")
        fake.add("some-tools", "2.0", make_wheel("some-tools", "2.0", {"some_tools.py": b""}, needs))
        fake.add("some-parts", "1.5", make_wheel("some-parts", "1.5", {"some_parts.py": b""}, ("newcomer",)))
        fake.add("newcomer", "4.0", make_wheel("newcomer", "4.0", {"newcomer.py": b""}))
        fake.add("some-rival", "1.0", make_wheel("some-rival", "1.0", {}, ("other>=9",)))
        for name in ("other", "prompter"):
            fake.add(name, "9.9", make_wheel(name, "9.9", {f"{name}.py": b"raise SystemExit('a stranger')"}))
        yield fake


@pytest.fixture
def environment(tmp_path: Path, clean_environment: None, index: FakeIndex) -> Environment:
    made = Environment(folder=tmp_path / "venv", extras_file=tmp_path / "extras.toml")
    made.extras_file.write_text(EXTRAS)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made.folder)], check=True)
    seen = (BACKEND, sysconfig.get_path("purelib"))
    (made.library / "tests.pth").write_text("".join(f"{folder}\n" for folder in seen))
    made.put("prompter", "0.1.0")
    made.put("other", "1.0")
    return made


def test_it_installs_the_pins_and_leaves_the_rest(environment: Environment) -> None:
    """Neither PROMPTer nor another package moves, although the index has newer ones."""
    environment.put("some_parts", "0.9")
    listed = environment.run("list").stdout
    assert "tools         not installed  things to try" in listed
    done = environment.run("add", "tools", "--yes")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert str(environment.folder) in said[0]
    assert said[1:3] == ["  some-tools 2.0", "  some-parts 1.5 in place of 0.9"]
    assert "with them came newcomer 4.0" in done.stdout
    assert environment.list_packages() == {
        "prompter": "0.1.0",
        "other": "1.0",
        "some_tools": "2.0",
        "some_parts": "1.5",
        "newcomer": "4.0",
    }
    again = environment.run("add", "tools")
    assert (again.returncode, again.stdout) == (0, "everything is there: tools\n")


@pytest.mark.parametrize("arguments", [("tools",), ("tools", "--dry-run")])
def test_nothing_happens_without_a_yes(
    environment: Environment, index: FakeIndex, arguments: tuple[str, ...]
) -> None:
    before = environment.list_packages()
    done = environment.run("add", *arguments)
    assert "  some-tools 2.0" in done.stderr
    assert done.returncode == (0 if "--dry-run" in arguments else 2)
    assert ("say --yes" in done.stderr) is ("--dry-run" not in arguments)
    assert environment.list_packages() == before
    assert not index.requests


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_it_asks(environment: Environment, answer: str) -> None:
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*environment.command, "add", "tools"], stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        threading.Thread(target=process.wait, daemon=True).start()
        _, said = process.communicate(timeout=60)
    os.close(ours)
    os.close(its)
    assert b"install these?" in said
    assert ("some_tools" in environment.list_packages()) is (answer == "y")


def test_packages_that_do_not_fit_change_nothing(environment: Environment) -> None:
    before = environment.list_packages()
    done = environment.run("add", "broken", "--yes")
    assert done.returncode == 1
    assert "some-rival==1.0 do not fit the packages in" in done.stderr
    assert environment.list_packages() == before


def test_a_package_that_no_index_has_is_told(environment: Environment) -> None:
    done = environment.run("add", "absent", "--yes")
    assert done.returncode == 1
    assert (
        "'some-absence==1.0' cannot be fetched: the index that pip is set to does not have it" in done.stderr
    )


def test_an_index_that_does_not_answer_is_told(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    done = environment.run("add", "tools", "--yes")
    assert done.returncode == 1
    assert "some-tools==2.0' cannot be fetched: the index that pip is set to cannot be reached" in done.stderr


UNSATISFIABLE = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because a==1 depends on c>=9 and you require c==1, we can conclude that your requirements
      are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("output", "meaning", "exit_code"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'",
            "cannot be written",
            4,
        ),
        (
            "error: failed to create directory `x`\n  Caused by: Permission denied (os error 13)",
            "cannot be written",
            4,
        ),
        (
            UNSATISFIABLE,
            "do not fit the packages in",
            1,
        ),
        ("WARNING: cache: Permission denied\nERROR: something new", "pip says: ERROR: something new", 1),
        (
            "  raise ResolutionImpossible\nERROR: No matching distribution found for b==2",
            "'b==2' cannot be fetched",
            1,
        ),
    ],
)
def test_what_a_tool_says_becomes_one_line(output: str, meaning: str, exit_code: int) -> None:
    tool = IndexTool(name="pip", program=("pip",), unpacks=False)
    changes = [Change(name="a", version="1", installed=None), Change(name="b", version="2", installed=None)]
    error = extras._explain(tool, changes, output)
    assert meaning in str(error)
    assert error.exit_code == exit_code


def test_another_folder_of_pip_does_not_count(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(environment.folder / "elsewhere"))
    assert environment.run("add", "tools", "--yes").returncode == 0
    assert "some_tools" in environment.list_packages()
    assert not (environment.folder / "elsewhere").exists()


def test_what_is_not_there_afterwards_is_told() -> None:
    """A tool may be set to another folder by its configuration file."""
    change = Change(name="some-absence", version="1.0", installed=None)
    with pytest.raises(CommandError, match=r"not into .*: some-absence"):
        extras._report([change], {})


def test_an_unknown_extra_names_the_known() -> None:
    done = run_prompter("extras", "add", "toolz")
    assert done.returncode == 2
    assert "there is no extra 'toolz'; known are tools, postgres" in get_only_line(done.stderr)


def test_the_systems_python_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As PEP 668 asks; a virtual environment of that Python is not meant."""
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    extras._refuse_managed_python()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(CommandError, match="belongs to the operating system") as refused:
        extras._refuse_managed_python()
    assert refused.value.exit_code == 4


TOOLS = Extra(name="tools", purpose="", packages=("Some.Tools==2.0",), brings=("parts==1.5",))


def test_only_what_differs_from_the_pins_is_changed() -> None:
    assert plan_changes([TOOLS], {"some-tools": "2.0", "parts": "1.5"}) == []
    assert plan_changes([TOOLS, TOOLS], {"parts": "1.0"}) == [
        Change(name="Some.Tools", version="2.0", installed=None),
        Change(name="parts", version="1.5", installed="1.0"),
    ]


def test_everything_else_is_held() -> None:
    installed = {"some-tools": "1.0", "prompter": "0.1.0", "torch": "2.13.0+cpu", "odd": "unknown"}
    changes = plan_changes([TOOLS], installed)
    assert list_constraints(changes, installed) == ["prompter==0.1.0", "torch==2.13.0+cpu"]


def test_uv_is_told_which_environment() -> None:
    tool = IndexTool(name="uv", program=("uv", "pip"), unpacks=True)
    change = Change(name="parts", version="1.5", installed=None)
    command = extras._make_command(tool, [change], Path("held.txt"))
    assert command == [
        "uv",
        "pip",
        "install",
        "--python",
        sys.executable,
        "--constraint",
        "held.txt",
        "parts==1.5",
    ]

"""The set-up: one clear line for what is missing, nothing to do the second time, repaired if it broke off."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "bootstrap.py"
OLD_PYTHON = Path.home() / ".pyenv" / "versions" / "3.8.18" / "bin" / "python3"
NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}


@pytest.fixture
def bootstrap() -> ModuleType:
    """The script as a module of its own."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that needs no packages, in a folder whose name has a space."""
    root = tmp_path / "a checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts")
    shutil.copytree(ROOT / "backend" / "app", root / "backend" / "app")
    shutil.copy(ROOT / "Makefile", root)
    (root / "requirements.txt").write_text("# nothing\n")
    (root / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return root


def run(
    root: Path, *arguments: str, python: str | Path = sys.executable, **env: str
) -> "subprocess.CompletedProcess[str]":
    command = [str(python), str(root / "scripts" / "bootstrap.py"), *arguments]
    seen = {**os.environ, **NO_INDEX, **env}
    return subprocess.run(command, capture_output=True, text=True, env=seen, timeout=100, check=False)


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


# -- an old Python


def test_an_old_python_can_read_the_script() -> None:
    """Down to 3.6: otherwise its user would see a syntax error instead of a line."""
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 6))


def test_an_old_python_without_a_newer_one_is_one_line(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    executable(tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    executable(tmp_path / "python3.12", "echo 3 10")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "THIS", (3, 8))
    assert bootstrap.main(["--venv", str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("prompter: Python 3.11 or newer is needed, and this is 3.8; ")
    assert "PYTHON=" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_an_old_python_hands_over_to_a_newer_one(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    executable(tmp_path / "python3.13", "exit 127")
    newer = executable(
        tmp_path / "python3.11",
        f'case "$1" in -c) echo 3 11;; *) echo "$@" > "{tmp_path}/asked"; exit 7;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(bootstrap, "THIS", (3, 8))
    assert bootstrap.find_newer() == str(newer)
    assert bootstrap.main(["--dev", "--venv", str(tmp_path / "none")]) == 7
    assert (tmp_path / "asked").read_text().split()[1:] == ["--dev", "--venv", str(tmp_path / "none")]


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason="there is no real Python 3.8 on this machine")
def test_a_real_old_python_says_it_in_one_line(checkout: Path) -> None:
    done = run(checkout, python=OLD_PYTHON, PATH="/nonexistent")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and this is 3.8" in one_line(done)


# -- the whole way


def test_the_first_run_makes_everything_and_the_second_nothing(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 0, done.stderr
    assert "ready after" in done.stderr
    prompter = checkout / ".venv" / "bin" / "prompter"
    assert str(checkout / ".venv" / "bin" / "python") in prompter.read_text()
    where = [str(checkout / ".venv" / "bin" / "python"), "-c", "import app; print(app.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd="/", env={})
    assert found.stdout.strip() == str(checkout / "backend" / "app" / "__init__.py")

    python = checkout / ".venv" / "bin" / "python"
    executable(python.with_name("keep"), "")
    started_s = time.perf_counter()
    again = run(checkout)
    took_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare_s = time.perf_counter() - started_s
    assert (again.returncode, again.stderr) == (0, "")
    assert took_s < bare_s + 0.5
    assert python.with_name("keep").exists()

    # The tools come on top: the environment is kept, and afterwards both are complete.
    assert run(checkout, "--dev").returncode == 0
    assert python.with_name("keep").exists()
    assert run(checkout).stderr == run(checkout, "--dev").stderr == ""

    # An install that broke off has no stamp; a changed list has another one.
    (checkout / ".venv" / "prompter-stamp.json").unlink()
    assert "ready after" in run(checkout).stderr
    (checkout / "requirements.txt").write_text("# still nothing\n")
    assert "ready after" in run(checkout).stderr
    assert run(checkout).stderr == ""


def ask_where(python: Path) -> str:
    """The file of `app` in an environment, asked for elsewhere."""
    command = [str(python), "-c", "import app; print(app.__file__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", env={})
    return done.stdout.strip()


def test_a_copy_that_pip_installs_does_not_take_over(checkout: Path) -> None:
    """As `pip install .` and `pip uninstall` leave the environment; a server of the copy would have other folders."""
    assert run(checkout).returncode == 0
    binaries = checkout / ".venv" / "bin"
    [library] = (checkout / ".venv" / "lib").glob("python*/site-packages")
    shutil.copytree(checkout / "backend" / "app", library / "app")
    executable(binaries / "prompter", "exit 7")
    own = str(checkout / "backend" / "app" / "__init__.py")
    assert ask_where(binaries / "python") == own, "also before the next start"
    said = one_line(run(checkout))
    assert "runs the code of this checkout again" in said
    assert "-m app.cli" in (binaries / "prompter").read_text()

    shutil.rmtree(library / "app")
    (binaries / "prompter").unlink()
    assert "runs the code of this checkout again" in one_line(run(checkout))
    assert os.access(binaries / "prompter", os.X_OK)
    assert ask_where(binaries / "python") == own
    assert run(checkout).stderr == ""


def test_the_link_of_an_earlier_version_is_renewed_quietly(checkout: Path) -> None:
    assert run(checkout).returncode == 0
    [link] = (checkout / ".venv" / "lib").glob("python*/site-packages/prompter.pth")
    link.write_text(f"{checkout / 'backend'}\n")
    assert run(checkout).stderr == ""
    assert link.read_text().startswith("import sys")


def test_the_command_is_not_led_astray_by_the_working_directory(checkout: Path, tmp_path: Path) -> None:
    assert run(checkout).returncode == 0
    elsewhere = tmp_path / "project" / "app"
    elsewhere.mkdir(parents=True)
    (elsewhere / "__init__.py").write_text("raise SystemExit('the app of somebody else')\n")
    command = [str(checkout / ".venv" / "bin" / "prompter"), "--version"]
    done = subprocess.run(
        command, cwd=elsewhere.parent, capture_output=True, text=True, check=False, env={}, timeout=60
    )
    assert "somebody else" not in done.stderr


def test_an_index_that_cannot_be_reached_is_told_and_repaired_later(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("a-package-that-is-not-there==1.0\n")
    done = run(checkout, PIP_RETRIES="0")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "package index cannot be reached" in last or "cannot be installed" in last
    assert "prompter-install.log" in last
    assert len(done.stderr.splitlines()) == 2
    assert not (checkout / ".venv" / "prompter-stamp.json").exists()
    (checkout / "requirements.txt").write_text("# nothing\n")
    assert run(checkout).returncode == 0


def test_a_python_without_ensurepip_names_the_package(checkout: Path, tmp_path: Path) -> None:
    """Debian keeps it in a package of its own."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('left out')\n")
    done = run(checkout, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" in one_line(done)


# -- pure parts


def test_the_stamp_holds_for_these_requirements_and_this_python(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    venv = checkout / ".venv"
    executable(venv / "bin" / "python", "")
    assert not bootstrap.is_complete(venv, dev=False, light=False)
    bootstrap.write_stamp(venv, dev=False, light=False)
    assert bootstrap.is_complete(venv, dev=False, light=False)
    assert bootstrap.is_complete(venv, dev=False, light=True)
    assert not bootstrap.is_complete(venv, dev=True, light=False)
    bootstrap.write_stamp(venv, dev=True, light=False)
    assert bootstrap.is_complete(venv, dev=False, light=False)
    assert bootstrap.is_complete(venv, dev=True, light=False)
    monkeypatch.setattr(bootstrap, "THIS", (3, 99))
    assert not bootstrap.is_complete(venv, dev=True, light=False)
    monkeypatch.setattr(bootstrap, "THIS", (3, 8))
    assert bootstrap.is_complete(venv, dev=True, light=False), "an old Python is only the one that looks"
    (venv / "prompter-stamp.json").write_text("{")
    assert not bootstrap.is_complete(venv, dev=True, light=False)


def test_a_light_environment_is_complete_for_light_starts_alone(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    venv = checkout / ".venv"
    executable(venv / "bin" / "python", "")
    bootstrap.write_stamp(venv, dev=False, light=True)
    assert bootstrap.is_complete(venv, dev=False, light=True)
    assert not bootstrap.is_complete(venv, dev=False, light=False)


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ("... NewConnectionError('<pip._vendor...>: Failed to establish ...", "index cannot be reached"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "no space left"),
        ("error: command 'gcc' failed\nERROR: Failed building wheel for x", "Python 3.11 or 3.13"),
        ("Collecting x\nERROR: something new\n", "something new"),
        ("", "no reason given"),
    ],
)
def test_a_failed_install_is_one_line(bootstrap: ModuleType, log: str, meaning: str) -> None:
    line = bootstrap.explain(log, "the.log")
    assert meaning in line
    assert "the.log" in line
    assert "\n" not in line


def test_requirements_are_listed_with_those_they_include(bootstrap: ModuleType) -> None:
    runtime = bootstrap.list_requirements("requirements.txt")
    assert len(runtime) > 20
    assert sum(line.startswith("xllamacpp==") for line in runtime) == 1
    assert set(bootstrap.list_requirements("requirements-dev.txt")) > set(runtime)


def test_no_compiler_is_one_line_and_no_failure(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bootstrap.build_pocketsphinx(tmp_path)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no C compiler" in said


# -- llama.cpp


FAKE_PIP = """echo "$@" >> "{asked}"
case "$*" in
    *--only-binary*) echo "{said}"; exit 1;;
    *) for last; do :; done; cp "$last" "{installed}";;
esac"""
"""An interpreter whose pip installs a list, unless something in it has to be a wheel."""


def fake_pip(folder: Path, said: str) -> Path:
    """Make an environment in which pip fails with `said` where llama.cpp is asked for."""
    script = FAKE_PIP.format(asked=folder / "asked", installed=folder / "installed", said=said)
    executable(folder / "venv" / "bin" / "python", script)
    return folder / "venv"


def test_without_a_wheel_of_llama_the_rest_is_installed(
    bootstrap: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venv = fake_pip(tmp_path, "ERROR: No matching distribution found for xllamacpp==2026.10.11549")
    bootstrap.install(venv, "requirements.txt", light=False)
    installed = (tmp_path / "installed").read_text()
    assert "fastapi==" in installed
    assert "xllamacpp" not in installed
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "going on without llama.cpp" in said[1]
    assert "No matching distribution" in (venv / "xllamacpp-prompter-install.log").read_text()


def test_another_package_that_is_missing_ends_the_set_up(bootstrap: ModuleType, tmp_path: Path) -> None:
    venv = fake_pip(tmp_path, "Collecting xllamacpp\nERROR: No matching distribution found for numpy==2.4.6")
    with pytest.raises(bootstrap.SetUpError, match="numpy"):
        bootstrap.install(venv, "requirements.txt", light=False)
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_light_does_not_ask_for_llama(bootstrap: ModuleType, tmp_path: Path) -> None:
    venv = fake_pip(tmp_path, "ERROR: asked")
    bootstrap.install(venv, "requirements.txt", light=True)
    assert len((tmp_path / "asked").read_text().splitlines()) == 1
    assert "xllamacpp" not in (tmp_path / "installed").read_text()


# -- the models


@pytest.fixture
def place(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout without models; the command of its `venv` ends as `answer` says, and is counted in `asked`."""
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.delenv("PROMPTER_MODELS_DIR", raising=False)
    (tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "xllamacpp").mkdir(parents=True)
    executable(
        tmp_path / "venv" / "bin" / "python",
        f'echo "$@" >> "{tmp_path}/asked"; exit $(cat "{tmp_path}/answer")',
    )
    answer_with(tmp_path, 0)
    return tmp_path


def answer_with(place: Path, code: int) -> None:
    (place / "answer").write_text(str(code))


def count_asked(place: Path) -> int:
    return len((place / "asked").read_text().splitlines()) if (place / "asked").exists() else 0


def fetch(bootstrap: ModuleType, place: Path, *options: str) -> int:
    code: int = bootstrap.fetch_models(place / "venv", bootstrap.parse(["--models", *options]))
    return code


def put_whisper(models: Path, name: str = "base") -> None:
    (models / name).mkdir(parents=True)
    (models / name / "model.bin").touch()


def test_silent_sources_are_not_asked_again_for_an_hour(
    bootstrap: ModuleType, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(place, 3)
    assert fetch(bootstrap, place) == 0
    assert (place / "asked").read_text() == "-m app.cli models ensure\n"
    assert capsys.readouterr().err == "", "the command says it"
    assert fetch(bootstrap, place) == 0
    assert count_asked(place) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "prompter models pull base, prompter models pull smollm2" in said
    earlier_s = time.time() - bootstrap.ASKED_AGAIN_S - 1
    os.utime(place / "venv" / bootstrap.ASKED, (earlier_s, earlier_s))
    assert fetch(bootstrap, place) == 0
    assert count_asked(place) == 2


def test_without_llama_nothing_is_said_of_a_model_for_it(
    bootstrap: ModuleType, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(place / "venv" / "lib")
    bootstrap.announce(place / "venv", complete=True)
    answer_with(place, 3)
    assert [fetch(bootstrap, place) for _ in range(2)] == [0, 0]
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert "Whisper base" in said
    assert "SmolLM2" not in said
    assert "smollm2" not in said


def test_what_these_settings_do_without_is_asked_for_once(
    bootstrap: ModuleType, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a model service in the settings, the command fetches no language model and ends with 0."""
    put_whisper(place / "models")
    for _ in range(3):
        assert fetch(bootstrap, place) == 0
        bootstrap.announce(place / "venv", complete=True)
    assert count_asked(place) == 1
    assert "SmolLM2" not in capsys.readouterr().err
    (place / ".env").write_text("PROMPTER_LLM__PROVIDER=llama_local\n")
    later_s = time.time() + 5
    os.utime(place / ".env", (later_s, later_s))
    assert fetch(bootstrap, place) == 0
    assert count_asked(place) == 2


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (130, 130)])
def test_only_ctrl_c_keeps_the_server_from_starting(
    bootstrap: ModuleType, place: Path, code: int, expected: int
) -> None:
    answer_with(place, code)
    assert fetch(bootstrap, place) == expected
    assert fetch(bootstrap, place) == expected
    assert count_asked(place) == (1 if code == 0 else 2)


@pytest.mark.parametrize("word", ["light", "offline"])
def test_light_and_offline_fetch_nothing_and_say_so_in_one_line(
    bootstrap: ModuleType, place: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert fetch(bootstrap, place, f"--{word}") == 0
    assert count_asked(place) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{word.upper()}=1: going on without Whisper base and SmolLM2-135M" in said


def test_models_that_are_there_are_seen(bootstrap: ModuleType, place: Path) -> None:
    models = place / "models"
    assert bootstrap.list_missing_models(models) == ["Whisper base", "SmolLM2-135M"]
    put_whisper(models, "whisper-samples")
    put_whisper(models, ".base.part")
    (models / ".base.part" / "x.gguf").touch()
    assert bootstrap.list_missing_models(models) == ["Whisper base", "SmolLM2-135M"]
    put_whisper(models, "tiny.en")
    (models / "tiny.en" / "x.gguf").touch()
    assert bootstrap.list_missing_models(models) == []
    assert fetch(bootstrap, place) == 0
    assert count_asked(place) == 0


@pytest.mark.parametrize(
    "line", ["PROMPTER_MODELS_DIR=elsewhere", "export PROMPTER_MODELS_DIR='elsewhere' # x"]
)
def test_the_models_folder_may_stand_in_dotenv(
    bootstrap: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    assert bootstrap.models_folder() == place / "models"
    (place / ".env").write_text(f"# PROMPTER_MODELS_DIR=no\n{line}\n")
    assert bootstrap.models_folder() == place / "elsewhere"
    monkeypatch.setenv("PROMPTER_MODELS_DIR", str(place / "third"))
    assert bootstrap.models_folder() == place / "third"


def test_the_first_line_says_how_much_is_fetched(
    bootstrap: ModuleType, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(place / "venv" / "lib")
    bootstrap.announce(place / "venv", complete=False)
    said = capsys.readouterr().err
    assert "about 260 MB for Whisper base, SmolLM2-135M, llama.cpp" in said
    assert "LIGHT=1 skips" in said
    assert said.count("\n") == 1
    (place / "venv" / bootstrap.STAMP).touch()
    bootstrap.announce(place / "venv", complete=False)
    assert "llama.cpp; LIGHT=1" in capsys.readouterr().err, "after a light start the packages are there"


def test_the_first_line_of_make_run(checkout: Path) -> None:
    """The command fails here for want of packages; the server would start all the same."""
    done = run(checkout, "--models")
    assert done.returncode == 0
    assert "fetching about 260 MB" in done.stderr.splitlines()[0]


# -- make


def make(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    command = ["make", "-C", str(ROOT), "--no-print-directory", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)


def test_make_without_a_target_lists_them() -> None:
    listed = [line.split()[1] for line in make().stdout.splitlines()]
    assert {"run", "demo", "test", "check", "lint", "format", "clean"} <= set(listed)


def test_make_run_passes_its_choices_on() -> None:
    planned = make("-n", "run", "HOST=127.0.0.2", "PORT=8123", "OFFLINE=1").stdout
    assert 'serve --host "127.0.0.2" --port "8123"' in planned
    assert "--models  --offline" in planned
    assert "--offline" not in make("-n", "run", "OFFLINE=0").stdout
    assert "--models --light" in make("-n", "run", "LIGHT=1").stdout
    assert "--models" in make("-n", "demo").stdout


def test_a_host_that_a_shell_exports_is_not_meant() -> None:
    assert "--host" not in make("-n", "run", HOST="x86_64-linux").stdout


def test_make_without_python_is_one_line() -> None:
    done = make("run", "PYTHON=python-that-is-not-there")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(
        "prompter: no python-that-is-not-there here; install Python 3.11"
    )

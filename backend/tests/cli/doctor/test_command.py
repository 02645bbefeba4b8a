"""`prompter doctor` as a whole: its lines, its JSON and its exit codes; it changes nothing and tells no secret."""

import json
from pathlib import Path

import pytest

from app.bench.target import reserve_port
from app.cli.doctor.command import find_worst
from app.cli.doctor.findings import report_ok, report_problem, report_warning
from tests.support.accounts import PASSWORD
from tests.support.command import get_only_line, run_prompter, run_prompter_process

SECRET = "canary-secret"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An installation with no problem."""
    with reserve_port() as port:
        pass
    return {
        "PROMPTER_DATA_DIR": str(tmp_path / "data"),
        "PROMPTER_MODELS_DIR": str(tmp_path / "models"),
        "PROMPTER_STORAGE__URL": "",
        "PROMPTER_HOST": "127.0.0.1",
        "PROMPTER_PORT": str(port),
        "HF_HUB_CACHE": str(tmp_path / "no-cache"),
        "OPENAI_BASE_URL": "https://models.example/v1",
        "OPENAI_MODEL": "m",
        "OPENAI_API_KEY": SECRET,
        "JWT_SECRET_KEY": SECRET * 4,
    }


def test_an_installation_without_problems(env: dict[str, str], tmp_path: Path) -> None:
    done = run_prompter("doctor", env=env)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("0 problems, ")
    assert all(line.startswith(("ok ", "warning ", " ")) for line in lines[:-1])
    assert any(line.strip().startswith("-> run `prompter models pull base`") for line in lines)
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is created"


def test_a_problem_is_exit_code_1_as_lines_and_as_json(env: dict[str, str]) -> None:
    broken = {
        **env,
        "PROMPTER_HOST": "0.0.0.0",
        "PROMPTER_STORAGE__URL": f"postgresql://a:{SECRET}@127.0.0.1:9/p",
    }
    lines = run_prompter("doctor", env=broken)
    assert lines.returncode == 1
    assert sum(line.startswith("problem ") for line in lines.stdout.splitlines()) == 2
    done = run_prompter("doctor", "--json", env=broken)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["state"] == "problem"
    problems = {each["check"] for each in told["findings"] if each["state"] == "problem"}
    assert problems == {"access", "database"}
    for each in told["findings"]:
        assert set(each) == {"check", "state", "message", "advice"}
        assert bool(each["advice"]) == (each["state"] != "ok")
    assert SECRET not in lines.stdout + lines.stderr + done.stdout + done.stderr


def test_a_setting_that_cannot_be_read_is_exit_code_2(env: dict[str, str]) -> None:
    done = run_prompter_process("doctor", env={**env, "PROMPTER_PORT": "99999999"})
    assert done.returncode == 2
    assert "PROMPTER_PORT" in get_only_line(done.stderr)


def test_a_server_with_accounts_and_content(env: dict[str, str]) -> None:
    """As an operator sets it up: a first look names the missing administrator, the next one finds all in order."""
    settings = {**env, "PROMPTER_ACCOUNTS__MODE": "accounts", "PROMPTER_ALLOWED_HOSTS": "prompter.example"}
    assert run_prompter("db", "upgrade", env=settings).returncode == 0
    first = run_prompter("doctor", env=settings)
    assert first.returncode == 1
    assert "prompter users add NAME --admin" in first.stdout
    run_prompter("users", "add", "ada", "--admin", "--password-stdin", stdin=PASSWORD.encode(), env=settings)
    assert run_prompter("doctor", env=settings).returncode == 0


def test_the_worst_finding_decides() -> None:
    fine, flaw, fault = report_ok("a", "b"), report_warning("a", "b", "c"), report_problem("a", "b", "c")
    assert find_worst([fine]) == "ok"
    assert find_worst([fine, flaw]) == "warning"
    assert find_worst([fault, flaw]) == "problem"

"""`prompter config` prints each setting with its source, and never a secret."""

import json

from tests.conftest import ROOT
from tests.support.command import get_only_line, run_prompter

SECRET = "sk-very-secret"


def test_the_command_prints_lines_for_a_dotenv_file() -> None:
    env = {"PROMPTER_PORT": "8123", "OPENAI_API_KEY": SECRET}
    done = run_prompter("config", env=env)
    assert "PROMPTER_PORT=8123  # environment\n" in done.stdout
    assert SECRET not in done.stdout
    items = json.loads(run_prompter("config", "--json", env=env).stdout)
    assert {"name": "PROMPTER_PORT", "value": "8123", "source": "environment"} in items


def test_the_folders_are_named_with_the_reason() -> None:
    first, second = run_prompter("config").stdout.splitlines()[:2]
    assert first == f"# relative paths start from {ROOT}: the checkout that this program runs from"
    assert second in (f"# there is no {ROOT / '.env'}", f"# settings are read from {ROOT / '.env'}")


def test_a_wrong_setting_is_named_and_not_repeated() -> None:
    done = run_prompter("config", env={"PROMPTER_LIMITS__MESSAGE_BYTES": SECRET})
    assert done.returncode == 2
    assert "PROMPTER_LIMITS__MESSAGE_BYTES" in get_only_line(done.stderr)
    assert SECRET not in done.stderr

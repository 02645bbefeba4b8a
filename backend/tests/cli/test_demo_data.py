"""`prompter demo-data`, as somebody who tries the shop's assistant meets it."""

import os
import stat
from pathlib import Path

import pytest

from app.toolsets.loft.demo_shop import FILE_NAME
from tests.support.command import get_only_line, run_prompter


def test_the_demo_shop_is_made_once(tmp_path: Path) -> None:
    env = {"PROMPTER_DATA_DIR": str(tmp_path / "data")}
    path = tmp_path / "data" / FILE_NAME
    made = run_prompter("demo-data", "loft", env=env)
    assert (made.returncode, made.stdout) == (
        0,
        f"{path} has demo data: 10 customers, 14 orders, 24 products\n",
    )
    assert "loft-chat" in made.stderr
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    again = run_prompter("demo-data", "loft", env=env)
    assert again.returncode == 4
    assert "--force makes it again" in get_only_line(again.stderr)
    path.write_bytes(b"broken")
    assert run_prompter("demo-data", "loft", "--force", env=env).returncode == 0
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [FILE_NAME]


def test_a_real_shop_goes_before(tmp_path: Path) -> None:
    env = {"PROMPTER_DATA_DIR": str(tmp_path), "LOFT_API_URL": "https://shop.example/api"}
    assert "LOFT_API_URL is set" in run_prompter("demo-data", "loft", env=env).stderr


@pytest.mark.skipif(os.name != "posix", reason="a device that is no folder is POSIX's")
def test_a_folder_that_cannot_be_written() -> None:
    failed = run_prompter("demo-data", "loft", env={"PROMPTER_DATA_DIR": "/dev/null/data"})
    assert failed.returncode == 1
    assert "cannot be written: not a directory" in get_only_line(failed.stderr)

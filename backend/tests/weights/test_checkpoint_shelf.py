"""The checkpoints of a server: they come and go, and one look serves all who ask at once."""

import shutil
from pathlib import Path

import anyio
import pytest

from app.core.config import Settings
from app.weights.checkpoint_shelf import CheckpointShelf
from app.weights.checkpoints import Checkpoint, list_checkpoints
from tests.support.checkpoints import make_settings, write_checkpoint


def list_names(shelf: CheckpointShelf) -> tuple[list[str], str | None]:
    return [each.name for each in shelf.checkpoints], shelf.default.name if shelf.default else None


async def test_what_comes_and_goes_is_found_at_the_next_look(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    shelf = CheckpointShelf(settings)
    assert list_names(shelf) == ([], None)
    write_checkpoint(settings.models_dir / ".tiny.part")
    await shelf.refresh()
    assert list_names(shelf) == ([], None), "half of a checkpoint is none"
    (settings.models_dir / ".tiny.part").rename(settings.models_dir / "tiny")
    await shelf.refresh()
    assert list_names(shelf) == (["tiny"], "tiny")
    write_checkpoint(settings.models_dir / "base")
    await shelf.refresh()
    assert list_names(shelf) == (["base", "tiny"], "base")
    shutil.rmtree(settings.models_dir / "base")
    await shelf.refresh()
    assert list_names(shelf) == (["tiny"], "tiny")


async def test_who_asks_during_a_look_shares_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = CheckpointShelf(make_settings(tmp_path))
    looks = 0

    def count(settings: Settings) -> list[Checkpoint]:
        nonlocal looks
        looks += 1
        return list_checkpoints(settings)

    monkeypatch.setattr("app.weights.checkpoint_shelf.list_checkpoints", count)
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(shelf.refresh)
    assert 1 <= looks <= 2

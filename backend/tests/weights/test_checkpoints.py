"""Checkpoints are found where people keep them, and one of them is the default."""

from pathlib import Path

import pytest

from app.weights import checkpoints
from tests.support.checkpoints import FILES, WEIGHTS, list_names, make_settings, write_checkpoint


def test_a_folder_under_models_is_a_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "mine")
    (found,) = checkpoints.list_checkpoints(make_settings(tmp_path))
    assert (found.name, found.path) == ("mine", tmp_path / "models" / "mine")
    assert found.size_bytes == sum(map(len, FILES.values()))
    assert found.multilingual
    assert not found.test_only


@pytest.mark.parametrize(
    ("name", "content", "multilingual"),
    [
        ("vocabulary.json", b'["a", "\\""]', False),
        ("vocabulary.json", b'["a", ""]', True),
        ("vocabulary.txt", b"a\nb\n", False),
        ("vocabulary.txt", b"a\n\nb\n", True),
    ],
)
def test_the_empty_token_tells_a_multilingual_one(
    tmp_path: Path, name: str, content: bytes, multilingual: bool
) -> None:
    files = {key: value for key, value in FILES.items() if key != "vocabulary.json"}
    write_checkpoint(tmp_path / "models" / "mine", {**files, name: content})
    (found,) = checkpoints.list_checkpoints(make_settings(tmp_path))
    assert found.multilingual is multilingual


@pytest.mark.parametrize("missing", FILES)
def test_a_half_filled_folder_is_not_listed(tmp_path: Path, missing: str) -> None:
    write_checkpoint(
        tmp_path / "models" / "base", {name: data for name, data in FILES.items() if name != missing}
    )
    assert list_names(make_settings(tmp_path)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"model.bin": b"version https://git-lfs.github.com/spec/v1\n"},
        {"config.json": b'{"architecture": "translator"}'},
        {"config.json": b"{"},
        {"vocabulary.json": b"\xff"},
    ],
    ids=["pointer instead of weights", "another architecture", "broken config", "broken vocabulary"],
)
def test_what_the_engine_could_not_load_is_not_listed(tmp_path: Path, wrong: dict[str, bytes]) -> None:
    write_checkpoint(tmp_path / "models" / "base", {**FILES, **wrong})
    assert list_names(make_settings(tmp_path)) == []


def test_the_hugging_face_cache_is_searched(tmp_path: Path, cache: Path) -> None:
    for repo in ("Systran--faster-whisper-small", "somebody--whisper-fine-tuned"):
        root = cache / f"models--{repo}"
        write_checkpoint(root / "snapshots" / "old")
        write_checkpoint(root / "snapshots" / "new")
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("new")
    write_checkpoint(
        cache / "models--Systran--faster-whisper-tiny" / "snapshots" / "half", {"config.json": b"{}"}
    )

    settings = make_settings(tmp_path)
    assert list_names(settings) == ["small", "somebody/whisper-fine-tuned"]
    found = checkpoints.find_checkpoint("Systran/faster-whisper-small", settings)
    assert found is not None
    assert found.path.name == "new"


def test_hf_home_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    write_checkpoint(tmp_path / "home" / "hub" / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    assert list_names(make_settings(tmp_path)) == ["base"]


def test_the_models_folder_goes_before_the_cache(tmp_path: Path, cache: Path) -> None:
    write_checkpoint(cache / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    mine = write_checkpoint(tmp_path / "models" / "base")
    (found,) = checkpoints.list_checkpoints(make_settings(tmp_path))
    assert found.path == mine


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        (["tiny", "small", "base"], "base"),
        (["tiny", "small", "base.en"], "small"),
        (["medium", "mine"], "mine"),
        (["whisper-samples"], None),
        (["whisper-samples", "tiny.en"], "tiny.en"),
        ([], None),
    ],
)
def test_the_default_is_the_best_present_and_never_the_test_checkpoint(
    tmp_path: Path, present: list[str], chosen: str | None
) -> None:
    for name in present:
        weights = WEIGHTS * (2 if name == "medium" else 1)
        write_checkpoint(tmp_path / "models" / name, {**FILES, "model.bin": weights})
    found = checkpoints.find_default_checkpoint(make_settings(tmp_path))
    assert (found.name if found else None) == chosen


def test_settings_choose_the_default(tmp_path: Path) -> None:
    elsewhere = write_checkpoint(tmp_path / "elsewhere" / "whisper-samples")
    write_checkpoint(tmp_path / "models" / "base")
    write_checkpoint(tmp_path / "models" / "large-v3")

    for model, path in [
        ("large", tmp_path / "models" / "large-v3"),
        ("Systran/faster-whisper-base", tmp_path / "models" / "base"),
        (str(elsewhere), elsewhere),
    ]:
        settings = make_settings(tmp_path, model)
        found = checkpoints.find_default_checkpoint(settings)
        assert found is not None
        assert found.path == path
        assert found in checkpoints.list_checkpoints(settings)


def test_a_default_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "base")
    assert checkpoints.find_default_checkpoint(make_settings(tmp_path, "small")) is None

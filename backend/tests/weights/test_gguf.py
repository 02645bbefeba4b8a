"""GGUF files on this machine, and the default among them."""

from pathlib import Path

import pytest

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.weights.catalog import SMOLLM2_FILE
from app.weights.gguf import GgufFile, MissingGguf, find_default_gguf, list_gguf, read_gguf


def settings_in(folder: Path, model: str = "") -> Settings:
    llm = LlmSettings(llama_local=LlamaSettings(model=model))
    return Settings(_env_file=None, models_dir=folder / "models", llm=llm)


def place(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF and more")


def test_files_are_found_in_the_models_folder_and_its_folders(tmp_path: Path) -> None:
    place(tmp_path / "models", "b.gguf", "sub/a.gguf", "sub/deep/c.gguf", "notes.txt")
    assert [file.name for file in list_gguf(settings_in(tmp_path))] == ["b", "a"]


def test_parts_encoders_and_hidden_files_are_no_models(tmp_path: Path) -> None:
    place(
        tmp_path / "models", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "mmproj-x.gguf", ".h.gguf"
    )
    assert [file.name for file in list_gguf(settings_in(tmp_path))] == ["big"]


def test_what_does_not_begin_like_a_model_is_none(tmp_path: Path) -> None:
    (tmp_path / "pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1")
    assert read_gguf(tmp_path / "pointer.gguf") is None
    assert read_gguf(tmp_path / "absent.gguf") is None


def test_the_only_file_is_the_default(tmp_path: Path) -> None:
    assert isinstance(find_default_gguf(settings_in(tmp_path)), MissingGguf)
    place(tmp_path / "models", "one.gguf")
    found = find_default_gguf(settings_in(tmp_path))
    assert isinstance(found, GgufFile)
    assert (found.name, found.size_bytes) == ("one", len(b"GGUF and more"))


def test_of_several_files_the_setting_names_the_default(tmp_path: Path) -> None:
    place(tmp_path / "models", "one.gguf", "two.gguf")
    missing = find_default_gguf(settings_in(tmp_path))
    assert isinstance(missing, MissingGguf)
    assert "'one', 'two'" in missing.reason


def test_smollm2_gives_way_to_any_other(tmp_path: Path) -> None:
    place(tmp_path / "models", f"smollm2/{SMOLLM2_FILE}")
    alone = find_default_gguf(settings_in(tmp_path))
    assert isinstance(alone, GgufFile)
    place(tmp_path / "models", "mine.gguf")
    found = find_default_gguf(settings_in(tmp_path))
    assert isinstance(found, GgufFile)
    assert found.name == "mine"


@pytest.mark.parametrize("model", ["two", "two.gguf", "{path}"])
def test_the_setting_is_a_name_or_a_path(tmp_path: Path, model: str) -> None:
    place(tmp_path / "models", "one.gguf", "two.gguf")
    path = tmp_path / "models" / "two.gguf"
    found = find_default_gguf(settings_in(tmp_path, model.format(path=path)))
    assert isinstance(found, GgufFile)
    assert found.path == path


def test_a_setting_that_names_no_file_says_which_there_are(tmp_path: Path) -> None:
    place(tmp_path / "models", "one.gguf")
    missing = find_default_gguf(settings_in(tmp_path, "absent"))
    assert isinstance(missing, MissingGguf)
    assert "'absent'" in missing.reason
    assert "'one'" in missing.reason


def test_a_model_in_parts_needs_all_of_them(tmp_path: Path) -> None:
    place(tmp_path / "models", "big-00001-of-00003.gguf", "big-00003-of-00003.gguf")
    assert list_gguf(settings_in(tmp_path)) == []
    place(tmp_path / "models", "big-00002-of-00003.gguf")
    assert [file.name for file in list_gguf(settings_in(tmp_path))] == ["big"]

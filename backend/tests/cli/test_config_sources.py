"""Each setting is shown with its source, and never a secret."""

from pathlib import Path

import pytest

from app.cli.config_sources import (
    MASK,
    ConnectionRow,
    SettingRow,
    has_database,
    list_model_sources,
    list_settings,
    read_connections,
)
from app.core.config import Settings
from app.storage import model_connections
from app.storage.database import Database
from tests.storage.test_model_connections import new_connection
from tests.support.database import add_user
from tests.support.gguf import write_gguf

SECRET = "sk-very-secret"


def settings(**environ: str) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return Settings(_env_file=None)


def shown(environ: dict[str, str], dotenv: dict[str, str | None] | None = None) -> dict[str, SettingRow]:
    found = list_settings(settings(**environ), environ, dotenv or {})
    return {row.name: row for row in found}


def test_every_setting_has_its_row_and_default() -> None:
    found = shown({})
    assert {row.source for row in found.values()} == {"default"}
    assert found["PROMPTER_PORT"].value == "8000"
    assert found["PROMPTER_INSECURE"].value == "false"
    assert found["PROMPTER_STT__POCKETSPHINX__WORKERS"].value == "0"
    assert found["PROMPTER_LLM__OPENAI_COMPAT__API_KEY"].value == ""
    assert "http://127.0.0.1:1234,http://127.0.0.1:11434" in found["PROMPTER_LLM__ALLOWED_BASE_URLS"].value


def test_the_environment_is_named() -> None:
    found = shown({"PROMPTER_STT__PROVIDER": "cloud_stub", "PROMPTER_VAD": '{"threshold": 0.6}'})
    assert found["PROMPTER_STT__PROVIDER"] == SettingRow(
        "PROMPTER_STT__PROVIDER", "cloud_stub", "environment"
    )
    assert found["PROMPTER_VAD__THRESHOLD"] == SettingRow("PROMPTER_VAD__THRESHOLD", "0.6", "environment")
    assert found["PROMPTER_STT__LANG"].source == "default"


def test_the_alias_of_another_tool_is_named_unless_it_lost() -> None:
    name = "PROMPTER_LLM__OPENAI_COMPAT__MODEL"
    assert shown({"OPENAI_MODEL": "m"})[name] == SettingRow(name, "m", "OPENAI_MODEL in the environment")
    both = {"OPENAI_MODEL": "m", name: "n"}
    assert shown(both)[name] == SettingRow(name, "n", "environment")
    assert shown({}, {"OPENAI_MODEL": "m"})[name].source == "OPENAI_MODEL in .env"


def test_secrets_are_masked() -> None:
    found = shown(
        {
            "OPENAI_API_KEY": SECRET,
            "PROMPTER_STT__OPENAI_COMPAT__API_KEY": SECRET,
            "OPENAI_BASE_URL": f"https://me:{SECRET}@models.example:8443/v1",
        }
    )
    assert SECRET not in repr(found)
    assert found["PROMPTER_LLM__OPENAI_COMPAT__API_KEY"].value == MASK
    assert found["PROMPTER_LLM__OPENAI_COMPAT__BASE_URL"].value == f"https://{MASK}@models.example:8443/v1"


def test_profiles_are_shown_field_by_field_and_their_keys_are_not() -> None:
    start = "PROMPTER_LLM__PROFILES__"
    found = shown(
        {
            f"{start}OPENAI__API_KEY": SECRET,
            f"{start}AZURE__BASE_URL": f"https://me:{SECRET}@x.example/v1?api-version=1&key={SECRET}",
            f"{start}AZURE__MODELS": "a,b",
            "PROMPTER_LLM__MODEL_ALIASES": "gpt-4o=openai/gpt-5,*=azure/a",
        }
    )
    assert SECRET not in repr(found)
    assert found[f"{start}OPENAI__API_KEY"] == SettingRow(f"{start}OPENAI__API_KEY", MASK, "environment")
    assert found[f"{start}AZURE__API_KEY"].value == ""
    assert found[f"{start}AZURE__BASE_URL"].value == f"https://{MASK}@x.example/v1?api-version=1&key={MASK}"
    assert found[f"{start}AZURE__MODELS"].value == "a,b"
    assert f"{start}AZURE__KIND" not in found
    assert found["PROMPTER_LLM__MODEL_ALIASES"].value == "gpt-4o=openai/gpt-5,*=azure/a"
    assert "PROMPTER_LLM__PROFILES" not in shown({})
    assert shown({})["PROMPTER_LLM__MODEL_ALIASES"].value == ""


def test_the_dotenv_file_is_that_of_the_base_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PROMPTER_PORT=8124\n")
    monkeypatch.setattr("app.cli.config_sources.base_folder", lambda: tmp_path)
    found = {row.name: row for row in list_settings(Settings(_env_file=tmp_path / ".env"))}
    assert found["PROMPTER_PORT"] == SettingRow("PROMPTER_PORT", "8124", ".env")


def test_each_model_service_is_named_with_its_source(tmp_path: Path) -> None:
    environ = {
        "PROMPTER_LLM__PROFILES__STUDY__BASE_URL": "http://user:secret@192.168.1.20/v1",
        "PROMPTER_MODELS_DIR": str(tmp_path),
    }
    dotenv: dict[str, str | None] = {"PROMPTER_LLM__PROFILES__STUDY__API_KEY": SECRET}
    write_gguf(tmp_path / "small.gguf", {"general.architecture": "llama"}, {})
    connected = [
        ConnectionRow(owner="ana", name="my.openai", base_url="https://api.openai.com/v1", shared=True)
    ]
    made = settings(**environ, PROMPTER_LLM__PROFILES__STUDY__API_KEY=SECRET)
    found = list_model_sources(made, connected, environ, dotenv)
    assert [(row.name, row.value, row.source) for row in found] == [
        ("model service study", f"http://{MASK}@192.168.1.20/v1", "environment, .env"),
        ("model service llama_local", "small", "file"),
        ("model service my.openai", "https://api.openai.com/v1", "page, ana, shared"),
    ]


def test_no_database_is_made_by_asking(tmp_path: Path) -> None:
    assert not has_database(Settings(_env_file=None, data_dir=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


async def test_what_users_have_connected_is_read(database: Database, storage_settings: Settings) -> None:
    user_id = await add_user(database, "ana")
    connection = new_connection(user_id)
    async with database.write() as session:
        await model_connections.add(session, connection)
    assert has_database(storage_settings)
    assert await read_connections(storage_settings) == [
        ConnectionRow(owner="ana", name="my.openai", base_url=connection.base_url, shared=False)
    ]

"""The settings: names in the environment, precedence, forms of values, and descriptions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from app.core.config import ALIASES, Settings
from app.core.paths import base_folder


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def described(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Name and description of every setting."""
    for name, field in model.model_fields.items():
        entries = [part for part in get_args(field.annotation) if isinstance(part, type)]
        entries = [part for part in entries if issubclass(part, BaseModel)]
        if isinstance(field.default, BaseModel):
            yield from described(type(field.default), (*path, name))
        elif entries:
            yield from described(entries[0], (*path, name))
        else:
            yield ".".join((*path, name)), field.description or ""


def test_the_environment_goes_before_env_files_and_other_tools_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("OPENAI_MODEL=from-file\nPROMPTER_LLM__OPENAI_COMPAT__BASE_URL=http://file/v1\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://alias/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "alias-key")
    monkeypatch.setenv("PROMPTER_LLM__OPENAI_COMPAT__API_KEY", "own-key")
    found = Settings(_env_file=env_file).llm.openai_compat
    assert found.model == "from-file"
    assert found.base_url == "http://file/v1"
    assert found.api_key.get_secret_value() == "own-key"


def test_every_alias_names_a_setting() -> None:
    for path in ALIASES.values():
        value: Any = settings()
        for name in path:
            value = getattr(value, name)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("http://a, http://b,,", ["http://a", "http://b"]), ("", []), ("http://one", ["http://one"])],
)
def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch, text: str, parts: list[str]) -> None:
    monkeypatch.setenv("PROMPTER_ALLOWED_ORIGINS", text)
    monkeypatch.setenv("PROMPTER_LLM__ALLOWED_BASE_URLS", text)
    monkeypatch.setenv("PROMPTER_LLM__PROFILES__MINE__MODELS", text)
    found = settings()
    assert (found.allowed_origins, found.llm.allowed_base_urls) == (parts, parts)
    assert found.llm.profiles["mine"].models == parts


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("allowed_origins", "https://App.Example/", "https://app.example"),
        ("allowed_origins", "http://localhost:5173", "http://localhost:5173"),
        ("allowed_origins", "http://[::1]:5173", "http://[::1]:5173"),
        ("allowed_origins", "app://obsidian.md", "app://obsidian.md"),
        ("allowed_origins", "chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("allowed_origins", "null", "null"),
        ("allowed_hosts", "Box.LAN", "box.lan"),
        ("allowed_hosts", "box.lan:8443", "box.lan"),
        ("allowed_hosts", "fe80::1", "fe80::1"),
        ("allowed_hosts", "[fe80::1]:8443", "fe80::1"),
    ],
)
def test_origins_and_names_are_kept_as_browsers_send_them(name: str, text: str, expected: str) -> None:
    assert getattr(settings(**{name: text}), name) == [expected]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("allowed_origins", text)
            for text in ("*", "https://*.app.example", "app.example", "https://app.example/x")
        ),
        *(
            ("allowed_origins", text)
            for text in ("https://ann:midnight@app.example", "https://app.example?midnight")
        ),
        *(
            ("allowed_hosts", text)
            for text in ("*", "*.lan", "https://box.lan", "box.lan/x", "ann:midnight@box.lan")
        ),
    ],
)
def test_origins_and_names_that_could_never_match_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{name: text})
    (fault,) = refused.value.errors()
    assert "is written as in" in fault["msg"]
    assert "midnight" not in fault["msg"]


@pytest.mark.parametrize(
    "text", ["gpt-4o=lm_studio/qwen, *=echo", '{"gpt-4o": "lm_studio/qwen", "*": "echo"}']
)
def test_aliases_of_models_are_pairs_or_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PROMPTER_LLM__MODEL_ALIASES", text)
    assert settings().llm.model_aliases == {"gpt-4o": "lm_studio/qwen", "*": "echo"}


@pytest.mark.parametrize("name", ["echo", "openai_compat", "a b", "", "x" * 65])
def test_a_profile_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValidationError, match=r"profile"):
        settings(llm={"profiles": {name: {}}})


@pytest.mark.parametrize("url", ["", "postgresql://u:p@host/db", "postgres://host/db"])
def test_a_database_is_postgresql_or_none(url: str) -> None:
    assert settings(storage={"url": url}).storage.url.get_secret_value() == url


@pytest.mark.parametrize(
    "values",
    [
        {"storage": {"url": "mysql://ann:midnight@db/x"}},
        {"llm": {"openai_compat": {"api_key": {"x": "midnight"}}}},
        {"llm": {"profiles": {"mine": "midnight"}}},
        {"accounts": {"jwt_secret_key": ["midnight"]}},
        {"port": "midnight"},
    ],
)
def test_an_error_of_the_settings_repeats_no_value(values: dict[str, Any]) -> None:
    """`uvicorn app.main:app` prints it as it is."""
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert "midnight" not in str(refused.value)
    assert "midnight" not in repr(refused.value)


def test_another_database_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected `postgresql://"):
        settings(storage={"url": "mysql://user:secret@host/db"})


def test_relative_paths_start_at_the_base_folder() -> None:
    found = settings(models_dir="m", tls_cert="cert.pem")
    assert found.models_dir == base_folder() / "m"
    assert found.tls_cert == str(base_folder() / "cert.pem")
    assert found.tls_key == ""


def test_a_description_is_understood_without_the_one_before() -> None:
    for name, description in described(Settings):
        if not name.startswith("assistants."):
            assert description, name
            assert not description.startswith(("the same", "its ", "their ", "instead ")), name

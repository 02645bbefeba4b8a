"""Profiles: what the settings say of each service, and what they lack."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.config import BUILT_IN_LLM_NAMES, Settings
from app.core.errors import MissingConfig
from app.providers.registry import BUILT_IN_LLM, list_llm_registrations
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.profiles import Profile, guess_vendor, is_on_local_network, read_profiles

KEY = "sk-canary-4711"


def settings(**llm: Any) -> Settings:
    return Settings(_env_file=None, llm=llm)


def profile(name: str, **fields: Any) -> Profile:
    return read_profiles(settings(profiles={name: fields}))[name]


def test_there_are_none_by_default() -> None:
    assert read_profiles(settings()) == {}


def test_a_name_that_is_a_kind_needs_nothing_else() -> None:
    ollama = profile("ollama")
    assert (ollama.vendor.name, ollama.problem, ollama.is_discovered) == ("ollama", "", False)
    assert ollama.require_endpoint().base.url == "http://127.0.0.1:11434/v1"
    assert ollama.require_endpoint().reach is Reach.OPERATOR
    cloud = profile("openai", api_key=KEY, model=" gpt-5-mini ", models="gpt-5-mini, o3")
    assert cloud.require_endpoint().base.url == "https://api.openai.com/v1"
    assert (cloud.require_endpoint().api_key, cloud.model, cloud.models) == (
        KEY,
        "gpt-5-mini",
        ("gpt-5-mini", "o3"),
    )


@pytest.mark.parametrize(
    ("name", "fields", "kind"),
    [
        ("study", {"kind": "lm_studio", "base_url": "http://192.168.1.20:1234/v1"}, "lm_studio"),
        ("study", {"base_url": "http://192.168.1.20:1234/v1"}, "other"),
        ("vllm", {"kind": "other", "base_url": "http://gpu.lan:8000/v1"}, "other"),
        ("vllm", {"base_url": "http://gpu.lan:8000/v1"}, "vllm"),
    ],
)
def test_the_kind_is_said_or_is_the_name(name: str, fields: dict[str, Any], kind: str) -> None:
    made = profile(name, **fields)
    assert made.vendor.name == kind
    assert made.require_endpoint().base.url == fields["base_url"]


@pytest.mark.parametrize(
    ("name", "fields", "setting"),
    [
        ("openai", {}, "PROMPTER_LLM__PROFILES__OPENAI__API_KEY"),
        ("openrouter", {}, "PROMPTER_LLM__PROFILES__OPENROUTER__API_KEY"),
        ("mine", {"kind": "openai"}, "PROMPTER_LLM__PROFILES__MINE__API_KEY"),
        ("mine", {}, "PROMPTER_LLM__PROFILES__MINE__BASE_URL"),
        ("mine", {"base_url": "api.example.com"}, "PROMPTER_LLM__PROFILES__MINE__BASE_URL"),
        ("ollama", {"api_key": "sk-\nx"}, "PROMPTER_LLM__PROFILES__OLLAMA__API_KEY"),
    ],
)
def test_what_is_missing_or_wrong_is_named(name: str, fields: dict[str, Any], setting: str) -> None:
    made = profile(name, **fields)
    assert setting in made.problem
    with pytest.raises(MissingConfig, match=setting):
        made.require_endpoint()


def test_a_key_is_shown_nowhere() -> None:
    for fields in ({"api_key": KEY}, {"api_key": f"{KEY}\r\nX: y"}, {"api_key": KEY, "base_url": "ftp://x"}):
        made = profile("openai", **fields)
        assert KEY not in repr(made)
        assert KEY not in made.problem


def test_each_key_belongs_to_its_own_address() -> None:
    made = read_profiles(
        settings(
            profiles={"openai": {"api_key": KEY}, "mine": {"base_url": "https://mine.example/v1"}},
            openai_compat={"base_url": "https://third.example/v1", "api_key": "other-key", "model": "m"},
        )
    )
    keys = {name: each.require_endpoint().api_key for name, each in made.items()}
    assert keys == {"openai": KEY, "mine": "", "openai_compat": "other-key"}


# -- the one that requests may replace


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://127.0.0.1:1234/v1", "lm_studio"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://localhost:8080", "llama_cpp"),
        ("http://localhost:9931/v1", "llama_cpp"),
        ("http://127.0.0.1:8000/v1", "vllm"),
        ("http://192.168.1.20:1234/v1", "other"),
        ("https://api.openai.com.evil.example/v1", "other"),
    ],
)
def test_what_openai_compat_is_told_by_its_address(url: str, kind: str) -> None:
    made = read_profiles(settings(openai_compat={"base_url": url, "api_key": KEY, "model": "m"}))
    assert made["openai_compat"].vendor.name == kind
    assert made["openai_compat"].problem == ""
    assert guess_vendor(parse_base_url(url)).name == kind


def test_openai_compat_that_is_half_there_says_what_is_missing() -> None:
    made = read_profiles(settings(openai_compat={"base_url": "https://api.openai.com/v1"}))["openai_compat"]
    assert "PROMPTER_LLM__OPENAI_COMPAT__API_KEY, PROMPTER_LLM__OPENAI_COMPAT__MODEL" in made.problem


# -- base URLs


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("ollama", "http://localhost:11434/api", "http://localhost:11434/v1"),
        ("ollama", "http://localhost:11434/api/", "http://localhost:11434/v1"),
        ("ollama", "http://localhost:11434", "http://127.0.0.1:11434/v1"),
        ("ollama", "http://box.lan:11434", "http://box.lan:11434"),
        ("lm_studio", "http://box.lan:1234/api/v0", "http://box.lan:1234/v1"),
        ("llama_cpp", "http://127.0.0.1:9931", "http://127.0.0.1:9931/v1"),
        ("openrouter", "https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("other", "https://openwebui.example/api", "https://openwebui.example/api"),
        ("other", "https://api.perplexity.ai", "https://api.perplexity.ai"),
    ],
)
def test_the_address_that_is_meant(name: str, url: str, expected: str) -> None:
    assert profile(name, base_url=url, api_key="k").require_endpoint().base.url == expected


def test_the_operator_may_have_a_query() -> None:
    url = "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2026-01-01"
    base = profile("azure", base_url=url).require_endpoint().base
    assert base.join("/chat/completions") == url


# -- time limits


@pytest.mark.parametrize(
    ("name", "fields", "first_byte_s"),
    [
        ("openai", {"api_key": "k"}, 60),
        ("ollama", {}, 300),
        ("vllm", {"base_url": "https://gpu.example.com/v1"}, 300),
        ("mine", {"base_url": "http://10.0.0.7:5000/v1"}, 300),
        ("mine", {"base_url": "http://localhost:5000/v1"}, 300),
        ("mine", {"base_url": "http://[::1]:5000/v1"}, 300),
        ("mine", {"base_url": "http://tower:5000/v1"}, 300),
        ("mine", {"base_url": "https://mine.example.com/v1"}, 60),
        ("ollama", {"first_byte_timeout_s": 7}, 7),
    ],
)
def test_a_model_that_is_near_may_have_to_be_loaded(
    name: str, fields: dict[str, Any], first_byte_s: float
) -> None:
    assert profile(name, **fields).first_byte_timeout_s == first_byte_s


def test_time_limits_are_its_own_or_the_general_ones() -> None:
    general = settings(connect_timeout_s=3, idle_timeout_s=9, profiles={"ollama": {"idle_timeout_s": 4}})
    made = read_profiles(general)["ollama"]
    assert (made.connect_timeout_s, made.idle_timeout_s) == (3, 4)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("box.local", True),
        ("192.168.0.9", True),
        ("8.8.8.8", False),
        ("a.example", False),
    ],
)
def test_what_is_near(host: str, near: bool) -> None:
    assert is_on_local_network(parse_base_url(f"http://{host}:1/v1")) is near


def test_prompts_stay_where_the_address_is_near_whatever_the_kind() -> None:
    assert profile("ollama").is_local
    assert not profile("ollama", base_url="https://gpu.example.com/v1").is_local
    assert profile("mine", base_url="http://127.0.0.1:5000").is_local
    assert not profile("openai").is_local


# -- names


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ñ", "a.b", "x" * 65])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValidationError, match="expected 1 to 64 letters, digits"):
        settings(profiles={name: {}})


@pytest.mark.parametrize("name", BUILT_IN_LLM_NAMES)
def test_names_of_built_in_providers_are_taken(name: str) -> None:
    with pytest.raises(ValidationError, match=f"a built-in provider is called '{name}'"):
        settings(profiles={name: {}})


def test_the_names_that_are_taken_are_those_of_the_built_in() -> None:
    assert set(BUILT_IN_LLM) <= set(BUILT_IN_LLM_NAMES)


def test_profiles_come_from_a_dotenv_file(tmp_path: Path) -> None:
    """As docs/integrations.md shows it."""
    example = tmp_path / ".env"
    page = (Path(__file__).resolve().parents[4] / "docs" / "integrations.md").read_text(encoding="utf-8")
    block = page.partition("### Profiles")[2].partition("```sh\n")[2].partition("```")[0]
    example.write_text(block)
    made = read_profiles(Settings(_env_file=example))
    assert list(made) == ["openai", "openrouter", "study"]
    assert not any(each.problem for each in made.values())
    assert made["study"].vendor.name == "lm_studio"
    assert made["openrouter"].models == ("qwen/qwen3-32b", "deepseek/deepseek-chat")


# -- as providers


def test_profiles_and_local_servers_are_providers() -> None:
    named = settings(profiles={"openai": {}, "ollama": {}, "study": {"kind": "vllm"}})
    found = list_llm_registrations(named)
    assert list(found)[:2] == ["openai_compat", list(BUILT_IN_LLM)[1]]
    origins = {name: registration.origin for name, registration in found.items()}
    assert {name for name, origin in origins.items() if origin == "settings"} == {"openai", "ollama", "study"}
    assert {name for name, origin in origins.items() if origin == "this machine"} == {
        "lm_studio",
        "llama_cpp",
        "other",
    }


async def test_a_profile_is_built_under_its_name() -> None:
    named = settings(profiles={"openai": {}}, discover=False)
    registration = list_llm_registrations(named)["openai"]
    provider = registration.load()(named)
    assert provider.name == "openai"
    assert provider.type == "cloud"
    status = await provider.status()
    assert status.state == "not_configured"
    assert "PROMPTER_LLM__PROFILES__OPENAI__API_KEY" in status.description
    await provider.aclose()

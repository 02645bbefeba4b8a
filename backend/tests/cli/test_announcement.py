"""What a server says at its start about answers: who gives them, or why nobody does."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.announcement import describe_llama, describe_page
from app.weights.gguf import GgufFile
from tests.fakes.chat_upstream import run_in_background
from tests.support.terminal import FakeTerminal
from tests.support.tiny_llama import write_tiny_llama

pytestmark = pytest.mark.once


@contextlib.contextmanager
def announcing(**settings: str) -> Iterator[FakeTerminal]:
    """A server up to its last line: what it announces about answers lies before."""
    served = FakeTerminal(PROMPTER_STT__PROVIDER="cloud_stub", PROMPTER_LLM__DISCOVER="false", **settings)
    with served.process:
        served.wait_for("speech engine:")
        yield served
        assert served.end(signal.SIGTERM)[0] == 0


def test_it_says_which_model_answers(clean_environment: None) -> None:
    with run_in_background() as upstream:
        model = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
        with announcing(**model) as served:
            assert f"prompts are answered by: 'm' at {upstream.base_url}\n" in served.lines


CLOSED = "http://127.0.0.1:9/v1"
"""Nothing listens there."""


@pytest.mark.parametrize(
    ("settings", "first", "then"),
    [
        (
            {"PROMPTER_LLM__PROVIDER": "scripted", "PROMPTER_LLM__PROFILES__SCRIPTED__KIND": "openai"},
            "prompts are not answered: scripted is chosen (llm.provider) and is not configured",
            "set PROMPTER_LLM__PROFILES__SCRIPTED__API_KEY",
        ),
        (
            {
                "PROMPTER_LLM__PROVIDER": "openai_compat",
                "OPENAI_BASE_URL": CLOSED,
                "OPENAI_MODEL": "scripted",
            },
            f"prompts are not answered: 'scripted' at {CLOSED} is chosen (llm.provider) and is not configured",
            "set PROMPTER_LLM__OPENAI_COMPAT__API_KEY",
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": CLOSED, "OPENAI_MODEL": "m"},
            f"prompts are not answered: 'm' at {CLOSED} is unreachable",
            "127.0.0.1",
        ),
        (
            {
                "OPENAI_API_KEY": "k",
                "OPENAI_BASE_URL": "https://me:secret@models.example/v1",
                "OPENAI_MODEL": "m",
            },
            "prompts are not answered: 'm' at https://********@models.example/v1 is not configured",
            "base_url holds a user name or password; put the key in api_key",
        ),
        (
            {"PROMPTER_LLM__PROVIDER": "nobody"},
            "prompts are not answered: nobody is chosen (llm.provider) and is not configured",
            "no provider has this name; known are",
        ),
    ],
)
def test_it_announces_nobody_who_cannot_answer(
    clean_environment: None, tmp_path: Path, settings: dict[str, str], first: str, then: str
) -> None:
    with announcing(PROMPTER_MODELS_DIR=str(tmp_path), **settings) as served:
        said = "".join(served.lines)
        assert "prompts are answered by" not in said
        place = served.lines.index(f"{first}\n")
        assert then in served.lines[place + 1]


def test_a_model_that_lacks_one_setting_is_not_forgotten(clean_environment: None, tmp_path: Path) -> None:
    """Another one answers, which is not what these settings are for."""
    half = {"OPENAI_BASE_URL": CLOSED, "OPENAI_MODEL": "scripted"}
    with announcing(PROMPTER_MODELS_DIR=str(tmp_path), **half) as served:
        place = served.lines.index("prompts are answered by: echo, which only repeats them\n")
        assert served.lines[place + 1] == (
            f"  not by 'scripted' at {CLOSED}: set PROMPTER_LLM__OPENAI_COMPAT__API_KEY\n"
        )


def test_it_says_that_a_small_model_answers(clean_environment: None, tmp_path: Path) -> None:
    write_tiny_llama(tmp_path / "tiny.gguf")
    served = FakeTerminal(PROMPTER_STT__PROVIDER="cloud_stub", PROMPTER_MODELS_DIR=str(tmp_path))
    with served.process:
        served.wait_for("prompts are answered by: tiny, in llama.cpp on this machine")
        served.wait_for(
            "very small: fine for trying out.*; connect a better one: press .Connect a model. in the page"
        )
        served.wait_for(f"larger GGUF file into {tmp_path}")
        assert served.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(("size_bytes", "is_small"), [(92_000_000, True), (2_500_000_000, False)])
def test_only_a_small_model_is_called_small(tmp_path: Path, size_bytes: int, is_small: bool) -> None:
    file = GgufFile(name="m", path=tmp_path / "m.gguf", size_bytes=size_bytes)
    assert ("very small" in "".join(describe_llama(file, tmp_path))) is is_small


def test_a_missing_web_app_is_told(tmp_path: Path) -> None:
    [line] = describe_page(tmp_path)
    assert "there is no web app: `make web` in the checkout builds it" in line
    (tmp_path / "index.html").touch()
    assert describe_page(tmp_path) == []

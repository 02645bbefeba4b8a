"""The process in which llama.cpp lives: nobody else can use it, and it says nothing of prompts."""

import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from app.core.errors import ContextTooLong
from app.providers.llm.llama.child import LoadOptions, _make_params
from tests.support.llama import MESSAGES, TOOL, Make, get_pid, make_request, read_answer
from tests.support.tiny_llama import SENTENCE


async def test_nobody_else_can_use_it(make: Make) -> None:
    provider = make()
    await provider.complete(make_request())
    process = provider.server.process
    assert process is not None
    base = process.endpoint.base
    assert base.host == "127.0.0.1"
    body = {"messages": MESSAGES}
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"{base.url}/chat/completions", json=body)).status_code == 401
        headers = {"Authorization": f"Bearer {process.endpoint.api_key}", "Origin": "https://example.com"}
        for path in ("", "/slots", "/props", "/v1/models"):
            open_to_all = await client.get(base.origin + path)
            assert open_to_all.status_code in (401, 404), path
        own = await client.get(f"{base.url}/models", headers=headers)
        assert own.headers.get("access-control-allow-origin", "") in ("", "null")
    assert process.endpoint.api_key not in repr(process.endpoint)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_what_llama_says_stays_out_of_the_log_and_holds_no_prompt(
    make: Make, level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    provider = make(log_level=level)
    secret = [{"role": "user", "content": "canary-prompt-4711"}]
    await read_answer(provider, make_request(messages=secret))
    await read_answer(
        provider, make_request(messages=secret, response_format={"type": "json_object"}, tools=[TOOL])
    )
    with pytest.raises(ContextTooLong):
        await read_answer(
            provider, make_request(messages=[{"role": "user", "content": "canary-prompt-4711 " * 2000}])
        )
    key = provider.server.process.endpoint.api_key if provider.server.process else "none"
    await provider.aclose()
    said = "".join(capfd.readouterr())
    assert "canary" not in said
    assert SENTENCE[:15] not in said
    assert key not in said
    assert ("model loaded" in said) is (level == "debug")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT here")
async def test_ctrl_c_is_not_for_it(make: Make) -> None:
    provider = make()
    await provider.complete(make_request())
    os.kill(get_pid(provider), signal.SIGINT)
    assert (await read_answer(provider, make_request()))[0] == SENTENCE
    assert provider.server.process is not None


@pytest.mark.parametrize(("gpu_layers", "parallel", "batch_tokens"), [(0, 2, 64), (0, 65, 65), (20, 2, 2048)])
def test_prompts_are_read_in_small_batches_on_cpu_cores(
    gpu_layers: int, parallel: int, batch_tokens: int
) -> None:
    """A batch goes on after its client has left."""
    options = LoadOptions(
        path=Path("tiny.gguf"),
        name="tiny",
        context_tokens=2048,
        parallel=parallel,
        threads=1,
        gpu_layers=gpu_layers,
        debug=False,
        api_key="none",
    )
    assert _make_params(options).n_batch == batch_tokens

"""llama.cpp on demand: it starts anew when it dies, and models take its place by turns."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import (
    ProviderNotReady,
    UpstreamLoading,
    UpstreamTruncated,
)
from app.providers.base import ChatRequest, Wait
from app.schemas.providers import ProviderState
from tests.support.gguf import write_gguf
from tests.support.llama import ENDLESS, Make, get_pid, is_alive, make_request, read_answer, start_answer
from tests.support.speech_client import wait_until
from tests.support.tiny_llama import SENTENCE, write_tiny_llama


async def test_who_leaves_frees_the_only_place_at_once(make: Make) -> None:
    provider = make(parallel=1, context_tokens=65_536)
    for _ in range(3):
        chunks = await start_answer(provider, make_request(**ENDLESS))
        await chunks.aclose()
        began = time.monotonic()
        assert (await read_answer(provider, make_request()))[0] == SENTENCE
        assert time.monotonic() - began < 1.0


async def test_its_death_is_an_error_and_the_next_prompt_starts_it_anew(make: Make) -> None:
    provider = make(context_tokens=65_536)
    chunks = await start_answer(provider, make_request(**ENDLESS))
    first = get_pid(provider)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(UpstreamTruncated, match="starts anew"):
        async for _ in chunks:
            pass
    assert (await read_answer(provider, make_request()))[0] == SENTENCE
    assert get_pid(provider) != first
    assert not is_alive(first)


async def test_what_dies_again_and_again_is_left_alone_for_a_while(make: Make, tmp_path: Path) -> None:
    write_gguf(tmp_path / "broken.gguf", {"general.architecture": "llama"}, {})
    provider = make(tmp_path)
    for _ in range(3):
        with pytest.raises(ProviderNotReady, match=r"broken\.gguf"):
            await provider.complete(make_request())
    with pytest.raises(ProviderNotReady, match="ended 3 times") as refused:
        await provider.complete(make_request())
    assert refused.value.retry_after_s is not None
    assert 50 < refused.value.retry_after_s <= 60
    assert (await provider.status()).state is ProviderState.UNREACHABLE


async def test_another_model_waits_for_answers_under_way(make: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tiny_llama(tmp_path / f"{name}.gguf")
    provider = make(tmp_path, context_tokens=65_536)
    chunks = await start_answer(provider, make_request("one", **ENDLESS))
    second = asyncio.ensure_future(provider.complete(make_request("two")))
    third = asyncio.ensure_future(provider.complete(make_request("one")))
    for _ in range(50):
        await anext(chunks)
    assert not second.done()
    await chunks.aclose()
    assert (await second)["model"] == "two"
    assert (await third)["model"] == "one", "who asks later for the first model does not pass the second"


async def test_who_waits_learns_for_what(make: Make, tmp_path: Path) -> None:
    """A cold model loads for all who ask for it; then one answer is made at a time; another model comes last."""
    for name in ("one", "two"):
        write_tiny_llama(tmp_path / f"{name}.gguf")
    provider = make(tmp_path, context_tokens=65_536, parallel=1)
    told: dict[str, list[Wait | None]] = {"first": [], "second": [], "third": []}

    def ask(who: str, model: str, **fields: Any) -> ChatRequest:
        return replace(make_request(model, **fields), on_wait=told[who].append)

    chunks = await start_answer(provider, ask("first", "one", **ENDLESS))
    assert told["first"][-1] is None
    assert Wait("loading") in told["first"]
    second = asyncio.ensure_future(provider.complete(ask("second", "one")))
    await wait_until(lambda: told["second"][-1:] == [Wait("queued", 1)])
    third = asyncio.ensure_future(provider.complete(ask("third", "two")))
    await wait_until(lambda: told["third"][-1:] == [Wait("queued", 2)])
    await chunks.aclose()
    await second
    assert told["second"][-1] is None
    assert (await third)["model"] == "two"
    places = list(dict.fromkeys(told["third"]))
    assert places[:2] == [Wait("queued", 2), Wait("queued", 1)]
    assert places[-2:] == [Wait("loading"), None]


async def test_a_model_that_does_not_get_its_turn_says_so(make: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tiny_llama(tmp_path / f"{name}.gguf")
    provider = make(tmp_path, context_tokens=65_536, wait_s=2)
    chunks = await start_answer(provider, make_request("one", **ENDLESS))
    provider._settings.llm.local_first_byte_timeout_s = 0.2
    with pytest.raises(UpstreamLoading, match="'two'") as refused:
        await provider.complete(make_request("two"))
    assert refused.value.retry_after_s
    await anext(chunks)
    await chunks.aclose()


async def test_loading_goes_on_for_whoever_asks_next(make: Make) -> None:
    provider = make()
    asked = asyncio.ensure_future(provider.complete(make_request()))
    await wait_until(lambda: provider.server.loading is not None)
    asked.cancel()
    await asyncio.wait([asked])
    assert provider.server.loading is not None
    await wait_until(lambda: provider.server.process is not None)
    pid = get_pid(provider)
    assert (await read_answer(provider, make_request()))[0] == SENTENCE
    assert get_pid(provider) == pid


@pytest.mark.parametrize("when", ["answering", "loading"])
async def test_it_ends_with_the_server(make: Make, when: str) -> None:
    provider = make(context_tokens=65_536)
    if when == "answering":
        chunks = await start_answer(provider, make_request(**ENDLESS))
        pid = get_pid(provider)
    asked = asyncio.ensure_future(provider.complete(make_request()))
    if when == "loading":
        await wait_until(lambda: provider.server.loading is not None)
    began = time.monotonic()
    await provider.aclose()
    assert time.monotonic() - began < 2.0
    if when == "answering":
        assert not is_alive(pid)
        await chunks.aclose()
    await asyncio.wait([asked])
    assert asked.exception() is not None
    with pytest.raises(ProviderNotReady, match="is stopping"):
        await provider.complete(make_request())

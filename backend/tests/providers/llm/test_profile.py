"""One profile as a provider: its model, its address, and what it says where something is missing."""

from dataclasses import replace

import pytest

from app.core.config import Settings
from app.core.errors import (
    MissingConfig,
    ProviderNotReady,
)
from app.providers.base import ChatMessage, ChatProvider, LlmConfig
from app.providers.llm.profile import ProfileProvider
from app.providers.upstream.addresses import parse_base_url
from app.providers.upstream.profiles import Profile
from app.providers.upstream.vendors import VENDORS, Vendor
from app.schemas.providers import ProviderState
from tests.fakes.upstream import FakeUpstream, chat_reply, json_reply
from tests.support.completions import ask_for_text
from tests.support.upstream_chat import (
    join_text,
    make_request,
    open_chat,
)

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
WHOLE = json_reply(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
)


class _Missing:
    """A local server that is not there."""

    name = "ollama"
    vendor: Vendor = VENDORS["ollama"]
    is_local = True

    async def get_profile(self) -> Profile | None:
        return None


def settings() -> Settings:
    return Settings(_env_file=None)


async def test_a_profile_answers_as_text_and_as_chunks() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        provider = ProfileProvider(settings(), asked._profile)
        assert isinstance(provider, ChatProvider)
        upstream.script.append(chat_reply("Hi", usage=USAGE))
        config = LlmConfig(top_p=0.5, stop=("END",), seed=7)
        answer = await ask_for_text(provider, [ChatMessage("user", "hi")], config)
        assert answer.text == "Hi"
        assert (answer.finish_reason, answer.usage is None, answer.model) == ("stop", False, "tiny")
        sent = upstream.requests[0].json
        assert (sent["model"], sent["top_p"], sent["stop"], sent["seed"]) == ("tiny", 0.5, ["END"], 7)
        await provider.aclose()


async def test_a_profile_without_a_model_takes_the_first_that_is_listed() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, model="") as asked:
        provider = ProfileProvider(settings(), asked._profile)
        assert await provider.models() == ["tiny"]
        upstream.script.append(WHOLE)
        await provider.complete(replace(make_request(), model=""))
        assert upstream.requests[-1].json["model"] == "tiny"
        upstream.models = json_reply({"data": []})
        other = ProfileProvider(settings(), asked._profile)
        with pytest.raises(MissingConfig, match="needs a model"):
            await other.complete(replace(make_request(), model=""))
        await provider.aclose()
        await other.aclose()


async def test_a_base_url_without_its_v1_is_found_out() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        bare = asked._profile.require_endpoint()
        profile = replace(asked._profile, endpoint=replace(bare, base=parse_base_url(upstream.origin)))
        provider = ProfileProvider(settings(), profile)
        assert join_text([chunk async for chunk in provider.stream(make_request())]) == "Hello world"
        assert upstream.requests[-1].path == "/v1/chat/completions"
        await provider.aclose()


async def test_a_server_that_is_not_there_says_how_to_start_it() -> None:
    provider = ProfileProvider(settings(), _Missing())
    assert (provider.name, provider.type) == ("ollama", "local")
    status = await provider.status()
    assert status.state is ProviderState.UNREACHABLE
    assert "ollama serve" in status.description
    assert await provider.models() == []
    with pytest.raises(ProviderNotReady, match="ollama serve"):
        await provider.complete(make_request())
    await provider.aclose()


async def test_a_profile_that_lacks_something_says_what() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, problem="set X__API_KEY") as asked:
        provider = ProfileProvider(settings(), asked._profile)
        assert (await provider.status()).state is ProviderState.NOT_CONFIGURED
        assert await provider.models() == []
        with pytest.raises(MissingConfig, match="set X__API_KEY"):
            await anext(provider.stream(make_request()))
        assert upstream.connections == 0

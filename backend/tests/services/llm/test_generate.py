"""Who answers a prompt, what is sent, and a list that no provider can break."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from app.core.config import LlmSettings, LlmUpstreamSettings, Settings
from app.core.errors import (
    BadRequest,
    EngineFailed,
    NotFound,
    NothingFinalYet,
    ProviderNotReady,
    UnknownProvider,
    UpstreamError,
)
from app.core.security import LOCAL_USER_ID
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, ProviderStatus
from app.providers.registry import Registration
from app.schemas.providers import ProviderState
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.services.llm.generate import Generation, Prompt
from app.services.llm.providers import LlmProviders

HELLO = (ChatMessage("user", "hello"),)
CONFIGURED = LlmUpstreamSettings(base_url="https://api.example/v1", api_key=SecretStr("k"), model="m")


class FakeModel:
    """Says how many messages it was sent, or fails in the way it was made for."""

    name = "fake"
    type = "test"

    def __init__(self, *, fails: Exception | None = None, slow: bool = False, endless: bool = False) -> None:
        self._fails = fails
        self._slow = slow
        self._endless = endless
        self.sent: Sequence[ChatMessage] = ()
        self.closed = False

    async def status(self) -> ProviderStatus:
        if self._fails:
            raise self._fails
        if self._slow:
            await anyio.sleep_forever()
        return ProviderStatus(ProviderState.READY, "a fake")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        self.sent = messages
        try:
            yield LlmChunk("so many: ")
            if self._fails:
                raise self._fails
            while self._endless:
                yield LlmChunk("x" * 1_000_000)
            yield LlmChunk(str(len(messages)), "stop", model="fake-1")
        finally:
            self.closed = True

    async def aclose(self) -> None:
        if self._fails:
            raise self._fails


def fakes(**models: Any) -> dict[str, Registration]:
    """Registrations of these models; an exception instead of one is raised when it is loaded."""

    def loader(model: Any) -> Callable[[], Callable[[Settings], Any]]:
        def load() -> Callable[[Settings], Any]:
            if isinstance(model, Exception):
                raise model
            return lambda _settings: model

        return load

    return {name: Registration(name, loader(model), "fake-package") for name, model in models.items()}


def providers(llm: LlmSettings | None = None, **models: Any) -> LlmProviders:
    settings = Settings(_env_file=None, llm=llm or LlmSettings(discover=False))
    return LlmProviders(settings, fakes(**models) if models else None)


def generation(
    llm: LlmSettings | None = None, transcripts: RecentTranscripts | None = None, **models: Any
) -> Generation:
    return Generation(providers(llm, **models), transcripts or RecentTranscripts(10))


@pytest.mark.parametrize(
    ("llm", "prompt", "expected"),
    [
        (LlmSettings(), Prompt(HELLO), "echo"),
        (LlmSettings(openai_compat=CONFIGURED), Prompt(HELLO), "openai_compat"),
        (
            LlmSettings(openai_compat=LlmUpstreamSettings(base_url="https://a/v1", model="m")),
            Prompt(HELLO),
            "echo",
        ),
        (LlmSettings(openai_compat=CONFIGURED, provider="echo"), Prompt(HELLO), "echo"),
        (LlmSettings(openai_compat=CONFIGURED), Prompt(HELLO, "echo"), "echo"),
        (LlmSettings(), Prompt(HELLO, config=LlmConfig(base_url="https://a/v1")), "openai_compat"),
        (LlmSettings(), Prompt(HELLO, config=LlmConfig(api_key="k")), "openai_compat"),
        (LlmSettings(), Prompt(HELLO, config=LlmConfig(model="m")), "echo"),
    ],
)
async def test_who_answers(llm: LlmSettings, prompt: Prompt, expected: str) -> None:
    assert (await generation(llm).answer(prompt)).provider == expected


async def test_an_unknown_provider_lists_the_known() -> None:
    with pytest.raises(UnknownProvider, match=r"'gpt'; known are echo, .*openai_compat"):
        await generation().answer(Prompt(HELLO, "gpt"))


async def test_a_transcript_is_the_last_user_message_or_the_only_one() -> None:
    model, transcripts = FakeModel(), RecentTranscripts(10)
    dictation = transcripts.begin(SessionLabel(LOCAL_USER_ID, "s1"))
    dictation.append("Good")
    dictation.append("morning")
    service = generation(transcripts=transcripts, fake=model)
    for before in ((), (ChatMessage("system", "be brief"),)):
        answer = await service.answer(Prompt(before, "fake", "s1", LOCAL_USER_ID))
        await answer.whole()
        assert model.sent == [*before, ChatMessage("user", "Good morning")]


async def test_a_transcript_that_is_not_there() -> None:
    transcripts = RecentTranscripts(10)
    transcripts.begin(SessionLabel(LOCAL_USER_ID, "s1"))
    service = generation(transcripts=transcripts)
    with pytest.raises(NothingFinalYet):
        await service.answer(Prompt(HELLO, session_id="s1", owner=LOCAL_USER_ID))
    with pytest.raises(NotFound):
        await service.answer(Prompt((), session_id="s2", owner=LOCAL_USER_ID))


async def test_nothing_to_send() -> None:
    with pytest.raises(BadRequest, match="nothing to send"):
        await generation().answer(Prompt(()))


async def test_a_whole_answer() -> None:
    answer = await generation(fake=FakeModel()).answer(Prompt(HELLO, "fake"))
    await answer.open()
    whole = await answer.whole()
    assert (whole.text, whole.finish_reason, whole.model) == ("so many: 1", "stop", "fake-1")


async def test_closing_an_answer_closes_its_source() -> None:
    model = FakeModel()
    answer = await generation(fake=model).answer(Prompt(HELLO, "fake"))
    await answer.open()
    assert not model.closed
    await answer.aclose()
    assert model.closed


async def test_a_crash_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    answer = await generation(fake=FakeModel(fails=ValueError("hello is the prompt"))).answer(
        Prompt(HELLO, "fake")
    )
    with pytest.raises(EngineFailed, match=r"provider 'fake' failed \(ValueError\)") as caught:
        await answer.whole()
    assert "hello" not in caught.value.message + caplog.text


async def test_an_endless_answer_is_cut() -> None:
    answer = await generation(fake=FakeModel(endless=True)).answer(Prompt(HELLO, "fake"))
    with pytest.raises(UpstreamError, match="over"):
        await answer.whole()
    await answer.aclose()


async def test_a_provider_that_cannot_be_loaded() -> None:
    service = generation(broken=ImportError("no module"))
    with pytest.raises(
        ProviderNotReady, match=r"'broken' of 'fake-package' cannot be loaded \(ImportError\)"
    ):
        await service.answer(Prompt(HELLO, "broken"))


async def test_no_provider_breaks_or_delays_the_list() -> None:
    service = providers(
        good=FakeModel(),
        slow=FakeModel(slow=True),
        slow_too=FakeModel(slow=True),
        crashing=FakeModel(fails=RuntimeError("secret")),
        broken=ImportError("no module"),
    )
    started = time.monotonic()
    listed = {item.name: item for item in await service.listed()}
    assert time.monotonic() - started < 4
    assert {name: item.status.value for name, item in listed.items()} == {
        "good": "ready",
        "slow": "unreachable",
        "slow_too": "unreachable",
        "crashing": "unreachable",
        "broken": "not_installed",
    }
    assert "secret" not in listed["crashing"].description
    await service.aclose()


async def test_the_built_in_ones_are_listed_with_the_default() -> None:
    listed = await providers().listed()
    assert {"openai_compat", "echo"} <= {item.name for item in listed}
    assert [item.name for item in listed if item.default] == ["echo"]

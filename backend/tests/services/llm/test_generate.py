"""Who answers a prompt, what is sent, and a list that no provider can break."""

from collections.abc import Awaitable
from contextlib import nullcontext
from typing import Any
from uuid import UUID

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
from app.core.metrics import Observer
from app.core.security import LOCAL_USER_ID
from app.providers.base import ChatMessage, LlmConfig
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.services.llm.context import ResolvedModel
from app.services.llm.generate import GenerateService, Prompt, TextCompletion, build_body
from app.services.llm.models import ModelCatalog
from tests.fakes.llm_providers import HELLO as HELLO_CHUNKS
from tests.fakes.llm_providers import FakeChat, FakeText, delta, make_providers
from tests.support.completions import TextAnswer, ask_for_text, complete_text

HELLO = (ChatMessage("user", "hello"),)
CONFIGURED = LlmUpstreamSettings(base_url="https://api.example/v1", api_key=SecretStr("k"), model="m")


def make_service(
    llm: LlmSettings | None = None, transcripts: RecentTranscripts | None = None, **models: Any
) -> GenerateService:
    llm_providers, kept = make_providers(llm, **models), transcripts or RecentTranscripts(10)
    settings = Settings(_env_file=None, llm=llm or LlmSettings(discover=False))

    def find_transcript(owner: UUID, session_id: str) -> Awaitable[str]:
        return kept.find(SessionLabel(owner, session_id))

    catalog = ModelCatalog(settings, llm_providers)
    return GenerateService(llm_providers, catalog, Observer(), find_transcript)


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
    assert (await make_service(llm).start(prompt)).provider == expected


async def test_an_unknown_provider_lists_the_known() -> None:
    with pytest.raises(UnknownProvider, match=r"no provider has this name; known are echo, .*openai_compat"):
        await make_service().start(Prompt(HELLO, "gpt"))


async def test_a_transcript_is_the_last_user_message_or_the_only_one() -> None:
    model, transcripts = FakeText(), RecentTranscripts(10)
    dictation = transcripts.begin(SessionLabel(LOCAL_USER_ID, "s1"))
    dictation.append("Good")
    dictation.append("morning")
    service = make_service(transcripts=transcripts, fake=model)
    for before in ((), (ChatMessage("system", "be brief"),)):
        answer = await service.start(Prompt(before, "fake", "s1", LOCAL_USER_ID))
        await answer.text()
        assert model.sent == [*before, ChatMessage("user", "Good morning")]


async def test_a_transcript_that_is_not_there() -> None:
    transcripts = RecentTranscripts(10)
    transcripts.begin(SessionLabel(LOCAL_USER_ID, "s1"))
    service = make_service(transcripts=transcripts)
    with pytest.raises(NothingFinalYet):
        await service.start(Prompt(HELLO, session_id="s1", owner=LOCAL_USER_ID))
    with pytest.raises(NotFound):
        await service.start(Prompt((), session_id="s2", owner=LOCAL_USER_ID))


async def test_nothing_to_send() -> None:
    with pytest.raises(BadRequest, match="nothing to send"):
        await make_service().start(Prompt(()))


async def test_a_whole_answer() -> None:
    answer = await make_service(fake=FakeText()).start(Prompt(HELLO, "fake"))
    text = await answer.text()
    assert (text, answer.finish_reason, answer.model) == ("so many: 1", "stop", "fake-1")


async def test_closing_an_answer_closes_its_source() -> None:
    model = FakeText()
    answer = await make_service(fake=model).start(Prompt(HELLO, "fake"))
    await anext(answer.texts)
    assert not model.closed
    await answer.aclose()
    assert model.closed


async def test_a_crash_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    answer = await make_service(fake=FakeText(fails=ValueError("hello is the prompt"))).start(
        Prompt(HELLO, "fake")
    )
    with pytest.raises(EngineFailed, match=r"provider 'fake' failed \(ValueError\)") as caught:
        await answer.text()
    assert "hello" not in caught.value.message + caplog.text


async def test_an_endless_answer_is_cut() -> None:
    answer = await make_service(fake=FakeText(endless=True)).start(Prompt(HELLO, "fake"))
    with pytest.raises(UpstreamError, match="over"):
        await answer.text()
    await answer.aclose()


async def test_a_provider_that_cannot_be_loaded() -> None:
    service = make_service(broken=ImportError("no module"))
    with pytest.raises(
        ProviderNotReady, match=r"'broken' of 'fake-package' cannot be loaded \(ImportError\)"
    ):
        await service.start(Prompt(HELLO, "broken"))


def test_a_plain_body_holds_what_is_set() -> None:
    body = build_body([ChatMessage("user", "hi")], LlmConfig(temperature=0.0, stop=("END",)))
    assert body == {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.0, "stop": ["END"]}


async def test_the_text_is_that_of_the_first_choice_or_its_refusal() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    script = [
        delta("", role="assistant"),
        {"model": "m-2", "choices": [
            {"index": 1, "delta": {"content": "other"}},
            {"index": 0, "delta": {"content": "", "refusal": "no"}, "finish_reason": "content_filter"},
        ], "usage": counts},
        {"choices": []},
    ]  # fmt: skip
    answer = await ask_for_text(FakeChat(script), HELLO)
    assert answer == TextAnswer(["no"], "content_filter", counts, "m-2")


async def test_an_answer_that_fails_before_its_first_text_is_closed_too() -> None:
    fake = FakeChat([delta("", role="assistant"), UpstreamError("no")])
    answer = complete_text(fake, HELLO)
    with pytest.raises(UpstreamError):
        await anext(answer.texts)
    await answer.aclose()
    assert fake.closed == 1


async def test_an_answer_is_counted_by_how_it_ended() -> None:
    observer = Observer()
    for script, ending in ((HELLO_CHUNKS, None), ([delta("x"), UpstreamError("no")], UpstreamError)):
        model = ResolvedModel(id="fake", provider="fake", chat=FakeChat(script), model="")
        answer = TextCompletion(model, build_body(HELLO, LlmConfig()), observer)
        with pytest.raises(ending) if ending else nullcontext():
            await answer.text()
        await answer.aclose()
    left = TextCompletion(model, build_body(HELLO, LlmConfig()), observer)
    await anext(left.texts)
    await left.aclose()
    lines = observer.render().decode().splitlines()
    for outcome in ("left", "completed", "failed"):
        assert f'prompter_answers_total{{outcome="{outcome}",provider="fake"}} 1.0' in lines

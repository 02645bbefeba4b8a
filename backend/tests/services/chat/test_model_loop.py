"""What the model is asked, and what becomes of its chunks, on both kinds of database."""

from uuid import UUID

import pytest

from app.core.config import Settings
from app.core.errors import (
    BadRequest,
)
from app.services.chat.model_loop import AnswerOptions
from app.storage.database import Database
from tests.fakes.llm_providers import FakeChat, delta, usage
from tests.support.conversations import get_done, get_failed, join_reasoning, join_text, run_chat_services


async def test_thought_is_kept_apart(database: Database, storage_settings: Settings, ana: UUID) -> None:
    script = [delta("", reasoning_content="Let me see."), delta("42"), delta("", finish="stop"), usage(3, 4)]
    async with run_chat_services(database, storage_settings, ana, FakeChat(script)) as chat:
        turn = await chat.send()
        events = await chat.collect_events(turn.assistant.id)
        assert (join_reasoning(events), join_text(events)) == ("Let me see.", "42")
        stored = await chat.load(turn.assistant)
        assert (stored.reasoning, stored.content) == ("Let me see.", "42")


async def test_a_model_that_is_gone_leaves_the_message(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    async with run_chat_services(database, storage_settings, ana, FakeChat()) as chat:
        turn = await chat.send("hello", options=AnswerOptions(model="gone/away"))
        end = get_failed(await chat.collect_events(turn.assistant.id))
        assert end.code == "model_not_found"
        assert "no model of this name" in end.message
        asked, answer = await chat.messages(turn.user.conversation_id)
        assert (asked.content, answer.status, answer.content) == ("hello", "failed", "")
        assert answer.error == {
            "code": "model_not_found",
            "message": end.message,
            "note": {"code": "model_not_found", "params": {}},
        }


async def test_an_answer_that_never_ends_is_cut(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat([delta("x" * 600), delta("x" * 600), None])
    async with run_chat_services(database, storage_settings, ana, model, answer_chars=1000) as chat:
        turn = await chat.send()
        assert get_done(await chat.collect_events(turn.assistant.id)).finish_reason == "length"
        assert model.closed == 1


async def test_what_was_said_before_is_sent_along(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = FakeChat()
    settings = {"temperature": 0.5, "max_tokens": 9}
    async with run_chat_services(database, storage_settings, ana, model, context_messages=3) as chat:
        made = await chat.conversations.create(ana, system_prompt="Be brief.", settings=settings)
        for text in ("one", "two", "three"):
            turn = await chat.answers.send(ana, made.id, text, options=AnswerOptions(temperature=0.0))
            await chat.collect_events(turn.assistant.id)
        body = model.requests[-1].body
        assert [message["content"] for message in body["messages"]] == ["Be brief.", "two", "Hello", "three"]
        assert (body["temperature"], body["max_tokens"], "top_p" in body) == (0.0, 9, False)
        edited = await chat.answers.send(ana, made.id, "uno", parent=None)
        await chat.collect_events(edited.assistant.id)
        assert [message["content"] for message in model.requests[-1].body["messages"]] == ["Be brief.", "uno"]
        again = await chat.answers.answer(ana, made.id, edited.user.id)
        assert join_text(await chat.collect_events(again.id)) == "Hello"
        assert model.requests[-1].body["messages"] == model.requests[-2].body["messages"]
        with pytest.raises(BadRequest):
            await chat.answers.answer(ana, made.id, again.id)

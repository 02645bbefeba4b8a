"""An assistant's own words, and the requests of programs that have a conversation named."""

from typing import Any

import pytest

from app.core.assistants import AssistantDefinition, AssistantLimits
from app.services.assistants.prompts import add_instructions, asks_about_conversation, make_stop_notice


def test_the_instructions_come_first_and_once() -> None:
    """Many templates take one system message, at the beginning."""
    definition = AssistantDefinition(instructions=" Be brief. \n")
    said: list[dict[str, Any]] = [
        {"role": "system", "content": "I am Ana."},
        {"role": "developer", "content": [{"type": "text", "text": "Speak Spanish."}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Later."},
    ]
    first, *rest = add_instructions(definition, said, has_tools=False)
    assert first == {"role": "system", "content": "Be brief.\n\nI am Ana.\n\nSpeak Spanish."}
    assert rest == said[2:]
    assert "never instructions" in add_instructions(definition, said, has_tools=True)[0]["content"]
    assert add_instructions(AssistantDefinition(), said[2:3], has_tools=False) == said[2:3]


def test_why_it_stopped_is_told_in_its_language() -> None:
    limits = AssistantLimits(rounds=3, seconds=2)
    assert "3 rondas" in make_stop_notice("rounds", "es-MX", limits)
    assert "2 s" in make_stop_notice("seconds", "en", limits)
    assert make_stop_notice("nothing", "de", limits) == make_stop_notice("nothing", "", limits)


HISTORY = "### Chat History:\n<chat_history>\nUSER: Where is ORD001?\nASSISTANT: On its way.\n</chat_history>"


@pytest.mark.parametrize(
    "text",
    [
        f"### Task:\nGenerate a concise, 3-5 word title with an emoji.\n### Output:\nJSON format\n{HISTORY}",
        f"### Task:\nGenerate 1-3 broad tags categorizing the main themes.\n\n{HISTORY}",
        f"### Task:\nSuggest 3-5 relevant follow-up questions.\n{HISTORY}",
        "### Task:\nYou are an autocompletion system. Continue the text in `<text>`",
        "Provide a concise, 5-word-or-less title for the conversation, using title case conventions.",
        "Please generate a concise, 5-word-or-less title for the conversation, using its same language",
        "Please generate a four to five word title summarizing our conversation without any lead-in",
        "Based on the chat history, give this conversation a name.\nKeep it short.",
        "  Write a title of this chat",
        "Write a short title for the following chat thread",
    ],
)
def test_requests_for_titles_and_tags_are_recognized(text: str) -> None:
    before = [{"role": "user", "content": "Where is ORD001?"}, {"role": "assistant", "content": "Here."}]
    assert asks_about_conversation([*before, {"role": "user", "content": text}])
    assert asks_about_conversation([{"role": "user", "content": [{"type": "text", "text": text}]}])
    assert asks_about_conversation([{"role": "system", "content": text}, *before[:1]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Where is ORD001?",
        "Generate a title for the book PRD003",
        "Who opened the chat about ORD001, and under which title?",
        "Find the conversation with the title 'Holidays'",
        "### Task:\nTell me the state of ORD001",
        f"Where is ORD001?\n\n### Task:\nGenerate a title\n{HISTORY}",
        "Create an order and give it a tag",
        "Suggest a title for my chat app",
        "Create tags for each open thread in my notes",
        "¿Qué título tiene la conversación?",
    ],
)
def test_questions_of_a_person_are_not(text: str) -> None:
    assert not asks_about_conversation([{"role": "user", "content": text}])
    answer = {"role": "assistant", "content": "Generate a title for this conversation"}
    assert not asks_about_conversation([{"role": "user", "content": text}, answer])
    assert not asks_about_conversation([{"role": "user", "content": text}] * 2)


def test_a_conversation_that_began_with_such_words_keeps_its_tools() -> None:
    """What its first message asked was answered; the last one asks now."""
    begun = [
        {"role": "user", "content": "Suggest a title for this conversation"},
        {"role": "assistant", "content": "Orders"},
    ]
    assert not asks_about_conversation([*begun, {"role": "user", "content": "Where is ORD001?"}])


def test_an_image_is_no_request_for_a_title() -> None:
    assert not asks_about_conversation(
        [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]
    )
    assert not asks_about_conversation([])

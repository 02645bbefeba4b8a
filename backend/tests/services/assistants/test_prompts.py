"""An assistant's own words: the instructions before a conversation, and why an answer stopped."""

from typing import Any

from app.core.assistants import AssistantDefinition, AssistantLimits
from app.services.assistants.prompts import add_instructions, make_stop_notice


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

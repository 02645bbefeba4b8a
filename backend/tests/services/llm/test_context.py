"""A resolved model, bound to the context of one answer where it needs one."""

from uuid import uuid4

from app.core.security import Caller
from app.services.llm.context import ContextualModel, ResolvedModel, RunContext
from tests.fakes.llm_providers import CALL, FakeAssistant, FakeChat

CONTEXT = RunContext(Caller(user_id=uuid4(), name="ada", role="user", via="session"))


def test_a_plain_model_needs_no_context() -> None:
    plain = ResolvedModel(id="fake/tiny", provider="fake", chat=FakeChat(), model="tiny")
    assert not isinstance(plain.chat, ContextualModel)
    assert plain.bind(CONTEXT) is plain


def test_an_assistant_is_bound_to_the_context_of_one_answer() -> None:
    assistant = FakeAssistant()
    model = ResolvedModel(id="bot", provider="bot", chat=assistant, model="")
    bound = model.bind(CONTEXT)
    assert (bound.id, bound.provider, bound.model) == ("bot", "bot", "")
    assert bound.chat is not assistant
    assert model.chat is assistant


def test_a_context_without_a_conversation_drops_what_tools_report_and_asks_nobody() -> None:
    CONTEXT.on_tool_update(CALL)
    assert CONTEXT.request_approval is None
    assert CONTEXT.conversation_id is None

"""A provider that knows only text, seen as one that speaks the chat wire: echo, and most plugins."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from app.core.errors import BadRequest
from app.providers.base import ChatMessage, ChatRequest, LlmConfig, LlmProvider, Role, Usage
from app.services.llm.answer import Answer

_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "assistant": "assistant"}
"""What a text-only provider calls each role; whatever a tool says is said to it, as by the user."""


class TextOnly:
    """The chat wire over `LlmProvider.generate`. Tools are not offered to it; what it cannot do at all is refused."""

    def __init__(self, name: str, provider: LlmProvider) -> None:
        self._name = name
        self._provider = provider

    async def models(self) -> list[str]:
        """None: its name is the only one it is asked by."""
        return []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """The answer's pieces as chunks, `finish_reason` and usage in the last."""
        async with aclosing(self._answer(request)) as answer:
            finish, usage = None, None
            while (chunk := await answer.next()) is not None:
                if chunk.text:
                    yield _chunk({"content": chunk.text}, None)
                finish, usage = chunk.finish_reason or finish, chunk.usage or usage
            last = _chunk({"content": ""}, finish or "stop")
            yield last | {"usage": _counted(usage)} if usage else last

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole answer."""
        async with aclosing(self._answer(request)) as answer:
            whole = await answer.whole()
        message = {"role": "assistant", "content": whole.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": whole.finish_reason}
        return {"choices": [choice], "usage": _counted(whole.usage) if whole.usage else None}

    def _answer(self, request: ChatRequest) -> Answer:
        _refuse_what_it_cannot(self._name, request.body)
        messages = [_message(self._name, at, said) for at, said in enumerate(request.body["messages"])]
        return Answer(self._name, self._provider.generate(messages, _config(request)))


def _config(request: ChatRequest) -> LlmConfig:
    body = request.body
    stop = body.get("stop") or ()
    return LlmConfig(
        model=request.model,
        temperature=body.get("temperature"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        top_p=body.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=body.get("seed"),
    )


def _refuse_what_it_cannot(name: str, body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        raise BadRequest(
            f"`tool_choice`: {name!r} has no tools; leave it out or choose another model", param="tool_choice"
        )
    if body.get("n", 1) > 1:
        raise BadRequest(f"`n`: {name!r} gives one answer; ask for 1, or choose another model", param="n")


def _message(name: str, at: int, said: Mapping[str, Any]) -> ChatMessage:
    content = said.get("content") or ""
    text = content if isinstance(content, str) else "".join(_texts(name, at, content))
    return ChatMessage(_ROLES.get(said["role"], "user"), text)


def _texts(name: str, at: int, parts: list[dict[str, Any]]) -> list[str]:
    texts = []
    for part in parts:
        text = part.get(part["type"]) if part["type"] in ("text", "refusal") else None
        if text is not None and not isinstance(text, str):
            raise BadRequest(f"`{part['type']}` of a part is a text", param=f"messages[{at}].content")
        if part["type"] not in ("text", "refusal"):
            raise BadRequest(
                f"{name!r} reads text alone, no {part['type'][:40]!r}; leave it out or choose another model",
                param=f"messages[{at}].content",
            )
        texts.append(text or "")
    return texts


def _chunk(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}


def _counted(usage: Usage) -> dict[str, Any]:
    return asdict(usage)

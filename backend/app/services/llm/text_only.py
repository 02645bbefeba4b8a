"""The adapter for providers that know only text: echo, and most plugins."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from app.core.errors import BadRequest
from app.providers.agent.messages import replace_surrogates
from app.providers.base import ChatMessage, ChatRequest, LlmConfig, LlmProvider, Role, refuse_spoken_answer
from app.providers.boundary import ProviderBoundary
from app.providers.joining import join_chunks

_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "assistant": "assistant"}
"""What a text-only provider calls each role; it reads what a tool returns as a message of the user."""


class TextOnlyChat:
    """A `ChatProvider` over `LlmProvider.generate`. Tools are dropped; requests for more than text are refused."""

    def __init__(self, name: str, provider: LlmProvider, base_url: str = "", api_key: str = "") -> None:
        self._name = name
        self._provider = provider
        self._base_url = base_url
        self._api_key = api_key

    def bind_upstream(self, base_url: str, api_key: str) -> "TextOnlyChat":
        """As `AddressableProvider.bind_upstream`: a plugin finds both in its `LlmConfig`."""
        return TextOnlyChat(self._name, self._provider, base_url, api_key)

    async def models(self) -> list[str]:
        """None: it is asked for by its provider's name."""
        return []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """The answer's pieces as chunks, `finish_reason` and usage in the last."""
        _check_request(self._name, request.body)
        messages = [_message(self._name, at, message) for at, message in enumerate(request.body["messages"])]
        model, finish, usage = None, None, None
        with ProviderBoundary(self._name, "provider"):
            async with aclosing(self._provider.generate(messages, self._config(request))) as pieces:
                async for piece in pieces:
                    model = piece.model or model
                    finish, usage = piece.finish_reason or finish, piece.usage or usage
                    if piece.text:
                        yield _chunk(model, replace_surrogates(piece.text))
        last = _chunk(model, "", finish or "stop")
        yield last | {"usage": asdict(usage)} if usage else last

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """The whole answer. Raises as `stream` does, and UpstreamError for an answer over `ANSWER_CHARS`."""
        return await join_chunks(self.stream(request), self._name)

    def _config(self, request: ChatRequest) -> LlmConfig:
        body = request.body
        stop = body.get("stop") or ()
        return LlmConfig(
            base_url=self._base_url,
            api_key=self._api_key,
            model=request.model,
            temperature=body.get("temperature"),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            top_p=body.get("top_p"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=body.get("seed"),
        )


def _check_request(name: str, body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        raise BadRequest(
            f"`tool_choice`: {name!r} has no tools; leave it out or choose another model", param="tool_choice"
        )
    if body.get("n", 1) > 1:
        raise BadRequest(f"`n`: {name!r} gives one answer; ask for 1, or choose another model", param="n")
    refuse_spoken_answer(name, body)


def _message(name: str, at: int, message: Mapping[str, Any]) -> ChatMessage:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(_texts(name, at, content))
    return ChatMessage(_ROLES.get(message["role"], "user"), text)


def _texts(name: str, at: int, parts: list[dict[str, Any]]) -> list[str]:
    texts = []
    for part in parts:
        text = part.get(part["type"]) if part["type"] in ("text", "refusal") else None
        if text is not None and not isinstance(text, str):
            raise BadRequest(f"`{part['type']}` of a part is a text", param=f"messages[{at}].content")
        if part["type"] not in ("text", "refusal"):
            raise BadRequest(
                f"{name!r} reads text alone; leave other parts out or choose another model",
                param=f"messages[{at}].content",
            )
        texts.append(text or "")
    return texts


def _chunk(model: str | None, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish_reason}
    return {"choices": [choice], "id": "", "object": "chat.completion.chunk", "created": 0, "model": model}

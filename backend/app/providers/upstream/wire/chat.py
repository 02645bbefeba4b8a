"""OpenAI's chat wire, pure: the body of a request, and the reader of its streamed answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from app.core.errors import UpstreamError
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, Usage
from app.providers.upstream.errors import Private, told


def body_of(messages: Sequence[ChatMessage], config: LlmConfig, model: str) -> dict[str, Any]:
    """The request body for a streamed answer with usage."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [asdict(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if config.temperature is not None:
        body["temperature"] = config.temperature
    if config.max_tokens is not None:
        body["max_tokens"] = config.max_tokens
    return body


def adapted(body: dict[str, Any], detail: str) -> dict[str, Any] | None:
    """The body for an upstream that refused this one with these words, or None where nothing helps."""
    if "stream_options" in body and ("stream_options" in detail or "include_usage" in detail):
        return {key: value for key, value in body.items() if key != "stream_options"}
    if "max_tokens" in body and "max_completion_tokens" in detail:
        # OpenAI's reasoning models know only the new name, most other servers only the old one.
        rest = {key: value for key, value in body.items() if key != "max_tokens"}
        return rest | {"max_completion_tokens": body["max_tokens"]}
    return None


@dataclass(slots=True)
class ChatReader:
    """Reads the events of one answer. Afterwards says how it ended."""

    host: str
    private: Private
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    done: bool = False
    """`[DONE]` was seen: nothing follows."""

    def read_all(self, events: Sequence[bytes]) -> tuple[str, UpstreamError | None]:
        """The text of events that came together, and the failure that ended them: what came before counts."""
        texts: list[str] = []
        for event in events:
            try:
                texts.append(self.read(event))
            except UpstreamError as error:
                return "".join(texts), error
        return "".join(texts), None

    def read(self, event: bytes) -> str:
        """The text that an event adds, often none.

        Raises:
            UpstreamError: it tells of a failure, or is not JSON.
        """
        if event.startswith(b"[DONE]"):
            self.done = True
            return ""
        try:
            data = orjson.loads(event)
        except orjson.JSONDecodeError as error:
            raise UpstreamError(f"the upstream {self.host!r} sent an event that is not JSON") from error
        if not isinstance(data, dict):
            return ""
        if data.get("error") or data.get("object") == "error":
            words = self.private.safe(told(data))
            raise UpstreamError(f"the upstream {self.host!r} failed in the middle of its answer: {words}")
        return self._chunk(data)

    def last(self) -> LlmChunk:
        """The closing chunk, once the body has ended.

        Raises:
            UpstreamError: it ended without saying that it was finished.
        """
        if self.finish_reason is None and not self.done:
            raise UpstreamError(
                f"the upstream {self.host!r} broke off: its answer is incomplete (upstream_truncated)"
            )
        return LlmChunk(finish_reason=self.finish_reason or "stop", usage=self.usage, model=self.model)

    def _chunk(self, data: dict[str, Any]) -> str:
        if isinstance(model := data.get("model"), str) and model:
            self.model = model
        self.usage = _usage(data.get("usage")) or self.usage
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ""
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.finish_reason = reason
        # An upstream that ignores `stream` answers with one whole `message`.
        piece = choice.get("delta") or choice.get("message")
        if not isinstance(piece, dict):
            return ""
        text = piece.get("content") or piece.get("refusal")
        return text if isinstance(text, str) else ""


def _usage(data: Any) -> Usage | None:
    if not isinstance(data, dict):
        return None
    prompt, completion = data.get("prompt_tokens"), data.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    total = data.get("total_tokens")
    return Usage(prompt, completion, total if isinstance(total, int) else prompt + completion)

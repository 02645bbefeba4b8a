"""The model loop of one answer: builds the request, asks the model, and writes what it streams into the buffer."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.config import ChatSettings
from app.core.metrics import Observer
from app.providers.base import ChatRequest, OnWait, ignore_wait
from app.providers.boundary import ProviderBoundary
from app.services.attachments.attachments import Attachments
from app.services.attachments.parts import NO_FILES
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import Checkpointer, CheckpointWriter
from app.services.chat.context import build_context
from app.services.chat.outcome import ModelResult
from app.services.llm.abilities import find_sight
from app.services.llm.completion import estimate_usage, valid_usage
from app.services.llm.context import ResolvedModel, RunContext
from app.services.llm.models import ModelCatalog
from app.storage import conversations, messages
from app.storage.database import Database


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How to ask. None takes the conversation's value, then that of the settings or the model."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerDeps:
    """What every answer needs of the application."""

    settings: ChatSettings
    database: Database
    checkpoints: CheckpointWriter
    catalog: ModelCatalog
    observer: Observer
    attachments: Attachments


@dataclass(frozen=True, slots=True)
class AnswerIds:
    """Whose answer it is, and which messages it joins."""

    user_id: UUID
    conversation_id: UUID
    question_id: UUID
    message_id: UUID
    """The answer itself."""


class ModelLoop:
    """Asks the model once. No database session is open while the model works."""

    def __init__(
        self,
        deps: AnswerDeps,
        ids: AnswerIds,
        options: AnswerOptions,
        buffer: AnswerBuffer,
        checkpoints: Checkpointer,
        on_wait: OnWait = ignore_wait,
    ) -> None:
        self._deps = deps
        self._ids = ids
        self._options = options
        self._buffer = buffer
        self._checkpoints = checkpoints
        self._on_wait = on_wait
        self._choice: ResolvedModel | None = None
        self._messages: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None

    @property
    def provider(self) -> str | None:
        """The provider of the model; None before the model is resolved."""
        return self._choice.provider if self._choice else None

    @property
    def model(self) -> ResolvedModel | None:
        """The model that is asked; None before it is resolved."""
        return self._choice

    @property
    def metrics_label(self) -> str:
        """The provider's name in metrics; empty before the model is resolved."""
        return self._choice.metrics_label if self._choice else ""

    async def run(self, context: RunContext) -> None:
        """Ask the model, and return when it has ended or the answer is as long as it may be.

        Raises:
            NotFound, StorageUnavailable: the conversation cannot be read.
            ModelNotFound, ProviderNotReady: there is no such model, or it cannot be asked.
            UpstreamError, EngineFailed: the model failed.
        """
        async with self._deps.database.read() as session:
            conversation = await conversations.get(session, self._ids.user_id, self._ids.conversation_id)
            branch = await messages.read_branch(
                session,
                self._ids.user_id,
                self._ids.conversation_id,
                self._ids.question_id,
                last=self._deps.settings.context_messages,
            )
        resolved = await self._deps.catalog.resolve(
            self._options.model or conversation.model, self._ids.user_id
        )
        self._choice = choice = resolved.bind(context)
        has_files = any(message.attachments for message in branch)
        sees = await find_sight(resolved) if has_files else None
        self._messages = build_context(
            branch,
            conversation.system_prompt or self._deps.settings.system_prompt,
            last=self._deps.settings.context_messages,
            budget_tokens=self._deps.settings.context_tokens,
            files=await self._deps.attachments.load_parts(branch, sees) if has_files else NO_FILES,
        )
        body = {"messages": self._messages, **self._sampling_fields(conversation.settings)}
        with ProviderBoundary(choice.provider, "provider"):
            await self._stream(choice, ChatRequest(choice.model, body, on_wait=self._on_wait))

    def result(self, *, is_complete: bool) -> ModelResult:
        """The model, its finish reason and its usage, as far as they are known."""
        usage = self._usage
        if usage is None and (self._buffer.chars or is_complete):
            usage = estimate_usage(self._messages, self._buffer.chars)
        return ModelResult(
            model=self._choice.id if self._choice else None,
            provider=self.provider,
            finish_reason=(self._finish_reason or "stop") if is_complete else None,
            usage=usage,
        )

    def _sampling_fields(self, conversation_settings: Mapping[str, Any]) -> dict[str, Any]:
        fields = {}
        for name in ("temperature", "top_p", "max_tokens"):
            value = getattr(self._options, name)
            if value is None:
                value = conversation_settings.get(name)
            if value is not None:
                fields[name] = value
        return fields

    async def _stream(self, choice: ResolvedModel, request: ChatRequest) -> None:
        started_s = time.monotonic()
        is_first = True
        async with aclosing(choice.chat.stream(request)) as chunks:
            async for chunk in chunks:
                self._add_chunk(chunk)
                if is_first:
                    is_first = False
                    self._deps.observer.time_first_token(choice.metrics_label, time.monotonic() - started_s)
                if self._buffer.chars > self._deps.settings.answer_chars:
                    self._finish_reason = "length"
                    break

    def _add_chunk(self, chunk: dict[str, Any]) -> None:
        """Write one chunk into the buffer. Called for every token."""
        added = 0
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if reasoning := delta.get("reasoning_content"):
                added += self._buffer.add_reasoning(reasoning)
            if text := delta.get("content"):
                added += self._buffer.add_text(text)
            if reason := choice.get("finish_reason"):
                self._finish_reason = reason
            break  # the request asks for one answer
        if usage := chunk.get("usage"):
            self._usage = valid_usage(usage) or self._usage
        if added:
            self._checkpoints.note_change()

"""An answer as `/v1/responses` gives it: chunks to OpenAI's events, or to the whole response; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.api.dialects.parts import AnswerPart, PartSequencer, Step
from app.api.dialects.request_fields import INPUT, ChatRequestBody, Json, get_dict, read_count, seal_thoughts
from app.api.sse import encode_event
from app.core.errors import ContextTooLong, PrompterError, UpstreamRateLimited
from app.services.llm.completion import count_chars, estimate_usage, valid_usage

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reason of a chat completion -> why a response is incomplete."""
_ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of a request that come back in its response, and what is told where the request has none."""
_THOUGHTS = "reasoning.encrypted_content"


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What of a request its response depends on."""

    echoed: Mapping[str, Any] = field(repr=False)
    """The fields that come back."""
    request: ChatRequestBody = field(repr=False)
    summarizes: bool
    """Thoughts are sent as summaries, the place where most clients show them; else as reasoning text."""
    seals_thoughts: bool
    """Thoughts are also in `encrypted_content`, for clients that give back nothing else of them."""


def read_response_format(body: Mapping[str, Any], request: ChatRequestBody) -> ResponseFormat:
    """Read how the response must look from a request that has been translated."""
    echoed = {name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()}
    text, reasoning = get_dict(body, "text"), get_dict(body, "reasoning")
    omitted = set(request.tools.omitted)
    tools = [
        tool for tool in body.get("tools") or () if (tool.get("name") or tool.get("type")) not in omitted
    ]
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    return ResponseFormat(
        echoed={
            **echoed,
            "reasoning": {"effort": reasoning.get("effort"), "summary": summary},
            "text": {"format": {"type": "text"}} | text,
            "tools": tools,
        },
        request=request,
        summarizes=bool(summary),
        seals_thoughts=_THOUGHTS in (body.get("include") or ()),
    )


class ResponseWriter:
    """An `AnswerWriter` of Responses events, numbered from 0."""

    def __init__(self, head: Mapping[str, Any], form: ResponseFormat) -> None:
        self._form = form
        self._sequencer = PartSequencer(form.request.call_ids)
        self._id = str(head["id"]).rpartition("-")[2]
        self._number = 0
        self._items: list[Json] = []
        """The items that are done, and the one that is open."""
        self._usage: dict[str, Any] | None = None
        self._written_chars = 0
        self._reason = "stop"
        self._response: Json = {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": head["created"],
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": head["model"],
            "output": [],
            **form.echoed,
            "store": False,
            "usage": None,
        }
        self._has_begun = False

    def write(self, chunk: dict[str, Any]) -> bytes:
        """The events for a chunk; before the first, those that begin a response."""
        opening = self._begin()
        self._usage = valid_usage(chunk.get("usage")) or self._usage
        written = []
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._reason = choice.get("finish_reason") or self._reason
                delta = choice.get("delta") or {}
                self._written_chars += count_chars(delta)
                written += [self._write_step(step) for step in self._sequencer.feed(delta)]
        return b"".join([opening, *written])

    def finish(self) -> bytes:
        opening = self._begin()
        steps = b"".join([self._write_step(step) for step in self._sequencer.finish()])
        response = self._close()
        kind = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        return opening + steps + self._event(kind, response=response)

    def fail(self, error: PrompterError) -> bytes:
        """The response as failed, with what had come of it."""
        known = isinstance(error, ContextTooLong | UpstreamRateLimited)
        told = {"code": error.code if known else "server_error", "message": error.message}
        for item in self._items:
            if item.get("status") == "in_progress":
                item["status"] = "incomplete"
        self._response |= {"status": "failed", "error": told, "output": self._items}
        return self._begin() + self._event("response.failed", response=self._response)

    def make_whole(self, answer: Mapping[str, Any]) -> Json:
        """The response of a whole `chat.completion`, for a request that is not streamed."""
        choice = answer["choices"][0]
        self.write(
            {
                "choices": [{"delta": choice["message"], "finish_reason": choice.get("finish_reason")}],
                "usage": answer.get("usage"),
            }
        )
        for step in self._sequencer.finish():
            self._write_step(step)
        return self._close()

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._event("response.created", response=self._response) + self._event(
            "response.in_progress", response=self._response
        )

    def _close(self) -> Json:
        reason = _INCOMPLETE.get(self._reason)
        usage = self._usage or estimate_usage(self._form.request.body["messages"], self._written_chars)
        self._response |= {
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": self._items,
            "usage": _convert_usage(usage),
        }
        if reason and self._items and "status" in self._items[-1]:
            self._items[-1]["status"] = "incomplete"
        return self._response

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return encode_event(kind, data)

    def _write_step(self, step: Step) -> bytes:
        part = step.part
        if part.kind == "call":
            return self._write_call(step)
        if part.kind == "reasoning":
            return self._write_reasoning(step)
        return self._write_message(step)

    # -- items

    def _open(self, prefix: str, **fields: Any) -> bytes:
        item = {"id": f"{prefix}_{self._id}{len(self._items):02d}", **fields, "status": "in_progress"}
        self._items.append(item)
        return self._event("response.output_item.added", output_index=len(self._items) - 1, item=item)

    def _done(self, **fields: Any) -> bytes:
        item = self._items[-1]
        item |= {"status": "completed", **fields}
        return self._event("response.output_item.done", output_index=len(self._items) - 1, item=item)

    def _tell(self, kind: str, **fields: Any) -> bytes:
        """An event about the item that is open."""
        place = {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}
        return self._event(kind, **place, **fields)

    def _write_message(self, step: Step) -> bytes:
        """Text and refusals: a message each, with one part."""
        is_text = step.part.kind == "text"
        name, at = ("output_text" if is_text else "refusal"), {"content_index": 0}
        more: Json = {"logprobs": []} if is_text else {}
        if step.does == "open":
            opened = self._open("msg", type="message", role="assistant", content=[])
            return opened + self._tell("response.content_part.added", **at, part=_make_part(step.part, ""))
        if step.does == "add":
            return self._tell(f"response.{name}.delta", **at, delta=step.text, **more)
        text = step.part.text
        part = _make_part(step.part, text)
        return (
            self._tell(f"response.{name}.done", **at, **{"text" if is_text else "refusal": text}, **more)
            + self._tell("response.content_part.done", **at, part=part)
            + self._done(content=[part])
        )

    def _write_reasoning(self, step: Step) -> bytes:
        summarizes = self._form.summarizes
        at = {"summary_index" if summarizes else "content_index": 0}
        name = "reasoning_summary_text" if summarizes else "reasoning_text"
        kind = "summary_text" if summarizes else "reasoning_text"
        place = "reasoning_summary_part" if summarizes else "content_part"
        if step.does == "open":
            opened = self._open("rs", type="reasoning", summary=[])
            return opened + self._tell(f"response.{place}.added", **at, part={"type": kind, "text": ""})
        if step.does == "add":
            return self._tell(f"response.{name}.delta", **at, delta=step.text)
        text = step.part.text
        part = {"type": kind, "text": text}
        fields: Json = {"summary" if summarizes else "content": [part]}
        if self._form.seals_thoughts:
            fields["encrypted_content"] = seal_thoughts(text)
        return (
            self._tell(f"response.{name}.done", **at, text=text)
            + self._tell(f"response.{place}.done", **at, part=part)
            + self._done(**fields)
        )

    def _write_call(self, step: Step) -> bytes:
        part = step.part
        if part.name in self._form.request.tools.custom:
            return self._write_custom_call(step)
        if step.does == "open":
            named = self._name_call(part)
            return self._open("fc", type="function_call", call_id=part.call_id, **named, arguments="")
        if step.does == "add":
            return self._tell("response.function_call_arguments.delta", delta=step.text)
        told = self._tell("response.function_call_arguments.done", arguments=part.text)
        return told + self._done(arguments=part.text)

    def _name_call(self, part: AnswerPart) -> Json:
        """The name of the tool, beside that of its namespace where it has one."""
        namespace, name = self._form.request.tools.split(part.name)
        return {"namespace": namespace, "name": name} if namespace else {"name": name}

    def _write_custom_call(self, step: Step) -> bytes:
        """A call of a custom tool. Its text comes when it is whole, out of the arguments of the function."""
        part = step.part
        if step.does == "open":
            named = self._name_call(part)
            return self._open("ctc", type="custom_tool_call", call_id=part.call_id, **named, input="")
        if step.does == "add":
            return b""
        text = _read_custom_input(part.text)
        return (
            self._tell("response.custom_tool_call_input.delta", delta=text)
            + self._tell("response.custom_tool_call_input.done", input=text)
            + self._done(input=text)
        )


def _make_part(part: AnswerPart, text: str) -> Json:
    if part.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _read_custom_input(arguments: str) -> str:
    """The text in the arguments of a custom tool; the arguments themselves where a model has not kept their form."""
    try:
        found = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = found.get(INPUT) if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments


def _convert_usage(usage: Mapping[str, Any]) -> Json:
    read, written = get_dict(usage, "prompt_tokens_details"), get_dict(usage, "completion_tokens_details")
    estimated = {"estimated": True} if usage.get("estimated") else {}
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": read_count(read, "cached_tokens"),
            "cache_write_tokens": 0,
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": read_count(written, "reasoning_tokens")},
        "total_tokens": usage["total_tokens"],
    } | estimated

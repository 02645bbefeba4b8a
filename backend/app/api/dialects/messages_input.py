"""A request for `/v1/messages` as a chat completion: turns to messages, blocks, tools, options, tokens; pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from app.api.dialects.request_fields import (
    ChatRequestBody,
    Json,
    ToolTable,
    get_dict,
    get_str,
    join_parts,
    join_users,
    make_image_part,
    make_text_part,
    read_list,
    read_str,
    remind,
    take_texts,
    unseal_thoughts,
)
from app.core.errors import BadRequest
from app.services.llm.completion import TOKEN_CHARS
from app.services.llm.forwarding import refuse_routing

_BILLING = "x-anthropic-billing-header:"
"""How Claude Code begins a block of `system` that is for its vendor's bills: it changes with each request, so that no
local model could use its cache again."""
SIGNATURE = "prompter"
"""What stands for a vendor's signature of thoughts: clients give it back, and nothing is checked by it."""
_COPIED = ("temperature", "top_p", "top_k")
_HIGHEST = ("xhigh", "max")
"""Efforts that most models do not know."""
_FAILED = ("error", "<tool_use_error")
_IMAGE_TOKENS = 1500
_MESSAGE_TOKENS = 4
_DATA_FIELDS = frozenset({"url", "file_data"})


def read_messages_request(body: Mapping[str, Any]) -> ChatRequestBody:
    """The chat completion that a request asks for.

    Raises:
        BadRequest: it has something that no model here can be given; the message names the place.
    """
    refuse_routing(body, known=("fallbacks",))
    tools = _read_tools(body)
    made: Json = {"messages": _read_conversation(body)}
    made |= {name: body[name] for name in _COPIED if body.get(name) is not None}
    if (limit := body.get("max_tokens")) is not None:
        made["max_tokens"] = limit
    if stop := body.get("stop_sequences"):
        made["stop"] = stop
    made |= _read_output_config(body)
    return ChatRequestBody(made | _read_choice(get_dict(body, "tool_choice"), tools), tools)


def estimate_input_tokens(body: Mapping[str, Any]) -> int:
    """The tokens of a chat completion's messages and tools: four characters each, and as many for every image."""
    messages, tools = body["messages"], body.get("tools") or ()
    chars = sum(len(text) for text in _walk_texts(messages))
    chars += len(orjson.dumps(tools)) if tools else 0
    images = sum(
        1
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] != "text"
    )
    return math.ceil(chars / TOKEN_CHARS) + images * _IMAGE_TOKENS + len(messages) * _MESSAGE_TOKENS


def _walk_texts(value: Any) -> Iterator[str]:
    """Every text inside, without the data of images and files."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _walk_texts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in _DATA_FIELDS:
                yield from _walk_texts(each)


# -- tools and options


def _read_tools(body: Mapping[str, Any]) -> ToolTable:
    table = ToolTable()
    for at, tool in enumerate(body.get("tools") or ()):
        if (kind := get_str(tool, "type")) in ("", "custom"):
            name = read_str(tool, "name", f"tools[{at}]")
            table.add_function(name, tool.get("description"), tool.get("input_schema"), tool.get("strict"))
        else:
            table.omitted.append(get_str(tool, "name") or kind)
    if isinstance(body.get("mcp_servers"), list):
        table.omitted += [
            get_str(each, "name") or "mcp" for each in body["mcp_servers"] if isinstance(each, dict)
        ]
    return table


def _read_choice(choice: Json, tools: ToolTable) -> Json:
    kind = get_str(choice, "type") or "auto"
    words = {"auto": "auto", "any": "required", "none": "none", "tool": "one"}
    if kind not in words:
        raise BadRequest(
            "`tool_choice.type`: expected 'auto', 'any', 'none' or 'tool'", param="tool_choice.type"
        )
    chosen = tools.write_choice(words[kind], name=get_str(choice, "name"))
    if chosen and choice.get("disable_parallel_tool_use") is True:
        chosen["parallel_tool_calls"] = False
    return chosen


def _read_output_config(body: Mapping[str, Any]) -> Json:
    made: Json = {}
    config = get_dict(body, "output_config")
    if effort := get_str(config, "effort"):
        made["reasoning_effort"] = "high" if effort in _HIGHEST else effort
    form = get_dict(config, "format") or get_dict(body, "output_format")
    if get_str(form, "type") == "json_schema" and isinstance(form.get("schema"), dict):
        schema = {"name": "answer", "schema": form["schema"], "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": schema}
    return made


# -- turns


def _read_conversation(body: Mapping[str, Any]) -> list[Json]:
    """The messages; what the system says in front of all others is one of them, as many models' templates want it."""
    system = _read_system(body.get("system"), "system")
    messages: list[Json] = []
    for at, turn in enumerate(body["messages"]):
        role, content, place = turn["role"], turn["content"], f"messages[{at}].content"
        if role == "system" and not messages:
            system += _read_system(content, place)
        elif role == "system":
            messages += [remind(text) for text in _read_system(content, place)]
        elif role == "assistant":
            messages.append(_read_assistant_turn(content, place))
        else:
            messages += _read_user_turn(content, place)
    if not messages:
        raise BadRequest("`messages`: only the system speaks; send a message of a user", param="messages")
    messages = join_users(messages)
    return [{"role": "system", "content": "\n\n".join(system)}, *messages] if system else messages


def _read_system(content: Any, place: str) -> list[str]:
    if content is None or isinstance(content, str):
        return [content] if content else []
    texts = [read_str(block, "text", f"{place}[{at}]") for at, block in enumerate(read_list(content, place))]
    return [text for text in texts if text and not text.startswith(_BILLING)]


def _read_assistant_turn(content: Any, place: str) -> Json:
    """What the assistant thought, said and called. Traces of tools that another service ran itself are left out."""
    texts, thoughts, calls = [], [], []
    blocks = [make_text_part(content)] if isinstance(content, str) else read_list(content, place)
    for at, block in enumerate(blocks):
        kind, here = get_str(block, "type"), f"{place}[{at}]"
        if kind == "text":
            texts.append(read_str(block, "text", here))
        elif kind == "thinking":
            thoughts.append(get_str(block, "thinking") or unseal_thoughts(get_str(block, "signature")))
        elif kind == "tool_use":
            name, call_id = read_str(block, "name", here), read_str(block, "id", here)
            arguments = orjson.dumps(get_dict(block, "input")).decode()
            calls.append(
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            )
    message: Json = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message |= {"content": message["content"] or None, "tool_calls": calls}
    if told := "\n".join(filter(None, thoughts)):
        message["reasoning_content"] = told
    return message


def _read_user_turn(content: Any, place: str) -> list[Json]:
    """The results of tools, each a message of its own right behind the calls, and then what the user says."""
    blocks = [make_text_part(content)] if isinstance(content, str) else read_list(content, place)
    results: list[Json] = []
    system: list[Json] = []
    later: list[Json] = []
    parts: list[Json] = []
    for at, block in enumerate(blocks):
        here = f"{place}[{at}]"
        if get_str(block, "type") == "tool_result":
            call_id = read_str(block, "tool_use_id", here)
            text, others = take_texts(_read_result(block, here))
            results.append({"role": "tool", "tool_call_id": call_id, "content": text})
            if others:
                later += [make_text_part("What a tool has returned:"), *others]
        elif get_str(block, "type") == "mid_conv_system":
            system += [remind(text) for text in _read_system(block.get("content"), f"{here}.content")]
        else:
            parts += _read_block(block, here)
    said = [{"role": "user", "content": join_parts([*later, *parts])}] if later or parts else []
    return [*results, *system, *said]


def _read_result(block: Json, place: str) -> list[Json]:
    content = block.get("content")
    if content is None or isinstance(content, str):
        parts = [make_text_part(content or "")]
    else:
        inside = enumerate(read_list(content, f"{place}.content"))
        parts = [part for at, each in inside for part in _read_block(each, f"{place}.content[{at}]")]
    first = parts[0].get("text", "") if parts else ""
    if block.get("is_error") is True and not first.strip().lower().startswith(_FAILED):
        return [make_text_part("Error:"), *parts]
    return parts


def _read_block(block: Json, place: str) -> list[Json]:
    """What a user or a tool says in one block, in the form of chat completions."""
    kind, source = get_str(block, "type"), get_dict(block, "source")
    if kind == "text":
        return [make_text_part(read_str(block, "text", place))]
    if kind == "image" and get_str(source, "type") == "base64":
        data, media = read_str(source, "data", f"{place}.source"), read_str(source, "media_type", place)
        return [make_image_part(f"data:{media};base64,{data}", place)]
    if kind == "image" and get_str(source, "type") == "url":
        return [make_image_part(read_str(source, "url", f"{place}.source"), place)]
    if kind == "document":
        return _read_document(block, source, place)
    if kind == "search_result":
        head = [make_text_part(f"{get_str(block, 'title')}\n{get_str(block, 'source')}".strip())]
        return head + _read_blocks(block.get("content"), f"{place}.content")
    if kind == "tool_reference":
        return [make_text_part(f"The tool {read_str(block, 'tool_name', place)} is available.")]
    raise BadRequest(
        f"`{place}`: expected a block of the type text, image (base64 or url), document (base64, text or content), "
        "search_result or tool_result; files are not stored here",
        param=place,
    )


def _read_blocks(content: Any, place: str) -> list[Json]:
    if isinstance(content, str):
        return [make_text_part(content)]
    found = enumerate(read_list(content, place))
    return [part for at, block in found for part in _read_block(block, f"{place}[{at}]")]


def _read_document(block: Json, source: Json, place: str) -> list[Json]:
    kind, title = get_str(source, "type"), get_str(block, "title")
    head = [make_text_part(text) for text in (title, get_str(block, "context")) if text]
    if kind == "text":
        return [*head, make_text_part(read_str(source, "data", f"{place}.source"))]
    if kind == "content":
        return head + _read_blocks(source.get("content"), f"{place}.source.content")
    if kind == "base64":
        data, media = read_str(source, "data", f"{place}.source"), read_str(source, "media_type", place)
        file = {"filename": title or "document.pdf", "file_data": f"data:{media};base64,{data}"}
        return [*head[1:], {"type": "file", "file": file}]
    raise BadRequest(
        f"`{place}.source`: expected the type base64, text or content; this server fetches nothing",
        param=f"{place}.source",
    )

"""A request for `/v1/responses` as a chat completion: items to messages, tools, options; pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.api.dialects.request_fields import (
    INPUT,
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
from app.core.errors import BadRequest, PreviousResponseNotFound
from app.services.llm.forwarding import refuse_routing

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_STATEFUL = ("conversation", "prompt")
_COPIED = ("temperature", "top_p", "user", "safety_identifier")
_DETAILS = {"low": "low", "high": "high", "original": "high"}


def read_response_request(body: Mapping[str, Any]) -> ChatRequestBody:
    """The chat completion that a request asks for.

    Raises:
        BadRequest: it has something that no model here can be given; the message names the place.
        PreviousResponseNotFound: it refers to what would have to be stored.
    """
    refuse_routing(body)
    _refuse_state(body)
    tools = ToolTable()
    _read_tools(body.get("tools") or [], "tools", tools)
    messages = _InputReader(tools).read(body)
    made: Json = {"messages": messages}
    made |= {name: body[name] for name in _COPIED if body.get(name) is not None}
    if (limit := body.get("max_output_tokens")) is not None:
        made["max_completion_tokens"] = limit
    made |= _read_text_options(get_dict(body, "text"))
    if effort := get_str(get_dict(body, "reasoning"), "effort"):
        made["reasoning_effort"] = effort
    chosen = _read_choice(body.get("tool_choice"), tools)
    if chosen and body.get("parallel_tool_calls") is False:
        chosen["parallel_tool_calls"] = False
    return ChatRequestBody(made | chosen, tools)


def _refuse_state(body: Mapping[str, Any]) -> None:
    if body.get("previous_response_id") is not None:
        raise PreviousResponseNotFound(
            "no response is stored here, so there is no previous one; send the whole conversation as `input`",
            param="previous_response_id",
        )
    for name in _STATEFUL:
        if body.get(name) is not None:
            raise BadRequest(
                f"`{name}` refers to something stored, and nothing is stored here; send it whole as `input`",
                param=name,
            )
    if body.get("background"):
        raise BadRequest(
            "`background`: an answer is made while its client waits; leave it out", param="background"
        )


# -- tools


def _read_tools(tools: list[Json], place: str, table: ToolTable) -> None:
    for at, tool in enumerate(tools):
        if get_str(tool, "type") == "namespace":
            _read_namespace(tool, f"{place}[{at}]", table)
        else:
            _read_tool(tool, f"{place}[{at}]", table)


def _read_namespace(group: Json, place: str, table: ToolTable) -> None:
    """Offer the tools of a namespace under joined names. What is said of all of them stands in the first one."""
    namespace, about = read_str(group, "name", place), get_str(group, "description")
    tools = [] if group.get("tools") is None else read_list(group["tools"], f"{place}.tools")
    for at, tool in enumerate(tools):
        told = f"(About all tools of {namespace}: {about})" if about and not at else ""
        _read_tool(tool, f"{place}.tools[{at}]", table, namespace=namespace, told=told)


def _read_tool(tool: Json, place: str, table: ToolTable, *, namespace: str = "", told: str = "") -> None:
    """Offer one tool; `told` is for the end of its description."""
    kind = get_str(tool, "type") or "function"
    if kind not in ("function", "custom"):
        table.omitted.append(get_str(tool, "name") or kind)
        return
    name = read_str(tool, "name", place)
    own = _describe_custom(tool) if kind == "custom" else get_str(tool, "description")
    description = "\n\n".join(text for text in (own, told) if text)
    if kind == "custom":
        table.add_custom(name, description, namespace=namespace)
    else:
        strict = tool.get("strict")
        table.add_function(name, description, tool.get("parameters"), strict, namespace=namespace)


def _describe_custom(tool: Json) -> str:
    """What a model is told of a custom tool: a function has no grammar, so the grammar is part of the description."""
    text, form = get_str(tool, "description"), get_dict(tool, "format")
    if get_str(form, "type") != "grammar" or not (grammar := get_str(form, "definition")):
        return text
    told = f"`{INPUT}` must match this grammar ({get_str(form, 'syntax') or 'lark'}):\n{grammar}"
    return f"{text}\n\n{told}" if text else told


def _read_choice(choice: Any, tools: ToolTable) -> Json:
    if choice is None or choice in ("auto", "none", "required"):
        return tools.write_choice(choice or "auto")
    if isinstance(choice, dict):
        kind = get_str(choice, "type")
        if kind == "allowed_tools":
            allowed = read_list(choice.get("tools"), "tool_choice.tools")
            tools.keep(_find_names(allowed, tools))
            return tools.write_choice("required" if choice.get("mode") == "required" else "auto")
        is_callable = kind in ("function", "custom")
        return tools.write_choice("one", name=_find_name(choice, tools) if is_callable else "")
    raise BadRequest(
        "`tool_choice`: expected 'auto', 'none', 'required', a function or custom tool, or allowed_tools",
        param="tool_choice",
    )


def _find_name(named: Json, tools: ToolTable) -> str:
    return tools.join(get_str(named, "namespace"), get_str(named, "name"))


def _find_names(allowed: list[Json], tools: ToolTable) -> set[str]:
    """The names by which tools, and the tools of whole namespaces, are offered."""
    found: set[str] = set()
    for each in allowed:
        is_group = get_str(each, "type") == "namespace"
        found |= tools.find_group(get_str(each, "name")) if is_group else {_find_name(each, tools)}
    return found


# -- options


def _read_text_options(text: Json) -> Json:
    made: Json = {}
    form = get_dict(text, "format")
    kind = get_str(form, "type")
    if kind == "json_schema":
        schema = {name: form[name] for name in ("name", "description", "schema", "strict") if name in form}
        made["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer"} | schema}
    elif kind == "json_object":
        made["response_format"] = {"type": "json_object"}
    if verbosity := get_str(text, "verbosity"):
        made["verbosity"] = verbosity
    return made


# -- items


class _InputReader:
    """Makes messages of items, in order. What an assistant said, thought and called between two others is one message.

    The results of calls stand behind the message with the calls, where models expect them, also if a client has put
    something in between.
    """

    def __init__(self, tools: ToolTable) -> None:
        self._tools = tools
        self._messages: list[Json] = []
        self._assistant: Json | None = None
        """The message that the next item of the assistant goes on with; it is the last one, apart from results."""
        self._results: dict[str, int] = {}
        """Where the result of a call belongs: behind the message at this place."""

    def read(self, body: Mapping[str, Any]) -> list[Json]:
        head = [{"role": "system", "content": text}] if (text := get_str(body, "instructions")) else []
        given = body.get("input")
        if isinstance(given, str):
            return [*head, {"role": "user", "content": given}]
        for at, item in enumerate(read_list(given, "input")):
            self._read_item(item, f"input[{at}]")
        if not self._messages:
            raise BadRequest("`input`: it holds no message; send at least one", param="input")
        return _join_leading_system([*head, *join_users(_place_results(self._messages))])

    def _read_item(self, item: Json, place: str) -> None:
        kind = get_str(item, "type") or ("message" if "role" in item else "")
        if kind == "message":
            self._read_message(item, place)
        elif kind == "reasoning":
            self._add_thoughts(item)
        elif kind == "function_call":
            self._add_call(item, read_str(item, "arguments", place), place)
        elif kind == "custom_tool_call":
            arguments = orjson.dumps({INPUT: read_str(item, "input", place)}).decode()
            self._add_call(item, arguments, place)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._add_result(item, place)
        elif kind == "additional_tools":
            _read_tools(read_list(item.get("tools"), f"{place}.tools"), f"{place}.tools", self._tools)
        elif kind == "item_reference" or not kind:
            raise BadRequest(
                f"`{place}`: expected a whole item with a `type`; nothing is stored here to refer to",
                param=place,
            )
        # What remains are traces of tools that another service ran itself; no model here can read them.

    def _read_message(self, item: Json, place: str) -> None:
        role = _ROLES.get(get_str(item, "role"))
        if role is None:
            raise BadRequest(
                f"`{place}.role`: expected 'user', 'assistant', 'system' or 'developer'",
                param=f"{place}.role",
            )
        parts = _read_parts(item.get("content"), f"{place}.content")
        if role == "assistant":
            message = self._go_on()
            text, _ = take_texts(parts)
            message["content"] = f"{message['content']}\n{text}" if message["content"] else text
            return
        self._assistant = None
        content = join_parts(parts)
        is_late = role != "user" and any(each["role"] in ("user", "assistant") for each in self._messages)
        message = {"role": role, "content": content}
        self._messages.append(remind(content) if is_late and isinstance(content, str) else message)

    def _go_on(self) -> Json:
        """The assistant's message that the next item belongs to."""
        if self._assistant is None:
            self._assistant = {"role": "assistant", "content": None}
            self._messages.append(self._assistant)
        return self._assistant

    def _add_thoughts(self, item: Json) -> None:
        text = unseal_thoughts(get_str(item, "encrypted_content"))
        for name in ("content", "summary"):
            if not text and isinstance(item.get(name), list):
                text = "\n".join(get_str(each, "text") for each in item[name] if isinstance(each, dict))
        if not text:
            return
        if self._assistant is not None and (self._assistant["content"] or "tool_calls" in self._assistant):
            self._assistant = None  # thoughts begin another round of the assistant
        message = self._go_on()
        before = message.get("reasoning_content")
        message["reasoning_content"] = f"{before}\n{text}" if before else text

    def _add_call(self, item: Json, arguments: str, place: str) -> None:
        call_id = read_str(item, "call_id", place)
        name = self._tools.join(get_str(item, "namespace"), read_str(item, "name", place))
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        message = self._go_on()
        message.setdefault("tool_calls", []).append(call)
        self._results[call_id] = len(self._messages) - 1

    def _add_result(self, item: Json, place: str) -> None:
        call_id = read_str(item, "call_id", place)
        if call_id not in self._results:
            raise BadRequest(
                f"`{place}.call_id`: no call in front of it has this id; send the call too", param=place
            )
        text, others = take_texts(_read_parts(item.get("output"), f"{place}.output"))
        result: Json = {"role": "tool", "tool_call_id": call_id, "content": text}
        self._messages.append(result | {"_behind": self._results[call_id]})
        self._assistant = None
        if others:
            told = make_text_part("What a tool has returned:")
            self._messages.append({"role": "user", "content": [told, *others]})


def _place_results(messages: list[Json]) -> list[Json]:
    """Put each result behind the message with its call, and what a user said behind the results."""
    behind: dict[int, list[Json]] = {}
    for message in messages:
        if (place := message.pop("_behind", None)) is not None:
            behind.setdefault(place, []).append(message)
    placed: list[Json] = []
    for at, message in enumerate(messages):
        if message["role"] == "assistant" and "tool_calls" not in message:
            message["content"] = message["content"] or ""  # null is for messages with calls
        if message["role"] != "tool":
            placed += [message, *behind.get(at, ())]
    return placed


def _join_leading_system(messages: list[Json]) -> list[Json]:
    """Make one message of those of the system at the beginning: the templates of many models take one alone."""
    count = next(
        (at for at, message in enumerate(messages) if message["role"] not in ("system", "developer")),
        len(messages),
    )
    texts = [message["content"] for message in messages[:count]]
    if count < 2 or not all(isinstance(text, str) for text in texts):
        return messages
    return [{"role": "system", "content": "\n\n".join(texts)}, *messages[count:]]


def _read_parts(content: Any, place: str) -> list[Json]:
    """The parts of a message or a result in the form of chat completions."""
    if isinstance(content, str):
        return [make_text_part(content)]
    return [_read_part(part, f"{place}[{at}]") for at, part in enumerate(read_list(content, place))]


def _read_part(part: Json, place: str) -> Json:
    kind = get_str(part, "type")
    if kind in _TEXTS:
        return make_text_part(read_str(part, "text", place))
    if kind == "refusal":
        return make_text_part(read_str(part, "refusal", place))
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        return make_image_part(part["image_url"], place, _DETAILS.get(get_str(part, "detail"), ""))
    if kind == "input_file" and isinstance(part.get("file_data"), str):
        return {
            "type": "file",
            "file": {"filename": get_str(part, "filename") or "file", "file_data": part["file_data"]},
        }
    if kind == "input_audio" and (audio := get_dict(part, "input_audio")):
        return {
            "type": "input_audio",
            "input_audio": {name: read_str(audio, name, place) for name in ("data", "format")},
        }
    raise BadRequest(
        f"`{place}`: expected input_text, output_text, an input_image with `image_url`, an input_file with "
        "`file_data`, or input_audio; files are not stored here",
        param=place,
    )

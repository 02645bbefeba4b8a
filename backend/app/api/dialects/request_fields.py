"""Reading of untrusted JSON by the translators: typed fields, content parts, tools; errors name the place alone."""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import BadRequest
from app.services.llm.forwarding import URL_SCHEMES

Json = dict[str, Any]

_SEAL = "prompter-thoughts-1."
"""How an `encrypted_content` of ours begins; what another service made is left alone."""
_NAME_CHARS = 64
"""Longest name of a function, as OpenAI's chat completions have it; many models' servers check it."""
_DIGEST_CHARS = 8
INPUT = "input"
"""The one parameter of a function that stands for a custom tool, whose input is a text."""


def read_str(fields: Mapping[str, Any], name: str, place: str) -> str:
    """A field that must be a text."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"`{place}.{name}`: expected a text", param=f"{place}.{name}")
    return value


def get_str(fields: Mapping[str, Any], name: str) -> str:
    """A field that may be a text; empty where it is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def get_dict(fields: Mapping[str, Any], name: str) -> Json:
    """A field that may be an object; empty where it is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def read_count(fields: Mapping[str, Any], name: str) -> int:
    """A number of tokens; 0 where it is not told."""
    value = fields.get(name)
    return value if type(value) is int and value >= 0 else 0


def read_list(value: Any, place: str) -> list[Json]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadRequest(f"`{place}`: expected a list of objects", param=place)
    return value


def make_text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def make_image_part(url: str, place: str, detail: str = "") -> Json:
    """An image: the upstream may fetch it, this server fetches none.

    Raises:
        BadRequest: it is no URL of the web and holds no data either.
    """
    if not url.strip().lower().startswith(URL_SCHEMES):
        raise BadRequest(
            f"`{place}`: the URL of an image must begin with https://, http:// or data:", param=place
        )
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


def join_parts(parts: Sequence[Json]) -> str | list[Json]:
    """Content of parts: one text where all are text, since many models' templates take nothing else."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return list(parts)


def remind(text: str) -> Json:
    """What the system says later in a conversation: in a user's message, since many models' templates take a message of
    the system at the beginning alone. Coding agents mark such words in this way too."""
    return {"role": "user", "content": f"<system-reminder>\n{text}\n</system-reminder>"}


def join_users(messages: Sequence[Json]) -> list[Json]:
    """Make one message of those of the user that follow each other: many models' templates want turns."""
    joined: list[Json] = []
    for message in messages:
        if message["role"] == "user" and joined and joined[-1]["role"] == "user":
            parts = [*_list_parts(joined[-1]["content"]), *_list_parts(message["content"])]
            joined[-1] = {"role": "user", "content": join_parts(parts)}
        else:
            joined.append(message)
    return joined


def _list_parts(content: str | list[Json]) -> list[Json]:
    return [make_text_part(content)] if isinstance(content, str) else content


def take_texts(parts: Sequence[Json]) -> tuple[str, list[Json]]:
    """The text of a tool's result, and its other parts, which only a user's message can hold."""
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts), [part for part in parts if part["type"] != "text"]


def seal_thoughts(text: str) -> str:
    """Thoughts as a field that a client gives back unread. It is not encrypted: the client has the text anyway."""
    return _SEAL + base64.urlsafe_b64encode(text.encode()).decode("ascii")


def unseal_thoughts(sealed: str) -> str:
    """The thoughts in a field of ours; empty for anything else."""
    if not sealed.startswith(_SEAL):
        return ""
    try:
        return base64.b64decode(sealed[len(_SEAL) :], altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _join_names(namespace: str, name: str) -> str:
    """Both names as one that chat completions allow, such as `mcp__files__read`."""
    joined = re.sub(r"[^A-Za-z0-9_-]", "_", f"{namespace.removesuffix('__')}__{name}")
    return joined if len(joined) <= _NAME_CHARS else _shorten(joined, namespace, name)


def _shorten(joined: str, namespace: str, name: str) -> str:
    """The name with a digest of both, where it is too long or another function's."""
    digest = hashlib.sha256(f"{namespace}\0{name}".encode(errors="replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{joined[: _NAME_CHARS - _DIGEST_CHARS - 1]}_{digest}"


@dataclass(slots=True)
class ToolTable:
    """The tools of a request: those that a model can be offered, and the names of the others."""

    offered: list[Json] = field(default_factory=list)
    """In the form of chat completions."""
    custom: set[str] = field(default_factory=set)
    """Names of those that are custom tools, whose calls bring a text in place of arguments."""
    omitted: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Of the functions that are offered."""
    _groups: dict[str, dict[str, str]] = field(default_factory=dict)
    """By namespace and name the name that a function is offered by."""
    _split: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The reverse."""

    def join(self, namespace: str, name: str) -> str:
        """The name that a function is offered by: chat completions know no namespaces."""
        if not namespace:
            return name
        return self._groups.get(namespace, {}).get(name) or _join_names(namespace, name)

    def split(self, joined: str) -> tuple[str, str]:
        """Namespace and name of a function that was offered; outside of namespaces the first is empty."""
        return self._split.get(joined, ("", joined))

    def find_group(self, namespace: str) -> set[str]:
        """The names by which the functions of a namespace are offered."""
        return set(self._groups.get(namespace, {}).values())

    def add_function(
        self,
        name: str,
        description: Any,
        parameters: Any,
        strict: Any = None,
        *,
        namespace: str = "",
        is_custom: bool = False,
    ) -> None:
        """Add a function, unless there is one of this name."""
        if namespace:
            name = self._join_new(namespace, name)
        if name in self.names:
            return
        self.names.add(name)
        function: Json = {"name": name}
        if isinstance(description, str) and description:
            function["description"] = description
        is_schema = isinstance(parameters, dict)
        function["parameters"] = parameters if is_schema else {"type": "object", "properties": {}}
        if isinstance(strict, bool):
            function["strict"] = strict
        self.offered.append({"type": "function", "function": function})
        if is_custom:
            self.custom.add(name)

    def add_custom(self, name: str, description: str, *, namespace: str = "") -> None:
        """Add a custom tool as a function that takes one text."""
        schema = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
        self.add_function(name, description, schema, namespace=namespace, is_custom=True)

    def _join_new(self, namespace: str, name: str) -> str:
        """The joined name, with a digest where another function has it."""
        joined = self.join(namespace, name)
        if joined in self.names and self._split.get(joined) != (namespace, name):
            joined = _shorten(joined, namespace, name)
        self._groups.setdefault(namespace, {})[name] = joined
        self._split[joined] = (namespace, name)
        return joined

    def keep(self, names: Collection[str]) -> None:
        """Offer only those of these names."""
        self.offered = [tool for tool in self.offered if tool["function"]["name"] in names]
        self.names = self.names & set(names)

    def write_choice(self, choice: str, *, name: str = "") -> Json:
        """The fields of a chat completion for these tools. `choice` is `auto`, `none`, `required`, or `one` of a name.

        Raises:
            BadRequest: a call is demanded, and no tool can be called so.
        """
        is_forced = choice in ("required", "one")
        if is_forced and (not self.offered or (choice == "one" and name not in self.names)):
            raise BadRequest(
                "`tool_choice`: no function of `tools` can be called so here; tools that the vendor runs itself are "
                "left out; name a function, or leave it out",
                param="tool_choice",
            )
        if not self.offered:
            return {}
        told = {"type": "function", "function": {"name": name}} if choice == "one" else choice
        return {"tools": self.offered, "tool_choice": told}


@dataclass(frozen=True, slots=True)
class ChatRequestBody:
    """A request, translated to a chat completion."""

    body: Json = field(repr=False)
    tools: ToolTable = field(repr=False)

    @property
    def call_ids(self) -> set[str]:
        """The ids of all calls in the conversation."""
        return {call["id"] for message in self.body["messages"] for call in message.get("tool_calls") or ()}

"""The documents match the code: settings, messages, errors, routes, fields, commands, links and examples."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
import typer
from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr
from typer.core import TyperCommand, TyperGroup

from app.cli.main import app as command_line
from app.core.assistants import AssistantDefinition
from app.core.config import ALIASES, Settings
from app.core.discard_reasons import DiscardReason
from app.core.endpointing_profiles import EndpointingProfile
from app.core.errors import all_errors
from app.main import create_app
from app.providers.registry import BUILT_IN_LLM, BUILT_IN_STT
from app.schemas import speech_socket
from app.schemas.providers import ProviderState
from app.toolsets.registry import BUILT_IN_TOOLSETS, list_toolset_registrations

ROOT = Path(__file__).resolve().parents[2]
SOCKET = "docs/speech-socket.md"
HTTP = "docs/http-api.md"
SETTINGS_PAGE = "docs/settings.md"
GUIDES = ("usage", "integrations", "assistants", "deployment", "themes")
PAIRS = (
    ("README.md", "README.es.md"),
    *((f"docs/{name}.md", f"docs/es/{name}.md") for name in GUIDES),
)
"""Pages that exist in both languages, English first."""
READMES = PAIRS[0]
ALL_PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *(
            path
            for folder in ("docs", "models", "samples", "scripts", "backend/app", "backend/tests")
            for path in (ROOT / folder).rglob("*.md")
        ),
    )
    if "node_modules" not in path.parts
)


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """The text under one heading, up to the next heading of the same rank or a higher one."""
    rank = len(heading) - len(heading.lstrip("#"))
    begin = re.search(rf"^{re.escape(heading)}$", text_of(page), re.M)
    assert begin, f"{page} has no heading {heading!r}"
    rest = text_of(page)[begin.end() :]
    end = re.search(rf"^#{{1,{rank}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def table_rows(text: str) -> list[list[str]]:
    """The cells of all table rows, headings and rules included."""
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in text.replace("| |", "|  |").splitlines()
        if line.startswith("|")
    ]


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.S | re.M)


# -- settings


def settings_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, str]]:
    """Environment name, default and description of every setting; `NAME` is one that the operator chooses."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from settings_of(type(field.default), (*path, name))
        elif named := nested(field.annotation):
            yield from settings_of(named[0], (*path, name, "NAME"))
        else:
            yield f"PROMPTER_{'__'.join((*path, name)).upper()}", field.default, field.description or ""


def unnamed(setting: str) -> str:
    """A setting of a profile or an assistant as the tables show it."""
    return re.sub(r"(__PROFILES__|__ASSISTANTS__NAMED__)\w+?__", r"\1NAME__", setting)


def as_cell(default: Any) -> str:
    """A default as the tables show it: as one would write it in `.env`; nothing for what is empty."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, bool):
        default = str(default).lower()
    if isinstance(default, list):
        default = ",".join(default)
    if default is None or default == {}:
        default = ""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"`{shown}`" if shown else ""


@pytest.mark.parametrize("page", [SETTINGS_PAGE, SOCKET])
def test_generated_pages_are_up_to_date(page: str) -> None:
    generated = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))["GENERATED"]
    wanted = generated[ROOT / page]().splitlines()
    for number, (line, right) in enumerate(zip_longest(text_of(page).splitlines(), wanted), start=1):
        assert line == right, f"{page}:{number} is out of date; run `make docs`"


def test_the_settings_page_lists_every_setting() -> None:
    """With default and meaning as the code has them, whatever the generator does."""
    rows = {row[0]: row for row in table_rows(text_of(SETTINGS_PAGE)) if len(row) == 4}
    for name, default, meaning in settings_of(Settings):
        row = rows.get(f"`{name}`")
        assert row, f"{SETTINGS_PAGE} lacks {name}"
        assert (row[1], row[3]) == (as_cell(default), meaning), f"{SETTINGS_PAGE}, row {name}"


@pytest.mark.parametrize("alias", ALIASES)
def test_the_settings_page_names_the_aliases(alias: str) -> None:
    assert f"| `{alias}` | `PROMPTER_{'__'.join(ALIASES[alias]).upper()}` |" in text_of(SETTINGS_PAGE)


def test_the_documented_limits_are_settings() -> None:
    """Every `limits.x` of the two tables exists, and every limit is in one of them."""
    fields = set(type(Settings.model_fields["limits"].default).model_fields)
    named = set(re.findall(r"`limits\.(\w+)`", section(SOCKET, "## Limits") + section(HTTP, "## Limits")))
    assert named - fields == set(), "no such settings"
    assert fields - named == set(), f"missing in the tables of limits of {SOCKET} and {HTTP}"


UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "s": 1, "min": 60, "h": 3600, "": 1}


@pytest.mark.parametrize("page", [SOCKET, HTTP])
def test_the_documented_limits_have_their_defaults(page: str) -> None:
    """The first numbers of the second cell are the defaults of the settings in the third, in that order."""
    rows = [row for row in table_rows(section(page, "## Limits")) if len(row) == 4][1:]
    assert len(rows) > 5
    for what, shown, named, _ in rows:
        numbers = re.findall(r"([\d.]+)(?: (KiB|MiB|s|min|h)\b)?", shown)
        for (number, unit), (group, name) in zip(numbers, re.findall(r"`(\w+)\.(\w+)`", named), strict=False):
            default = type(Settings.model_fields[group].default).model_fields[name].default
            assert float(number) * UNITS[unit] == default, f"{page}, Limits, {what!r}: `{group}.{name}`"


@pytest.mark.parametrize("page", ALL_PAGES)
def test_settings_that_pages_name_exist(page: str) -> None:
    """Environment names and dotted names alike; a page cannot promise what nobody reads."""
    names = {name for name, _, _ in settings_of(Settings)}
    others = {"PROMPTER_URL", "PROMPTER_TOKEN", "PROMPTER_CAFILE"}
    for found in re.findall(r"\bPROMPTER_[A-Z_]*[A-Z](?!\w|…|__)", text_of(page)):
        assert unnamed(found) in names | others, f"{page} names {found}"
    groups = "|".join(
        name for name, field in Settings.model_fields.items() if isinstance(field.default, BaseModel)
    )
    for found in re.findall(rf"`((?:{groups})\.[a-z_.]+)`", text_of(page)):
        if found.startswith("chat.completion"):  # what OpenAI calls its objects
            continue
        assert f"PROMPTER_{found.replace('.', '__').upper()}" in names, f"{page} names {found}"


def test_the_example_of_an_env_file_is_valid(tmp_path: Path) -> None:
    """Uncommented, it names real settings alone, and they accept its values."""
    lines = [line.removeprefix("# ") for line in text_of(".env.example").splitlines()]
    example = tmp_path / ".env"
    example.write_text("\n".join(line for line in lines if re.match(r"[A-Z_]+=", line)))
    names = set(dotenv_values(example))
    assert len(names) > 10
    assert {unnamed(name) for name in names} <= {name for name, _, _ in settings_of(Settings)} | set(ALIASES)
    settings = Settings(_env_file=example)
    assert settings.llm.openai_compat.model == dotenv_values(example)["OPENAI_MODEL"]


# -- the socket


def members(union: Any) -> dict[str, type[BaseModel]]:
    """Type on the wire -> model."""
    models = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


MESSAGES = members(speech_socket.ClientMessage)
EVENTS = members(speech_socket.ServerEvent)


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_protocol_describes_every_client_message(kind: str) -> None:
    described = section(SOCKET, f"### `{kind}`")
    for field in fields_of(MESSAGES[kind]):
        assert re.search(rf"`{field}`", described), f"{SOCKET}, `{kind}`: the field `{field}` is missing"


@pytest.mark.parametrize("kind", EVENTS)
def test_the_protocol_describes_every_event(kind: str) -> None:
    described = section(SOCKET, f"### `{kind}`")
    for field in fields_of(EVENTS[kind], {"session_id", "seq"}):
        assert re.search(rf"`{field}`", described), f"{SOCKET}, `{kind}`: the field `{field}` is missing"


def fields_of(model: type[BaseModel], common: set[str] = frozenset()) -> Iterator[str]:  # type: ignore[assignment]
    """The fields of a message by name, those of what it holds with a dot; not `type`."""
    for name, field in model.model_fields.items():
        inner = next((part for part in nested(field.annotation)), None)
        if name != "type" and name not in common and (inner is None or name in ("config", "words")):
            yield name
        if inner is not None and name not in ("endpointing", "words"):
            yield from (f"{name}.{part}" for part in inner.model_fields)


def nested(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in nested(part)]


@pytest.mark.parametrize("kind", [*MESSAGES, *EVENTS])
def test_the_examples_of_messages_are_valid(kind: str) -> None:
    """What the protocol shows under a heading is what the server reads or sends."""
    adapter = speech_socket.client_message if kind in MESSAGES else speech_socket.server_event
    described = section(SOCKET, f"### `{kind}`")
    examples = re.findall(r"^```json\n(.*?)^```$", described, re.S | re.M)
    assert examples
    for example in examples:
        shown = json.loads(example)
        assert shown["type"] == kind
        # What is read and written again is the same: no field was dropped as unknown.
        again = adapter.validate_python(shown).model_dump(exclude_unset=True)
        assert again == shown


def test_every_optional_event_is_named() -> None:
    for kind in get_args(speech_socket.OptionalEvent):
        assert f"`{kind}`" in section(SOCKET, "### `start`"), f"{SOCKET}, start: `{kind}` is missing"


def test_the_table_of_profiles_has_their_silences() -> None:
    """Each endpointing profile with its milliseconds, as the settings have them."""
    endpointing = type(Settings.model_fields["endpointing"].default).model_fields
    default = endpointing["profile"].default
    rows = {row[0]: row[1:] for row in table_rows(section(SOCKET, "## When an utterance ends"))}
    for name in get_args(EndpointingProfile):
        row = rows.get(f"`{name}` (default)" if name == default else f"`{name}`")
        assert row, f"{SOCKET}, When an utterance ends: the profile `{name}` is missing"
        if setting := endpointing.get(f"{name}_ms"):
            wanted = [f"{setting.default} ms", f"`endpointing.{name}_ms`"]
            assert row == wanted, f"{SOCKET}, When an utterance ends: the row of `{name}`"


def test_the_texts_of_the_page_take_the_silences_of_the_profiles_from_the_settings() -> None:
    """Both languages leave the number open: `profileHandsFree: "{{seconds}} s: hands-free"`."""
    endpointing = type(Settings.model_fields["endpointing"].default).model_fields
    with_silence = {name for name in get_args(EndpointingProfile) if f"{name}_ms" in endpointing}
    pages = [ROOT / "frontend" / "src" / "i18n" / f"{language}.ts" for language in ("en", "es")]
    for path in pages:
        found = set()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if shown := re.search(r"\bprofile([A-Z]\w+): \"(.*)\"", line):
                profile = re.sub(r"(?<!^)(?=[A-Z])", "_", shown[1]).lower()
                assert not re.search(r"\d", shown[2]), f"{path.relative_to(ROOT)}:{number} holds a number"
                if "{{seconds}}" in shown[2]:
                    found.add(profile)
        assert found == with_silence, f"{path.relative_to(ROOT)}: profiles with their silence"


def test_every_reason_of_a_discarded_utterance_is_explained() -> None:
    rows = {row[0].strip("`") for row in table_rows(section(SOCKET, "### `utterance_discarded`"))}
    for reason in DiscardReason:
        assert reason in rows, f"{SOCKET}, utterance_discarded: the reason `{reason}` is missing"


# -- errors


def test_every_error_is_listed() -> None:
    """Code, HTTP status and close code, as the classes have them."""
    rows = {row[0]: (row[1], row[2]) for row in table_rows(section(HTTP, "## Errors")) if len(row) == 5}
    wanted = {f"`{cls.code}`": (str(cls.status), str(cls.close_code or "-")) for cls in all_errors()}
    for code, row in wanted.items():
        assert rows.get(code) == row, f"{HTTP}, Errors: the row of {code}"
    listed = {code for code in rows if code.startswith("`")}
    assert listed - set(wanted) == set(), f"{HTTP}, Errors: no such codes"


def test_every_close_code_is_explained() -> None:
    explained = {row[0] for row in table_rows(section(SOCKET, "## Closing"))}
    assert {str(cls.close_code) for cls in all_errors() if cls.close_code} <= explained


def test_codes_that_the_bad_input_table_names_exist() -> None:
    codes = {cls.code for cls in all_errors()} | {"-"}
    rows = [row for row in table_rows(section(SOCKET, "## Bad input")) if len(row) == 5][1:]
    assert len(rows) > 50
    assert {row[3].strip("`") for row in rows} <= codes
    assert len({row[0] for row in rows}) == len(rows)


# -- HTTP and providers


def route_rows() -> dict[str, tuple[str, list[str]]]:
    """Route -> what it answers with and the anchors of its chapters, from the table of routes."""
    rows = [row for row in table_rows(section(HTTP, "## Routes")) if len(row) == 3]
    return {
        row[0].strip("`"): (row[1], re.findall(r"\(#([^)]+)\)", row[2]))
        for row in rows
        if row[0].startswith("`")
    }


@cache
def schema() -> dict[str, Any]:
    return create_app(Settings(_env_file=None)).openapi()


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
    }


def fields_in(part: dict[str, Any], path: str = "", seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every field of a schema, those of nested objects with a dot."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from fields_in(schema()["components"]["schemas"][name], path, seen | {name})
    for choice in (*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())):
        yield from fields_in(choice, path, seen)
    if "items" in part:
        yield from fields_in(part["items"], path, seen)
    for name, inner in part.get("properties", {}).items():
        yield f"{path}{name}"
        yield from fields_in(inner, f"{path}{name}.", seen)


def fields_of_route(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a field is, and its name: parameters but those of the path, bodies, and successful answers."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "path":
            yield "header" if parameter["in"] == "header" else "parameter", parameter["name"]
    answers = [("answer", made) for status, made in operation["responses"].items() if status.startswith("2")]
    for place, made in (("body", operation.get("requestBody", {})), *answers):
        for content in made.get("content", {}).values():
            for field in dict.fromkeys(fields_in(content.get("schema", {}))):
                yield place, field


def chapters() -> dict[str, str]:
    return {
        slug(title): section(HTTP, f"## {title}") for title in re.findall(r"^## (.*)$", text_of(HTTP), re.M)
    }


def test_every_route_is_listed() -> None:
    for route in operations():
        assert route in route_rows(), f"{HTTP}, Routes: `{route}` is missing"


def test_every_listed_get_route_answers(server: str) -> None:
    """A GET that is listed is no 404."""
    listed = [route for route in route_rows() if route.startswith("GET ")]
    listed = [
        route for route in listed if "_id}" not in route.replace("{model_id}", "")
    ]  # nothing has that id
    assert len(listed) > 5
    with httpx2.Client(trust_env=False, timeout=20) as client:
        paths = {route: route.removeprefix("GET ").replace("{model_id}", "echo") for route in listed}
        answers = {route: client.get(server + path).status_code for route, path in paths.items()}
    assert {status for route, status in answers.items() if route != "GET /health/ready"} == {200}
    assert answers["GET /health/ready"] in (200, 503)


def described_fields(chapter: str) -> set[str]:
    """What stands in the first cells of the tables of fields and parameters of a chapter."""
    tables = re.findall(r"^\| (?:field|parameter) \|.*\n\|[-|]+\n((?:\|.*\n)+)", chapter, re.M)
    return {name for row in table_rows("".join(tables)) for name in re.findall(r"`([\w.-]+)`", row[0])}


@pytest.mark.parametrize("route", operations())
def test_every_field_of_a_route_is_described(route: str) -> None:
    """A field has a row in a table of a chapter that the table of routes names; a nested one may share its parent's."""
    anchors = route_rows()[route][1]
    text = "\n".join(chapters()[anchor] for anchor in anchors)
    described = described_fields(text)
    parents = {name.partition(".")[0] for name in described}
    for place, field in fields_of_route(operations()[route]):
        parent, _, last = field.rpartition(".")
        if place == "header":
            assert f"`{field}`" in text.lower(), f"{HTTP}: the header `{field}` of `{route}` is missing"
            continue
        row = field in described or last in described or any(name.endswith(f".{last}") for name in described)
        named = parent and re.search(rf"[`\"](?:[\w.]+\.)?{re.escape(last)}[`\"]", text)
        assert row or named or field in parents, (
            f"{HTTP}, {' or '.join(anchors)}: the {place} of `{route}` has `{field}`, which is not described"
        )


def test_every_described_field_exists() -> None:
    """Each name in the first cell of a table of fields or parameters belongs to a route of that chapter."""
    known: dict[str, set[str]] = {"errors": set()}
    for route, (_, anchors) in route_rows().items():
        names = {field for _, field in fields_of_route(operations().get(route, {"responses": {}}))}
        for anchor in anchors:
            known.setdefault(anchor, set()).update(names)
    for anchor, text in chapters().items():
        for name in described_fields(text):
            exists = any(field == name or field.endswith(f".{name}") for field in known.get(anchor, ()))
            assert exists or (anchor, name) in FREE_FIELDS, f"{HTTP}, {anchor}: no route has `{name}`"


def test_described_defaults_of_parameters_are_right() -> None:
    """Each row of a table of parameters has the default of a route of its chapter."""
    known: dict[tuple[str, str], set[str]] = {}
    for route, (_, anchors) in route_rows().items():
        for parameter in operations().get(route, {}).get("parameters", ()):
            default = parameter["schema"].get("default")
            for anchor in anchors:
                shown = "" if default is None else str(default)
                known.setdefault((anchor, parameter["name"]), set()).add(
                    shown.lower() if isinstance(default, bool) else shown
                )
    for anchor, text in chapters().items():
        for table in re.findall(r"^\| parameter \| default \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M):
            for name, default, _ in table_rows(table):
                right = known[anchor, name.strip("`")]
                assert default.strip("`") in right, (
                    f"{HTTP}, {anchor}: the default of {name} is {' or '.join(right)}"
                )


FREE_FIELDS = {
    ("transcriptions", "include"),
    ("transcriptions", "known_speaker_names"),
    ("transcriptions", "known_speaker_references"),
    *(("export", name) for name in ("version", "exported_at", "conversation", "conversations", "messages")),
    *(("export", name) for name in ("tool_data", "attachments", "created_at", "updated_at")),
}
"""Fields outside the schemas: accepted without effect, or part of a file."""


def test_the_json_export_has_the_described_fields(server: str) -> None:
    with httpx2.Client(base_url=server, trust_env=False) as client:
        id_ = client.post("/api/conversations", json={"model": "echo"}).json()["id"]
        client.post("/api/chat/stream", json={"conversation_id": id_, "message": "Say hello"})
        exported = client.get(f"/api/conversations/{id_}/export?format=json").json()
        several = client.get(f"/api/export?format=json&ids={id_}").json()
    tables = re.split(r"^\| field of a message ", section(HTTP, "## Export"), flags=re.M)
    rows, fields = ({row[0]: row[1] for row in table_rows(table) if len(row) == 2} for table in tables)
    described, of_messages = (
        {name for cell in each for name in re.findall(r"`(\w+)`", cell)} for each in (rows, fields)
    )
    assert set(exported) | set(several) == described, f"{HTTP}, Export: the fields of the file"
    assert set(exported["messages"][0]) == of_messages, f"{HTTP}, Export: the fields of a message"
    assert [exported["format"], several["format"]] == re.findall(r"`([\w.]+)`", rows["`format`"])
    assert str(exported["version"]) == rows["`version`"].split(",")[0]
    assert set(exported["conversation"]) == set(re.findall(r"`(\w+)`", rows["`conversation`"])), (
        f"{HTTP}, Export: the fields of `conversation`"
    )
    assert several["conversations"] == [{name: exported[name] for name in ("conversation", "messages")}]


def test_every_state_is_explained() -> None:
    rows = {row[0].strip("`") for row in table_rows(section(HTTP, "## Providers"))}
    assert set(ProviderState) - rows == set(), f"{HTTP}, Providers: states without a row"


@pytest.mark.parametrize("page", READMES)
def test_the_readmes_list_every_engine(page: str) -> None:
    engines = {row[0] for row in table_rows(text_of(page)) if len(row) == 5}
    for name in BUILT_IN_STT:
        assert f"`{name}`" in engines, f"{page}: the table of engines lacks `{name}`"


@pytest.mark.parametrize("name", BUILT_IN_LLM)
def test_every_provider_of_models_is_named(name: str) -> None:
    assert f"`{name}`" in section(HTTP, "## Providers"), f"{HTTP}, Providers: `{name}` is missing"


# -- commands


def commands() -> dict[str, TyperCommand]:
    """ "models pull" -> its command, those that --help hides left out."""
    found: dict[str, TyperCommand] = {}

    def collect(group: TyperGroup, way: str) -> None:
        for name, command in group.commands.items():
            if isinstance(command, TyperGroup):
                collect(command, f"{way}{name} ")
            elif isinstance(command, TyperCommand) and not command.hidden:
                found[way + name] = command

    root = typer.main.get_command(command_line)
    assert isinstance(root, TyperGroup)
    collect(root, "")
    return found


@pytest.mark.parametrize("language", [0, 1], ids=["en", "es"])
def test_the_guides_show_every_command(language: int) -> None:
    shown = "".join(text_of(pair[language]) for pair in PAIRS)
    missing = [name for name in commands() if f"prompter {name}" not in shown]
    assert not missing


@pytest.mark.parametrize("page", ALL_PAGES)
def test_commands_and_options_that_pages_show_exist(page: str) -> None:
    known = commands()
    names = sorted(known, key=len, reverse=True)
    shown = re.findall(r"(?:^|`)(?:\.venv[\\/]\w+[\\/])?prompter ([a-z][^`#\n]*)", text_of(page), re.M)
    for line in shown:
        name = next((name for name in names if f"{line} ".startswith(f"{name} ")), None)
        assert name, f"{page} shows `prompter {line}`, which is no command"
        options = {option for parameter in known[name].params for option in parameter.opts}
        used = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", line))
        assert used <= options | {"--help"}, f"{page} shows `prompter {line}`"


@pytest.mark.parametrize("page", ALL_PAGES)
def test_make_targets_that_pages_name_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.M))
    assert {"run", "test", "demo", "check"} <= targets
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text_of(page), re.M)) <= targets


@pytest.mark.parametrize(("english", "spanish"), PAIRS)
def test_both_languages_show_the_same_code(english: str, spanish: str) -> None:
    """The comments beside the code are translated."""

    def plain(page: str) -> list[str]:
        return [
            re.sub(r"\s+# .*", "", block)
            for language in ("sh", "powershell", "python", "js", "json", "yaml", "caddyfile", "nginx")
            for block in code_blocks(page, language)
        ]

    for number, (block, translated) in enumerate(zip_longest(plain(english), plain(spanish)), start=1):
        assert block == translated, f"{spanish}: code block {number} differs from that of {english}"


@pytest.mark.parametrize(("english", "spanish"), PAIRS)
def test_both_languages_have_the_same_structure(english: str, spanish: str) -> None:
    """Headings of the same ranks, tables of the same size, and as many list items and images."""
    marks = re.compile(r"^(#+(?= )|\||- |!\[|<img|```\w*$)", re.M)
    found = [
        (text_of(spanish)[: match.start()].count("\n") + 1, match[1])
        for match in marks.finditer(text_of(spanish))
    ]
    wanted = [match[1] for match in marks.finditer(text_of(english))]
    for place, mark in zip_longest(found, wanted):
        line, other = place or (0, None)
        assert other == mark, f"{spanish}:{line} has {other!r} where {english} has {mark!r}"


# -- links and examples


def slug(heading: str) -> str:
    """A heading as the hosting sites make it an anchor."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ALL_PAGES)
def test_relative_links_resolve(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.S | re.M)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'<img src="([^"]+)"', prose)
    for target in targets:
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(heading) for heading in headings}, f"{page} links to {target}"


def test_documents_that_the_code_names_exist() -> None:
    folders = ("backend/app", "backend/prompter", "backend/tests", "frontend/src", "scripts")
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".ts", ".tsx", ".md") and "node_modules" not in path.parts:
                text = path.read_text(encoding="utf-8")
                for name in re.findall(r"(?<!/)\bdocs/[\w/-]+\.md\b", text):
                    assert (ROOT / name).exists(), f"{path.relative_to(ROOT)} names {name}"


def test_the_architecture_page_names_every_folder() -> None:
    app = ROOT / "backend" / "app"
    folders = [*app.glob("*/__init__.py"), *(app / "services").glob("*/__init__.py")]
    names = sorted(path.parent.relative_to(app).as_posix() for path in folders)
    for name in names:
        assert f"`{name}/`" in text_of("docs/architecture.md"), f"docs/architecture.md lacks `{name}/`"


def test_paths_that_the_architecture_page_names_exist() -> None:
    text = text_of("docs/architecture.md")
    paths = set(re.findall(r"(?<![\w./(-])[\w-]+(?:/[\w.-]+)+/?(?=[`\s])", text))
    assert len(paths) > 50
    for path in sorted(paths):
        bases = (ROOT, ROOT / "backend" / "app", ROOT / "backend" / "app" / "providers")
        assert any((base / path).exists() for base in bases), f"docs/architecture.md names {path}"


@cache
def source_files() -> list[str]:
    """Every source file below the root, as `/path/of/file`."""
    folders = ("backend", "scripts", "frontend/src", "frontend/public")
    return [
        f"/{path.relative_to(ROOT).as_posix()}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".ts", ".tsx") and "node_modules" not in path.parts
    ]


@pytest.mark.parametrize("page", ALL_PAGES)
def test_source_files_that_pages_name_exist(page: str) -> None:
    """In backticks, by the end of their path."""
    for name in re.findall(r"`([\w/.-]*\w\.(?:py|tsx?))`", text_of(page)):
        ending = f"/{name.lstrip('./')}"
        assert any(path.endswith(ending) for path in source_files()), f"{page} names {name}"


@pytest.mark.parametrize(("page", "heading"), [("README.md", "## Layout"), ("README.es.md", "## Estructura")])
def test_folders_in_the_layout_of_the_readme_exist(page: str, heading: str) -> None:
    """An indented line stands under the last one that is not."""
    tree = section(page, heading).split("```")[1]
    parent = ""
    for line in tree.strip().splitlines():
        names = re.match(r" *[\w./]+/(?:, [\w./]+/)*", line)
        assert names, f"{page}, layout: {line!r} names no folder"
        folders = names[0].strip().split(", ")
        indented = line.startswith(" ")
        for folder in folders:
            assert (ROOT / (parent if indented else "") / folder).is_dir(), f"{page}, layout: {folder}"
        parent = parent if indented else folders[0]


@pytest.mark.parametrize("page", ["README.md", "docs/usage.md"])
def test_the_python_examples_run(server: str, page: str) -> None:
    """As they stand there, against a real server; only the address and the engine are changed."""
    [code] = code_blocks(page, "python")
    code = code.replace("127.0.0.1:8000", server.removeprefix("http://"))
    code = code.replace('session_id="s1")', 'session_id="s1", provider="cloud_stub")', 1)
    code = code.replace('"session_id":"s1"}', '"session_id":"s1","config":{"provider":"cloud_stub"}}')
    assert code.count("cloud_stub") == 1
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "backend"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode().splitlines()
    assert printed[0] == "ready "
    assert "final (mock) transcripción final #1" in printed
    assert "stopped " in printed[-2:]


@pytest.mark.parametrize("page", ["docs/assistants.md", "docs/es/assistants.md"])
def test_the_example_of_an_assistant_is_valid(page: str) -> None:
    """As it stands there: its toolsets exist, and so does the tool that it asks for."""
    example = next(block for block in code_blocks(page, "toml") if "toolsets" in block)
    definition = AssistantDefinition.model_validate(tomllib.loads(example))
    toolsets = [list_toolset_registrations()[name].load()(Settings()) for name in definition.toolsets]
    names = {tool.name for toolset in toolsets for tool in toolset.tools()}
    assert definition.approval
    assert set(definition.approval) <= names
    listed = {row[0].strip("`") for row in table_rows(text_of(page)) if len(row) == 2}
    assert set(BUILT_IN_TOOLSETS) <= listed


async def test_the_examples_of_plugins_run() -> None:
    """Each class in docs/plugins.md does what the page says."""
    names: dict[str, Any] = {}
    for block in code_blocks("docs/plugins.md", "python"):
        exec(block, names)  # the page is ours
    settings = Settings(_env_file=None)
    from app.core.security import LOCAL_CALLER
    from prompter import ChatMessage, LlmConfig, SttConfig, ToolContext, ToolFailed

    model = names["Shout"](settings)
    pieces = [piece async for piece in model.generate([ChatMessage("user", "hello")], LlmConfig())]
    assert "".join(piece.text for piece in pieces) == "HELLO"
    assert pieces[-1].finish_reason == "stop"
    assert (await model.status()).state is ProviderState.READY

    toolset = names["dice"](settings)
    (tool,) = toolset.tools()
    context = ToolContext(caller=LOCAL_CALLER, lang="en", search=None)  # type: ignore[arg-type]  # rolls need none
    assert 1 <= tool.function(context, sides=6) <= 6
    with pytest.raises(ToolFailed):
        tool.function(context, sides=1)

    engine = names["Length"](settings)
    await engine.start()
    session = await engine.open_session(SttConfig())
    stream = await session.open_stream()
    assert await stream.accept([0] * 24_000) is None
    assert (await stream.finish(24_000)).text == "1.5 seconds"
    await stream.aclose()
    await session.aclose()
    await engine.aclose()

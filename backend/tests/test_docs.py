"""The documents tell what the code does: settings, messages, errors, routes, commands, links and examples."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
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
from app.core.errors import all_errors
from app.main import create_app
from app.providers.registry import BUILT_IN_LLM, BUILT_IN_STT
from app.schemas import stt
from app.schemas.providers import ProviderState
from app.toolsets.registry import BUILT_IN_TOOLSETS, toolset_registrations

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.es.md")
PROTOCOL = "docs/protocol.md"
ALL_PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("[!.]*/README.md"))
)


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands under one heading, up to the next one of the same rank or a higher one."""
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


def test_the_readme_lists_every_setting() -> None:
    """In the order of the class, with default and meaning as the code has them."""
    wanted = [
        f"| `{name}` | {as_cell(default)} | {meaning} |" for name, default, meaning in settings_of(Settings)
    ]
    found = [line for line in section("README.md", "## Settings").splitlines() if line.startswith("| `")]
    assert found == wanted


def test_the_spanish_readme_lists_every_setting() -> None:
    wanted = [f"| `{name}` | {as_cell(default)} |" for name, default, _ in settings_of(Settings)]
    lines = [line for line in section("README.es.md", "## Ajustes").splitlines() if line.startswith("| `")]
    assert ["|".join(line.split("|")[:3]) + "|" for line in lines] == wanted
    assert all(line.split("|")[3].strip() for line in lines)


@pytest.mark.parametrize("page", READMES)
@pytest.mark.parametrize("alias", ALIASES)
def test_the_readmes_name_the_aliases(page: str, alias: str) -> None:
    assert f"`{alias}`" in text_of(page)


def test_the_limits_of_the_protocol_are_settings() -> None:
    """Every `limits.x` is real, and every limit is there."""
    fields = type(Settings.model_fields["limits"].default).model_fields
    assert set(re.findall(r"`limits\.(\w+)`", section(PROTOCOL, "## Limits"))) == set(fields)


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


MESSAGES = members(stt.ClientMessage)
EVENTS = members(stt.ServerEvent)


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_protocol_describes_every_client_message(kind: str) -> None:
    described = section(PROTOCOL, f"### `{kind}`")
    for field in fields_of(MESSAGES[kind]):
        assert re.search(rf"`{field}`", described), f"`{kind}` has a field `{field}` that is not described"


@pytest.mark.parametrize("kind", EVENTS)
def test_the_protocol_describes_every_event(kind: str) -> None:
    described = section(PROTOCOL, f"### `{kind}`")
    for field in fields_of(EVENTS[kind], {"session_id", "seq"}):
        assert re.search(rf"`{field}`", described), f"`{kind}` has a field `{field}` that is not described"


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
    adapter = stt.client_message if kind in MESSAGES else stt.server_event
    described = section(PROTOCOL, f"### `{kind}`")
    examples = re.findall(r"^```json\n(.*?)^```$", described, re.S | re.M)
    assert examples
    for example in examples:
        shown = json.loads(example)
        assert shown["type"] == kind
        # What is read and written again is the same: no field was dropped as unknown.
        again = adapter.validate_python(shown).model_dump(exclude_unset=True)
        assert again == shown


def test_the_protocol_names_every_optional_event_and_profile() -> None:
    start = section(PROTOCOL, "### `start`")
    assert [kind for kind in get_args(stt.OptionalEvent) if f"`{kind}`" not in start] == []
    profiles = section(PROTOCOL, "## When an utterance ends")
    assert [name for name in get_args(stt.EndpointingProfile) if f"| `{name}`" not in profiles] == []


# -- errors


def test_the_protocol_lists_every_error() -> None:
    """Code, HTTP status and close code, as the classes have them."""
    rows = {row[0]: (row[1], row[2]) for row in table_rows(section(PROTOCOL, "## Errors")) if len(row) == 5}
    wanted = {f"`{cls.code}`": (str(cls.status), str(cls.close_code or "-")) for cls in all_errors()}
    assert {code: told for code, told in rows.items() if code.startswith("`")} == wanted


def test_the_protocol_explains_every_close_code() -> None:
    explained = {row[0] for row in table_rows(section(PROTOCOL, "## Closing"))}
    assert {str(cls.close_code) for cls in all_errors() if cls.close_code} <= explained


def test_codes_that_the_bad_input_table_names_exist() -> None:
    codes = {cls.code for cls in all_errors()} | {"-"}
    rows = [row for row in table_rows(section(PROTOCOL, "## Bad input")) if len(row) == 5][1:]
    assert len(rows) > 50
    assert {row[3].strip("`") for row in rows} <= codes
    assert len({row[0] for row in rows}) == len(rows)


# -- HTTP and providers


def test_the_protocol_lists_every_route() -> None:
    """Those of the API description, and the pages beside it."""
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    listed = {row[0].strip("`") for row in table_rows(section(PROTOCOL, "## HTTP"))}
    assert routes
    assert routes <= listed


def test_every_route_that_the_protocol_lists_answers(server: str) -> None:
    """A GET that is listed is no 404."""
    listed = [row[0].strip("`") for row in table_rows(section(PROTOCOL, "## HTTP")) if "`GET " in row[0]]
    listed = [
        route for route in listed if "_id}" not in route.replace("{model_id}", "")
    ]  # nothing has that id
    assert len(listed) > 5
    with httpx2.Client(trust_env=False) as client:
        paths = {route: route.removeprefix("GET ").replace("{model_id}", "echo") for route in listed}
        answers = {route: client.get(server + path).status_code for route, path in paths.items()}
    assert {status for route, status in answers.items() if route != "GET /health/ready"} == {200}
    assert answers["GET /health/ready"] in (200, 503)


def test_the_protocol_names_the_fields_of_a_prompt() -> None:
    from app.schemas.llm import GenerateIn, GenerateOut

    described = section(PROTOCOL, "### `POST /llm/generate`")
    for field in (*fields_of(GenerateIn), *GenerateOut.model_fields):
        if not field.startswith("messages."):
            assert re.search(rf"[`\"]{field}[`\"]", described), f"{field} is not described"


def test_the_protocol_explains_every_state() -> None:
    rows = {row[0].strip("`") for row in table_rows(section(PROTOCOL, "### `GET /providers/stt`"))}
    assert set(ProviderState) <= rows


@pytest.mark.parametrize("page", READMES)
def test_the_readmes_list_every_engine(page: str) -> None:
    engines = [row[0] for row in table_rows(text_of(page)) if len(row) == 5]
    assert {f"`{name}`" for name in BUILT_IN_STT} <= set(engines)
    assert all(f"`{name}`" in text_of(page) or f"`{name}`" in text_of(PROTOCOL) for name in BUILT_IN_LLM)


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


@pytest.mark.parametrize("page", READMES)
def test_the_readmes_show_every_command(page: str) -> None:
    missing = [name for name in commands() if f"prompter {name}" not in text_of(page)]
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


def test_both_readmes_show_the_same_commands() -> None:
    """Code is the same in both languages; what stands beside it as a comment is not."""

    def plain(page: str) -> list[str]:
        return [
            re.sub(r"\s+# .*", "", block)
            for language in ("sh", "powershell", "python", "js", "yaml")
            for block in code_blocks(page, language)
        ]

    assert plain("README.md") == plain("README.es.md")


# -- links and examples


def slug(heading: str) -> str:
    """A heading as the hosting sites make it an anchor."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ALL_PAGES)
def test_relative_links_resolve(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(heading) for heading in headings}, f"{page} links to {target}"


def test_the_architecture_page_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "backend" / "app").glob("*/__init__.py")}
    assert [room for room in sorted(rooms) if f"`{room}/`" not in text_of("docs/architecture.md")] == []


@pytest.mark.parametrize("number", [0, 1])
def test_the_python_examples_run(server: str, number: int) -> None:
    """As they stand in the README, against a real server; only the address and the engine are changed."""
    code = code_blocks("README.md", "python")[number]
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


@pytest.mark.parametrize("page", READMES)
def test_the_example_of_an_assistant_is_valid(page: str) -> None:
    """As it stands there: its toolsets exist, and so does the tool that it asks for."""
    example = next(block for block in code_blocks(page, "toml") if "toolsets" in block)
    definition = AssistantDefinition.model_validate(tomllib.loads(example))
    toolsets = [toolset_registrations()[name].load()(Settings()) for name in definition.toolsets]
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
    from app.core.security import LOCAL
    from prompter import ChatMessage, LlmConfig, SttConfig, ToolContext, ToolFailed

    model = names["Shout"](settings)
    pieces = [piece async for piece in model.generate([ChatMessage("user", "hello")], LlmConfig())]
    assert "".join(piece.text for piece in pieces) == "HELLO"
    assert pieces[-1].finish_reason == "stop"
    assert (await model.status()).state is ProviderState.READY

    toolset = names["dice"](settings)
    (tool,) = toolset.tools()
    context = ToolContext(caller=LOCAL, lang="en", search=None)  # type: ignore[arg-type]  # rolls need none
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

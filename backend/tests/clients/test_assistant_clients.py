"""The assistant `loft-chat` for clients that know of no assistants: Open WebUI, the `llm` command, the SDKs."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.loft import demo_shop
from tests.clients.conftest import CLIENT_KEY, UPSTREAM_KEY, Sdk
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.fakes.shop_model import MODEL, ShopModel
from tests.support.server import run_server

pytest.importorskip("pydantic_ai", reason="the extra [tools] is not installed")
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = "¿Cuál es el estado del pedido ORD001?"
"""What samples/es_estado_pedido_16k.wav says."""
ANSWER = "El pedido ORD001 está enviado y suma 380.80 (datos de demostración)."
ASSISTANT = "loft-chat"


@pytest.fixture(scope="module")
def model() -> Iterator[BackgroundUpstream]:
    """The model behind the assistant."""
    with run_in_background(ShopModel()) as fake:
        yield fake


@pytest.fixture(scope="module")
def shop(model: BackgroundUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as an operator makes it: a model in the settings, `prompter demo-data loft`, and nothing else."""
    folder = tmp_path_factory.mktemp("shop")
    upstream = {"base_url": model.base_url, "api_key": UPSTREAM_KEY, "model": MODEL}
    settings = Settings(_env_file=None, data_dir=folder, llm={"openai_compat": upstream, "discover": False})
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    with run_server(settings) as server:
        yield f"{server.url}/v1"


@pytest.fixture(params=["blocking", "async"])
async def sdk(request: pytest.FixtureRequest, shop: str) -> AsyncIterator[Sdk]:
    if request.param == "async":
        async with AsyncOpenAI(base_url=shop, api_key=CLIENT_KEY, max_retries=0) as several:
            yield Sdk(several)
    else:
        with OpenAI(base_url=shop, api_key=CLIENT_KEY, max_retries=0) as single:
            yield Sdk(single)


def asked(text: str = QUESTION, **fields: Any) -> dict[str, Any]:
    return {"model": ASSISTANT, "messages": [{"role": "user", "content": text}], **fields}


# -- the SDK


async def test_the_sdk_lists_it(sdk: Sdk) -> None:
    assert ASSISTANT in {model.id for model in (await sdk("models.list")).data}
    assert (await sdk("models.retrieve", ASSISTANT)).id == ASSISTANT


async def test_the_sdk_asks_it(sdk: Sdk) -> None:
    answer = await sdk("chat.completions.create", **asked())
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == (ANSWER, "stop")
    assert choice.message.tool_calls is None
    assert answer.model == ASSISTANT
    assert answer.usage.total_tokens > 0


async def test_the_sdk_streams_it(sdk: Sdk) -> None:
    """Text alone: what tools it called stays on the server."""
    fields = asked(stream=True, stream_options={"include_usage": True})
    chunks = await sdk.all_of(await sdk("chat.completions.create", **fields))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    assert sum(bool(delta.content) for delta in deltas) > 3
    assert not any(delta.tool_calls for delta in deltas)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.model == ASSISTANT for chunk in chunks)


NOTE = {
    "type": "function",
    "function": {
        "name": "save_note",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}, "status": {"type": "string"}},
        },
    },
}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_sdk_finishes_a_task_with_tools_on_both_sides(sdk: Sdk, stream: bool) -> None:
    """The order is looked up here, the note is saved by the client, and the answer says so."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mira el ORD001 y usa save_note"}]
    fields = {"model": ASSISTANT, "tools": [NOTE], "stream": stream}
    got = await sdk("chat.completions.create", messages=messages, **fields)
    if stream:
        chunks = await sdk.all_of(got)
        [call] = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
        reason = chunks[-1].choices[0].finish_reason
    else:
        [call], reason = got.choices[0].message.tool_calls, got.choices[0].finish_reason
    assert (call.function.name, reason) == ("save_note", "tool_calls")
    assert json.loads(call.function.arguments) == {"order_id": "ORD001", "status": "enviado"}
    function = {"name": call.function.name, "arguments": call.function.arguments}
    messages += [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call.id, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "nota 1"},
    ]
    answer = await sdk("chat.completions.create", messages=messages, **fields | {"stream": False})
    assert answer.choices[0].message.content == "Hecho: nota 1."


# -- agents and extractors: they act by calls


class Order(BaseModel):
    """An order of the shop."""

    order_id: str
    status: str
    total: str


FOUND = Order(order_id="ORD001", status="enviado", total="380.80")


@pytest.fixture
async def agent_model(shop: str) -> AsyncIterator[OpenAIChatModel]:
    async with AsyncOpenAI(base_url=shop, api_key=CLIENT_KEY, max_retries=0) as client:
        yield OpenAIChatModel(ASSISTANT, provider=OpenAIProvider(openai_client=client))


async def test_pydantic_ai_gets_its_output_type(agent_model: OpenAIChatModel) -> None:
    agent = Agent(agent_model, output_type=Order)
    assert (await agent.run(QUESTION)).output == FOUND
    async with agent.run_stream(QUESTION) as run:
        assert await run.get_output() == FOUND


async def test_pydantic_ai_runs_tools_of_its_own(agent_model: OpenAIChatModel) -> None:
    notes: list[tuple[str, str]] = []

    def save_note(order_id: str, status: str) -> str:
        notes.append((order_id, status))
        return "nota 1"

    answer = await Agent(agent_model, tools=[save_note]).run("Mira el ORD001 y usa save_note")
    assert (answer.output, notes) == ("Hecho: nota 1.", [("ORD001", "enviado")])


async def test_an_extractor_that_forces_a_function_gets_its_call(sdk: Sdk) -> None:
    """As instructor asks, and LangChain's `with_structured_output`: one function, and a choice that names it."""
    function = {"name": "Order", "parameters": Order.model_json_schema()}
    fields = {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "Order"}},
    }
    answer = await sdk("chat.completions.create", **asked(), **fields)
    [call] = answer.choices[0].message.tool_calls
    assert Order.model_validate_json(call.function.arguments) == FOUND


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("Estado del pedido ord999", "No existe."),
        ("¿Qué pedidos tiene el 600 000 001?", "Tiene 3 pedidos: ORD012, ORD001, ORD004"),
        ("¿Y maria.nunez@loft-demo.example?", "Tiene 2 pedidos: ORD007, ORD006"),
        ("¿Qué precio de la lámpara hay?", "Lámpara de pie Arco: 119.00"),
        ("¿Precio? El precio de la luna", "Mesa de centro Luna: 139.90"),
        ("Hola", "¿Qué pedido, cliente o producto busca?"),
    ],
)
async def test_it_looks_things_up(sdk: Sdk, question: str, told: str) -> None:
    answer = await sdk("chat.completions.create", **asked(question))
    assert told in answer.choices[0].message.content


async def test_a_conversation_goes_on(sdk: Sdk) -> None:
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
        {"role": "user", "content": "¿Y el ORD002?"},
    ]
    answer = await sdk("chat.completions.create", model=ASSISTANT, messages=messages)
    assert answer.choices[0].message.content.startswith("El pedido ORD002 está entregado")


async def test_many_ask_at_once(shop: str) -> None:
    """Each gets the answer to its own question."""
    answers: dict[str, str] = {}

    async def ask(client: AsyncOpenAI, order: str) -> None:
        got = await client.chat.completions.create(**asked(f"¿Y el {order}?"))
        answers[order] = got.choices[0].message.content

    async with AsyncOpenAI(base_url=shop, api_key=CLIENT_KEY) as client, anyio.create_task_group() as group:
        for number in range(1, 13):
            group.start_soon(ask, client, f"ORD{number:03}")
    assert len(answers) == 12
    assert all(f"El pedido {order} " in answer for order, answer in answers.items())


async def test_what_its_model_is_sent(shop: str, model: BackgroundUpstream, words: str) -> None:
    """Instructions first, tools with their schemas, the server's own key; nothing of the client's."""
    async with AsyncOpenAI(base_url=shop, api_key=CLIENT_KEY) as client:
        await client.chat.completions.create(**asked(f"{QUESTION} {words}"))
    first, second = model.about(words)
    assert first["messages"][0]["role"] == "system"
    assert first["messages"][0]["content"].startswith("Eres el asistente de la tienda LOFT.")
    described = {each["function"]["name"]: each["function"] for each in first["tools"]}
    assert set(described) == {
        "get_customer_by_phone",
        "get_customer_by_email",
        "get_orders_by_customer",
        "get_order_details",
        "search_products",
        "calculate",
    }
    order = described["get_order_details"]
    assert order["description"].startswith("Look up one order")
    assert order["parameters"]["properties"]["order_id"]["description"] == "The order's id, such as ORD001."
    assert "context" not in order["parameters"]["properties"]
    assert second["messages"][-1]["content"].startswith('<tool_output tool="get_order_details">')
    headers = [request.headers for request in model.fake.requests if words.encode() in request.body]
    assert all(each["authorization"] == f"Bearer {UPSTREAM_KEY}" for each in headers)
    assert CLIENT_KEY not in str(headers)


# -- Open WebUI


@pytest.fixture
async def webui() -> AsyncIterator[httpx2.AsyncClient]:
    """With what it sends in every request."""
    headers = {
        "Authorization": "Bearer sk-any",
        "X-OpenWebUI-User-Name": "Ana",
        "X-OpenWebUI-Chat-Id": "c1",
    }
    async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        yield client


async def test_open_webui_lists_it(webui: httpx2.AsyncClient, shop: str) -> None:
    listed = (await webui.get(f"{shop}/models")).json()["data"]
    assert ASSISTANT in {each.get("id") or each.get("name") for each in listed}


async def test_open_webui_chats_with_it(webui: httpx2.AsyncClient, shop: str) -> None:
    """A system prompt of its own comes beside the assistant's instructions; it reads line by line."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    sent = {
        "stream": True,
        "model": ASSISTANT,
        "messages": messages,
        "stream_options": {"include_usage": True},
    }
    response = await webui.post(f"{shop}/chat/completions", json=sent)
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [
        line.removeprefix("data:").strip() for line in response.text.splitlines() if line.startswith("data:")
    ]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    texts = [event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]]
    assert "".join(texts) == ANSWER
    assert events[-1]["usage"]["total_tokens"] > 0


async def test_open_webui_asks_for_a_title(webui: httpx2.AsyncClient, shop: str) -> None:
    """Its tasks go to the same model where it has no other: whole, with a limit."""
    sent = asked("Write a title for this chat", stream=False, max_tokens=50)
    response = await webui.post(f"{shop}/chat/completions", json=sent)
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


ITS_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_current_timestamp",
            "description": "Get the current Unix timestamp in seconds.",
            "parameters": {"properties": {}, "type": "object"},
        },
    },
    *(
        {"type": "function", "function": {"name": name, "parameters": {"properties": {}, "type": "object"}}}
        for name in ("ask_user", "search_chats", "add_memory", "write_note", "create_tasks")
    ),
]
"""Of those that it adds to every request of its page."""


def read_stream(response: httpx2.Response) -> tuple[str, list[dict[str, Any]], str]:
    """Text, calls and finish reason of a stream, read as it reads them: calls without an index are dropped."""
    lines = [line.removeprefix("data:").strip() for line in response.text.splitlines() if line]
    choices = [event["choices"][0] for line in lines[:-1] if (event := json.loads(line))["choices"]]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return text, [call for call in calls if call.get("index") is not None], choices[-1]["finish_reason"]


async def test_open_webui_chats_with_it_and_its_own_tools(webui: httpx2.AsyncClient, shop: str) -> None:
    """The requests of its page: the assistant's tools run here, and a call of one of its own comes back to it."""

    async def ask(*messages: dict[str, Any]) -> tuple[str, list[dict[str, Any]], str]:
        sent = {"stream": True, "model": ASSISTANT, "messages": list(messages), "tools": ITS_TOOLS}
        response = await webui.post(f"{shop}/chat/completions", json=sent)
        assert response.status_code == 200, response.text
        assert "x-prompter-omitted-tools" not in response.headers
        return read_stream(response)

    assert await ask({"role": "user", "content": QUESTION}) == (ANSWER, [], "stop")
    question = {"role": "user", "content": "Mira el ORD001 y usa get_current_timestamp"}
    text, [call], reason = await ask(question)
    assert (text, call["function"]["name"], reason) == ("", "get_current_timestamp", "tool_calls")
    del call["index"]
    asked_for = {"role": "assistant", "content": "", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "1795950948"}
    assert await ask(question, asked_for, result) == ("Hecho: 1795950948.", [], "stop")


# -- the `llm` command


@pytest.mark.once
@pytest.mark.parametrize("way", [(), ("--no-stream",)])
def test_the_llm_command_asks_it(tmp_path: Path, shop: str, way: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "llm", "openai", "endpoint", shop, "-m", ASSISTANT, *way, QUESTION]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "LLM_USER_PATH": str(tmp_path), "PYTHONUTF8": "1"},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ANSWER), done.stderr


# -- our own command and route


async def test_the_prompt_route_asks_it(shop: str) -> None:
    """Chosen like any other model."""
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        base = shop.removesuffix("/v1")
        sent = {"provider": ASSISTANT, "messages": [{"role": "user", "content": QUESTION}]}
        answer = (await client.post(f"{base}/llm/generate", json=sent)).json()
        assert (answer["text"], answer["provider"]) == (ANSWER, ASSISTANT)
        listed = (await client.get(f"{base}/providers/llm")).json()["items"]
    [item] = [each for each in listed if each["name"] == ASSISTANT]
    assert (item["type"], item["status"]) == ("assistant", "ready")

"""`/api/chat/stream` over HTTP: the exact events, clients that leave, resuming, and what is refused."""

import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.providers.base import Wait
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces, usage, with_models
from tests.support.conversations import SseEvent, join_content, parse_events
from tests.support.server import RunningServer, serve_engine

SOON_S = 20


@contextmanager
def server(model: FakeChat, **fields: Any) -> Iterator[RunningServer]:
    with serve_engine(
        FakeEngine(),
        registrations=with_models(fake=model),
        llm={"provider": "fake", "discover": False},
        **fields,
    ) as served:
        yield served


def client_of(served: RunningServer) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=SOON_S)


async def conversation(client: httpx2.AsyncClient, **body: Any) -> str:
    id_: str = (await client.post("/api/conversations", json=body)).json()["id"]
    return id_


async def sent(client: httpx2.AsyncClient, **body: Any) -> list[SseEvent]:
    """The events of a message's answer, to the end."""
    asked = {"conversation_id": await conversation(client), "message": "hello", **body}
    answer = await client.post("/api/chat/stream", json=asked)
    assert answer.status_code == 200, answer.text
    return parse_events(answer.text)


async def heard(client: httpx2.AsyncClient, message_id: str, last: str = "") -> list[SseEvent]:
    headers = {"Last-Event-ID": last} if last else {}
    answer = await client.get(f"/api/chat/stream/{message_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    return parse_events(answer.text)


async def begun(client: httpx2.AsyncClient, id_: str, leave_after: Callable[[str], bool]) -> list[SseEvent]:
    """Send a message and leave as soon as what has come is enough; the events that came."""
    text = ""
    asked = {"conversation_id": id_, "message": "hello"}
    async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
        async for part in answer.aiter_text():
            text += part
            if leave_after(text):
                break
    return parse_events(text)


async def until(client: httpx2.AsyncClient, id_: str, status: str) -> dict[str, Any]:
    """Wait until the last message of a conversation has this status."""
    with anyio.fail_after(SOON_S):
        while True:
            messages: list[dict[str, Any]] = (await client.get(f"/api/conversations/{id_}/messages")).json()
            if messages and messages[-1]["status"] == status:
                return messages[-1]
            await anyio.sleep(0.02)


async def test_the_exact_words_of_an_answer() -> None:
    script = [
        delta("", reasoning_content="hm"),
        delta("Hel"),
        delta("lo"),
        delta("", finish="stop"),
        usage(3, 2),
    ]
    with server(FakeChat(script)) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            body = {"conversation_id": id_, "message": "Say hello"}
            answer = await client.post("/api/chat/stream", json=body)
            asked, stored = (await client.get(f"/api/conversations/{id_}/messages")).json()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    events = parse_events(answer.text)
    assert events[0] == SseEvent(
        "0.0",
        "start",
        {
            "conversation_id": id_,
            "message_id": stored["id"],
            "user_message_id": asked["id"],
            "title": "Say hello",
        },
    )
    assert join_content(events) == "Hello"
    assert join_content(events, "reasoning") == "hm"
    assert all(set(event.data) == {"content"} for event in events[1:-1])
    assert {event.name for event in events[1:-1]} == {"reasoning", "message"}
    assert events[-1] == SseEvent(
        "5.2.end",
        "done",
        {
            "status": "completed",
            "message_id": stored["id"],
            "model": "fake/tiny",
            "provider": "fake",
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        },
    )


async def test_a_failure_is_an_event_and_what_had_arrived_stays() -> None:
    with server(FakeChat([delta("Hel"), RuntimeError("of the prompt")])) as served:
        async with client_of(served) as client:
            events = await sent(client)
            again = await heard(client, events[0].data["message_id"])
    for told in (events[1:], again):
        assert join_content(told) == "Hel"
        assert (told[-1].name, told[-1].data["code"]) == ("error", "engine_failed")
        assert set(told[-1].data) == {"error", "code", "note", "message_id"}
    assert not any("of the prompt" in line for line in served.log)


@pytest.mark.usefixtures("eager_words")
async def test_what_an_answer_waits_for_is_told_and_is_no_part_of_it() -> None:
    """A model that loads, then has a queue, then is silent; and one that falls silent in mid answer."""
    loaded, next_, works, stall = Gate(), Gate(), Gate(), Gate()
    script = [Wait("loading"), loaded, Wait("queued", 2), next_, Wait("queued", 1), works]
    with server(FakeChat([*script, *pieces("Hel", stall, "lo")])) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            events = await begun(client, id_, lambda text: '"loading"' in text)
            message_id = events[0].data["message_id"]
            assert (events[-1].id, events[-1].name) == ("0.0", "status")
            assert events[-1].data.items() >= {"state": "loading", "place": None}.items()
            assert events[-1].data["waited_ms"] % 1000 == 0
            # Who comes back is told again, and each change.
            path, last = f"/api/chat/stream/{message_id}", {"Last-Event-ID": events[-1].id}
            text, gates = (
                "",
                {'"loading"': loaded, '"place":2': next_, '"place":1': works, '"working"': stall},
            )
            async with client.stream("GET", path, headers=last) as answer:
                async for part in answer.aiter_text():
                    text += part
                    for word, gate in gates.items():
                        if word in text:
                            gate.set()
            events = parse_events(text)
            assert join_content(events) == "Hello"
            states = [
                (event.data["state"], event.data["place"]) for event in events if event.name == "status"
            ]
            assert list(dict.fromkeys(states)) == [
                ("loading", None),
                ("queued", 2),
                ("queued", 1),
                ("working", None),
            ]
            told_at = {
                event.id for event in events if event.name == "status" and event.data["state"] == "working"
            }
            assert told_at == {"3.0"}
            # A stored answer has none.
            assert [event.name for event in await heard(client, message_id)] == ["message", "done"]


@pytest.mark.usefixtures("eager_words")
async def test_a_stalled_answer_says_each_second_how_long_it_has_been_silent() -> None:
    with server(FakeChat([None])) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            events = await begun(client, id_, lambda text: text.count('"waited_ms"') == 3)
            await client.post(f"/api/conversations/{id_}/stop")
    told = [event.data["waited_ms"] for event in events[1:]]
    # A reader or a server that is late goes on with the newest: a second may be missing, and none is told twice.
    assert told == sorted(set(told))
    assert all(ms % 1000 == 0 for ms in told)
    assert {event.data["state"] for event in events[1:]} == {"working"}


async def test_a_client_that_leaves_ends_nothing() -> None:
    gate = Gate()
    model = FakeChat(pieces("Hel", gate, "lo"))
    with server(model) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            events = await begun(client, id_, lambda text: "Hel" in text)
            gate.set()
            stored = await until(client, id_, "complete")
            assert stored["content"] == "Hello"
            rest = await heard(client, stored["id"], events[-1].id)
            assert join_content(events) + join_content(rest) == "Hello"
            assert rest[-1].data["status"] == "completed"


async def test_an_answer_is_followed_from_any_cut_on() -> None:
    """Cut at random bytes, again and again, while it is made: together the texts are the answer."""
    gates = [Gate() for _ in range(30)]
    script = [step for n, gate in enumerate(gates) for step in (delta(f"«{n}» ñandú 👍 "), gate)]
    text = "".join(f"«{n}» ñandú 👍 " for n in range(30))
    chance = random.Random(5)
    with server(FakeChat([*script, delta("", finish="stop")])) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            events = await begun(client, id_, lambda text: "«0»" in text)
            message_id = events[0].data["message_id"]
            for gate in gates:
                gate.set()
                enough = chance.randrange(1, 400)
                body = b""
                headers = {"Last-Event-ID": events[-1].id}
                async with client.stream("GET", f"/api/chat/stream/{message_id}", headers=headers) as answer:
                    if answer.status_code == 204:
                        break
                    with anyio.move_on_after(0.1):
                        async for part in answer.aiter_bytes():
                            body += part
                            if len(body) > enough:
                                break
                events += parse_events(body[:enough].decode("utf-8", "ignore"))
            while events[-1].name != "done":
                events += await heard(client, message_id, events[-1].id)
            assert join_content(events) == text


async def test_who_has_heard_all_is_told_not_to_come_again() -> None:
    with server(FakeChat()) as served:
        async with client_of(served) as client:
            events = await sent(client)
            path = f"/api/chat/stream/{events[0].data['message_id']}"
            again = await client.get(path, headers={"Last-Event-ID": events[-1].id})
            assert (again.status_code, again.content) == (204, b"")
            for event in events[:-1]:
                assert (
                    join_content(await heard(client, events[0].data["message_id"], event.id))
                    == "Hello"[int(event.id.partition(".")[0]) :]
                )
            bad = await client.get(path, headers={"Last-Event-ID": "7"})
            assert (bad.status_code, bad.json()["error"]["code"]) == (400, "bad_request")


async def test_an_answer_survives_a_new_start_of_the_server(tmp_path: Path) -> None:
    """What the first server was still making is interrupted, and can be followed at the second one."""
    with server(FakeChat([delta("Hel"), None]), data_dir=tmp_path) as served:
        async with client_of(served) as client:
            whole = await sent(client, model="echo", message="Hello")
            id_ = await conversation(client)
            events = await begun(client, id_, lambda text: "Hel" in text)
            ending_s = time.monotonic()
    assert time.monotonic() - ending_s < SOON_S
    with server(FakeChat(), data_dir=tmp_path) as served:
        async with client_of(served) as client:
            rest = await heard(client, events[0].data["message_id"], events[-1].id)
            assert [event.name for event in rest] == ["error"]
            assert rest[-1].data["code"] == "interrupted"
            assert join_content(await heard(client, events[0].data["message_id"])) == "Hel"
            assert join_content(await heard(client, whole[0].data["message_id"])) == join_content(whole)
            stored = await until(client, id_, "interrupted")
            assert stored["content"] == "Hel"


async def test_a_reader_at_the_end_of_the_server_is_told(tmp_path: Path) -> None:
    text = ""
    with server(FakeChat([delta("Hel"), None]), data_dir=tmp_path) as served:
        async with client_of(served) as client:
            asked = {"conversation_id": await conversation(client), "message": "hello"}
            async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
                async for part in answer.aiter_text():
                    text += part
                    if "Hel" in text and "error" not in text:
                        begun_s = time.monotonic()
                        await served_drains(served)
    assert time.monotonic() - begun_s < SOON_S
    assert (parse_events(text)[-1].name, parse_events(text)[-1].data["code"]) == ("error", "interrupted")


async def served_drains(served: RunningServer) -> None:
    """What `prompter serve` does first when it is told to end."""
    loop = served.server.servers[0].get_loop()
    loop.call_soon_threadsafe(lambda: loop.create_task(served.resources.answers.drain()))


async def test_two_messages_at_once() -> None:
    with server(FakeChat([delta("Hel"), None])) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            await begun(client, id_, lambda text: "Hel" in text)
            second = await client.post("/api/chat/stream", json={"conversation_id": id_, "message": "more"})
            assert (second.status_code, second.json()["error"]["code"]) == (409, "busy")
            assert len((await client.get(f"/api/conversations/{id_}/messages")).json()) == 2
            await client.post(f"/api/conversations/{id_}/stop")
            third = await begun(client, id_, lambda text: "Hel" in text)
            assert third[0].name == "start"


async def test_a_conversation_deleted_in_mid_stream() -> None:
    with server(FakeChat([delta("Hel"), None])) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            text, asked = "", {"conversation_id": id_, "message": "hello"}
            async with client.stream("POST", "/api/chat/stream", json=asked) as answer:
                async for part in answer.aiter_text():
                    text += part
                    if text.endswith('"Hel"}\n\n'):
                        await client.delete(f"/api/conversations/{id_}")
            events = parse_events(text)
            assert (events[-1].name, events[-1].data["code"]) == ("error", "not_found")
            gone = await client.get(f"/api/chat/stream/{events[0].data['message_id']}")
            assert gone.status_code == 404


async def test_a_reader_that_does_not_read_is_let_go_and_the_answer_goes_on() -> None:
    script = [*[delta("x" * 50_000)] * 18, delta("", finish="stop")]
    limits = {"slow_reader_s": 0.5}
    with server(FakeChat(script), limits=limits) as served:
        async with client_of(served) as client:
            id_ = await conversation(client)
            body = b'{"conversation_id":"%s","message":"hello"}' % id_.encode()
            host, port = served.url.removeprefix("http://").split(":")
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.connect((host, int(port)))
                slow.sendall(
                    b"POST /api/chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                stored = await until(client, id_, "complete")
            assert len(stored["content"]) == 900_000
            assert join_content(await heard(client, stored["id"])) == stored["content"]


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"conversation_id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"}, 404, "not_found"),
    ({"conversation_id": "x"}, 404, "not_found"),
    ({"conversation_id": None}, 400, "bad_request"),
    ({"conversation_id": 7}, 400, "bad_request"),
    ({"message": ""}, 400, "bad_request"),
    ({"message": " \n"}, 400, "bad_request"),
    ({"message": None}, 400, "bad_request"),
    ({"message": ["hello"]}, 400, "bad_request"),
    ({"message": "x" * 100_001}, 413, "message_too_big"),
    ({"message": "x" * (1 << 20)}, 413, "message_too_big"),
    ({"parent_id": "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"}, 404, "not_found"),
    ({"parent_id": "x"}, 404, "not_found"),
    ({"model": 1}, 400, "bad_request"),
    ({"model": "x" * 501}, 400, "bad_request"),
    ({"temperature": -1}, 400, "bad_request"),
    ({"max_tokens": 1.5}, 400, "bad_request"),
]


@pytest.fixture(scope="module")
def plain() -> Iterator[RunningServer]:
    with server(FakeChat()) as served:
        yield served


@pytest.fixture
async def client(plain: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(plain) as client:
        yield client


@pytest.mark.parametrize(("body", "status", "code"), REFUSED)
async def test_what_is_refused_stores_nothing(
    client: httpx2.AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    id_ = await conversation(client)
    asked = {"conversation_id": id_, "message": "hello", **body}
    answer = await client.post("/api/chat/stream", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    if status == 413:
        assert "chat.message_chars" in error["message"] or "limits.body_bytes" in error["message"]
    assert "hello" not in error["message"]
    assert (await client.get(f"/api/conversations/{id_}/messages")).json() == []


async def test_a_model_that_is_gone(client: httpx2.AsyncClient) -> None:
    events = await sent(client, model="gone/away")
    assert [event.name for event in events] == ["start", "error"]
    assert events[-1].data["code"] == "model_not_found"
    stored = (await client.get(f"/api/conversations/{events[0].data['conversation_id']}/messages")).json()
    assert [(message["role"], message["status"]) for message in stored] == [
        ("user", "complete"),
        ("assistant", "failed"),
    ]


@pytest.mark.parametrize("id_", ["x", "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b", "%00"])
async def test_an_unknown_answer_is_not_found(client: httpx2.AsyncClient, id_: str) -> None:
    answer = await client.get(f"/api/chat/stream/{id_}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")

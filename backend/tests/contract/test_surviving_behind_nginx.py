"""Two servers behind nginx: our own client goes on at the other one, whichever is killed or stopped under it."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from app.bench.target import reserve_port
from app.client.events import Event
from app.client.prompt_client import PromptClient
from tests.contract.test_surviving_sessions import CHUNKS, list_stored_at, run_gateways, say_whole
from tests.support.command import ServerProcess
from tests.support.database import PostgresServer
from tests.support.nginx import find_nginx, run_nginx

pytestmark = pytest.mark.once

HTTP = """
access_log off;
upstream gateways {{ {servers} }}
map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://gateways;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_next_upstream error;
        proxy_read_timeout 1h;
    }}
}}
"""


@contextmanager
def run_balancer(folder: Path, gateways: list[ServerProcess]) -> Iterator[str]:
    """nginx, which sends each connection to the next of the servers that are there; its address."""
    nginx = find_nginx()
    servers = " ".join(
        f"server {each.url.removeprefix('http://')} max_fails=1 fail_timeout=1s;" for each in gateways
    )
    with reserve_port() as port, run_nginx(nginx, folder, port, HTTP.format(servers=servers, port=port)):
        yield f"http://127.0.0.1:{port}"


async def find_busy(gateways: list[ServerProcess]) -> ServerProcess:
    """The server that has the dictation."""
    for gateway in gateways:
        with suppress(OSError):
            async with gateway.client() as http:
                if "prompter_sessions_open 1.0" in (await http.get("/metrics")).text:
                    return gateway
    raise AssertionError("no server has the dictation")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_our_own_client_goes_on_at_the_other_server(
    how: signal.Signals, postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    """Its server ends in the middle of the second sentence: no final is lost, and none comes twice."""
    url = postgres_server.create(postgres_template)
    async with run_gateways(url, tmp_path) as gateways:
        with run_balancer(tmp_path, gateways) as proxied:
            events: list[Event] = []
            ended: list[ServerProcess] = []

            async def speak() -> AsyncIterator[bytes]:
                for n, chunk in enumerate(CHUNKS):
                    if n == len(CHUNKS) // 2:
                        while not any(event.type == "final" for event in events):  # noqa: ASYNC110
                            await anyio.sleep(0.05)  # it has no other sign
                        ended.append(await find_busy(gateways))
                        ended[0].process.send_signal(how)
                        # A busy machine would hear all of it before it hears the signal.
                        while not any(event.type == "resumed" for event in events):  # noqa: ASYNC110
                            await anyio.sleep(0.05)
                    yield chunk

            async with PromptClient(proxied) as client:
                async for event in client.dictate(speak(), endpointing="command"):
                    events.append(event)  # noqa: PERF401  # the speaker looks at them meanwhile
        (other,) = [gateway for gateway in gateways if gateway is not ended[0]]
        told = [event.text for event in events if event.type == "final"]
        assert told == [text for _, text in await say_whole(other.url)]
        (dictation_id,) = {event.data["dictation_id"] for event in events if event.type == "ready"}
        assert await list_stored_at(other, dictation_id) == told

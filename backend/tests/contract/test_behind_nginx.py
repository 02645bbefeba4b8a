"""The recipes for nginx, of the guide and of deploy/, in front of a server: pages, streams, sockets, refusals."""

import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

from app.bench.target import reserve_port
from app.core.config import LlmSettings
from tests.conftest import ROOT
from tests.fakes.engine import FakeEngine
from tests.support.command import run_prompter
from tests.support.nginx import STARTS_S, find_nginx, run_nginx
from tests.support.server import serve_engine

pytestmark = pytest.mark.once

GUIDES = [ROOT / "docs" / "deployment.md", ROOT / "docs" / "es" / "deployment.md"]
FILE = ROOT / "deploy" / "nginx.conf"
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
BROWSER = {"Accept": "text/html"}


@dataclass(frozen=True)
class Site:
    """The server as it is reached through nginx."""

    url: str
    """With the port, which is not 443."""
    context: ssl.SSLContext
    folder: Path
    """With the logs of nginx."""

    @property
    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, verify=self.context, trust_env=False, timeout=20)


def read_recipe(guide: Path) -> str:
    (recipe,) = re.findall(r"```nginx\n(server \{.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    return str(recipe)


def read_file_recipe(folder: Path) -> str:
    """The file of deploy/. Its site without encryption, which sends everybody to https, is put on a socket file."""
    plain, encrypted = re.findall(r"^server \{.*?^\}\n", FILE.read_text(encoding="utf-8"), re.M | re.S)
    assert "return 308 https://$host$request_uri;" in plain
    before = FILE.read_text(encoding="utf-8").partition(plain)[0]
    return f"{before}{plain.replace('listen 80', f'listen unix:{folder}/plain')}{encrypted}"


@pytest.fixture(scope="module", params=["guide", "deploy"])
def site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    nginx, folder = find_nginx(), tmp_path_factory.mktemp("nginx")
    run_prompter("tls", "prompter.example", "--folder", folder)
    with (
        reserve_port() as port,
        serve_engine(
            FakeEngine(), allowed_hosts=["prompter.example"], llm=LlmSettings(discover=False)
        ) as served,
    ):
        recipe = read_recipe(GUIDES[0]) if request.param == "guide" else read_file_recipe(folder)
        for written, here in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("server_name prompter.example", "server_name _"),
            ("/etc/ssl/prompter.pem", f"{folder}/cert.pem"),
            ("/etc/ssl/prompter.key", f"{folder}/key.pem"),
            ("127.0.0.1:8000", served.url.removeprefix("http://")),
        ):
            assert written in recipe
            recipe = recipe.replace(written, here)
        with run_nginx(nginx, folder, port, f"access_log {folder}/access.log;\n{recipe}"):
            context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
            yield Site(f"https://localhost:{port}", context, folder)


def test_both_guides_have_the_same_recipe() -> None:
    assert len({read_recipe(guide) for guide in GUIDES}) == 1


def test_the_page_may_use_its_own_server(site: Site) -> None:
    """Browsers send the origin with the port; so must nginx send Host."""
    with site.http as http:
        assert http.get("/", headers=BROWSER).status_code == 200
        for origin in (site.url, None):
            answer = http.post(
                "/v1/chat/completions", json=CHAT, headers={"Origin": origin} if origin else {}
            )
            assert answer.json()["choices"][0]["message"]["content"] == "hello"
        with http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as streamed:
            assert streamed.read().endswith(b"data: [DONE]\n\n")


def test_the_address_of_a_shared_page_is_in_no_log_of_nginx(site: Site) -> None:
    """Whether it is answered, refused or sent to https; other addresses are logged as before."""
    token = "mR4aVn0c-x_2Zt9Qe7LkPwYd3Hs8Gf1JbUo5Xi6NvTA"
    with site.http as http:
        assert "There is nothing behind this link" in http.get(f"/s/{token}").text
        assert http.get(f"/s/{token}", headers={"Host": "unknown.example"}).status_code == 403
        assert http.get("/health").status_code == 200
    if (plain := site.folder / "plain").exists():
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(plain)), trust_env=False) as http:
            moved = http.get(f"http://prompter.example/s/{token}")
        assert (moved.status_code, moved.headers["location"]) == (308, f"https://prompter.example/s/{token}")
    deadline = time.monotonic() + STARTS_S
    while "GET /health" not in (site.folder / "access.log").read_text():
        assert time.monotonic() < deadline, "nginx writes a line after the answer is sent"
        time.sleep(0.02)
    logs = [(site.folder / name).read_text() for name in ("access.log", "error.log")]
    assert token not in "".join(logs)


async def test_a_socket_of_the_page_opens(site: Site) -> None:
    url = site.url.replace("https", "wss") + "/ws/stt"
    async with connect(url, ssl=site.context, origin=Origin(site.url), proxy=None) as opened:
        await opened.send('{"type":"ping","id":"7"}')
        assert '"pong"' in await opened.recv()


def test_other_pages_and_names_are_refused_with_their_reason(site: Site) -> None:
    with site.http as http:
        foreign = http.post("/v1/chat/completions", json=CHAT, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert f"'{site.url}' (Host)" in foreign.json()["error"]["message"]
        page = http.get("/", headers={**BROWSER, "Host": "unknown.example"})
        assert page.status_code == 403
        assert "PROMPTER_ALLOWED_HOSTS=" in page.text
        assert http.get("/", headers={**BROWSER, "Host": "prompter.example"}).status_code == 200
        assert http.get("/metrics").status_code == 404

"""The web app at `/`: who gets the page and who the JSON, headers, caches, and what stands there before it is built."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.api.web import wants_html
from tests.fakes.engine import FakeEngine
from tests.support.server import serve_engine

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGE = "<!doctype html><title>the page</title>"
SCRIPT = "console.log('the script');\n" * 40
FONT = b"wOF2" + bytes(60)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the web app, still empty."""
    monkeypatch.setattr("app.api.web.WEB_APP", tmp_path / "web")
    return tmp_path / "web"


@pytest.fixture
def http(built: Path) -> Iterator[httpx2.Client]:
    with serve_engine(FakeEngine()) as served, httpx2.Client(base_url=served.url, trust_env=False) as client:
        yield client


def build(folder: Path) -> None:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "index-AT-lBpFL.js").write_text(SCRIPT)
    (folder / "assets" / "index-AT-lBpFL.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets" / "theme.js").write_text("1")
    (folder / "assets" / "geist-latin-Ab_d1234.woff2").write_bytes(FONT)


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, */*", "", "text/html;q=0", "text/plain"]
)
def test_programs_get_json(built: Path, http: httpx2.Client, accept: str) -> None:
    build(built)
    response = http.get("/", headers={"Accept": accept})
    assert response.json() == {"status": "Chat API is running"}
    assert response.headers["vary"] == "Accept"


def test_browsers_get_the_page(built: Path, http: httpx2.Client) -> None:
    build(built)
    response = http.get("/", headers=BROWSER)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert (response.headers["cache-control"], response.headers["vary"]) == ("no-cache", "Accept")
    assert http.head("/", headers=BROWSER).status_code == 200


def test_the_page_is_kept_to_itself(built: Path, http: httpx2.Client) -> None:
    build(built)
    for path in ("/", "/assets/theme.js"):
        headers = http.get(path, headers=BROWSER).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "microphone=(self)" in headers["permissions-policy"]


def test_before_it_is_built_one_line_says_how(built: Path, http: httpx2.Client) -> None:
    response = http.get("/", headers=BROWSER)
    assert response.status_code == 200
    assert "make web" in response.text
    assert http.get("/assets/index.js").status_code == 404
    build(built)
    assert http.get("/", headers=BROWSER).text == PAGE, "seen without a new start"
    assert http.get("/assets/theme.js").text == "1"


def test_files_come_compressed_and_stay_in_the_cache(built: Path, http: httpx2.Client) -> None:
    build(built)
    address = "/assets/index-AT-lBpFL.js"
    small = http.get(address, headers={"Accept-Encoding": "gzip, br"})
    plain = http.get(address, headers={"Accept-Encoding": "identity"})
    assert small.text == plain.text == SCRIPT
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"])
    assert small.headers["content-type"] == plain.headers["content-type"]
    assert "javascript" in plain.headers["content-type"]
    assert "immutable" in small.headers["cache-control"]
    assert http.get("/assets/theme.js").headers["cache-control"] == "no-cache", "its name stays the same"
    again = http.get(address, headers={"If-None-Match": small.headers["etag"], "Accept-Encoding": "gzip"})
    assert again.status_code == 304


def test_a_font_has_its_type_on_every_system(
    built: Path, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system's list of types lacks it, as Python's own does."""
    monkeypatch.setattr("starlette.responses.guess_type", lambda _path: (None, None))
    build(built)
    font = http.get("/assets/geist-latin-Ab_d1234.woff2", headers={"Accept-Encoding": "gzip"})
    assert font.content == FONT
    assert font.headers["content-type"] == "font/woff2"
    assert "immutable" in font.headers["cache-control"]
    assert "content-encoding" not in font.headers, "it is compressed already"


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/nothing.js", "/assets/..%2findex.html", "/assets/%2e%2e/index.html"]
)
def test_nothing_else_is_served(built: Path, http: httpx2.Client, path: str) -> None:
    build(built)
    assert http.get(path, headers=BROWSER).status_code == 404


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", True),
        ("TEXT/HTML; level=1", True),
        ("a/b, text/html;q=0.1", True),
        ("text/html;q=0.0", False),
    ],
)
def test_who_wants_html(accept: str, expected: bool) -> None:
    assert wants_html(accept) is expected

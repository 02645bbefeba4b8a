"""The web app at `/`: who gets the page and who the JSON, headers, caches, and what stands there before it is built."""

import gzip
import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from pathlib import Path

import httpx2
import pytest

from app.api.web import wants_html
from app.core.config import Settings, WebSettings
from app.core.theme_file import ThemeFileError
from app.main import create_app
from tests.fakes.engine import FakeEngine
from tests.support.server import serve_engine

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGE = "<!doctype html><title>the page</title>"
FRAME_SCRIPT = "let drawing;\nlet more;"
FRAME = f"<!doctype html><title>Diagram</title><body><script>{FRAME_SCRIPT}</script></body>"
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
    write_frame(folder, FRAME)
    (folder / "assets" / "geist-latin-Ab_d1234.woff2").write_bytes(FONT)


def write_frame(folder: Path, page: str) -> None:
    (folder / "assets" / "diagram.html").write_text(page)
    (folder / "assets" / "diagram.html.gz").write_bytes(gzip.compress(page.encode()))


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


def name_hash(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def test_the_frame_of_diagrams_has_a_policy_of_its_own(built: Path, http: httpx2.Client) -> None:
    """It runs one script and reaches nothing; and it is the only file that may stand in a frame."""
    build(built)
    page = http.get("/assets/diagram.html", headers=BROWSER)
    assert (page.text, page.headers["content-encoding"]) == (FRAME, "gzip")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": name_hash(FRAME_SCRIPT),
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-scripts",
    }
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert page.headers["cache-control"] == "no-cache"
    again = http.get("/assets/diagram.html", headers={**BROWSER, "If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]


def test_a_new_build_of_the_frame_has_a_new_policy(built: Path, http: httpx2.Client) -> None:
    build(built)
    assert name_hash(FRAME_SCRIPT) in http.get("/assets/diagram.html").headers["content-security-policy"]
    write_frame(built, FRAME.replace("more", "less"))
    written_ns = (built / "assets" / "diagram.html").stat().st_mtime_ns + 10**9
    os.utime(built / "assets" / "diagram.html", ns=(written_ns, written_ns))
    policy = http.get("/assets/diagram.html").headers["content-security-policy"]
    assert name_hash(FRAME_SCRIPT.replace("more", "less")) in policy


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


THEME = {"prompter-theme": 1, "name": '"><script>', "light": {"page": "#f0f0f0"}, "dark": {"ink": "#ffffff"}}


def test_the_theme_of_the_operator_is_a_style_sheet_of_the_page(built: Path, tmp_path: Path) -> None:
    """It is linked after the page's own, kept in caches under its hash, and needs no looser policy."""
    build(built)
    (built / "index.html").write_text('<head><link rel="stylesheet" href="/assets/index.css"></head><body>')
    path = tmp_path / "theme.json"
    path.write_text(json.dumps(THEME))
    settings = Settings(_env_file=None, web=WebSettings(theme=str(path)))
    with (
        serve_engine(FakeEngine(), web=settings.web) as served,
        httpx2.Client(base_url=served.url, trust_env=False) as client,
    ):
        page = client.get("/", headers=BROWSER)
        link = re.search(
            r'index\.css"><link rel="stylesheet" href="(/assets/theme-\w{8}\.css)" data-theme="([^"]*)"></head>',
            page.text,
        )
        assert link is not None
        assert json.loads(unescape(link[2])) == {
            **THEME,
            "dark": {"ink": "#ffffff", "code-ink": "#ffffff"},
            "shape": {},
        }
        assert "unsafe" not in page.headers["content-security-policy"]
        sheet = client.get(link[1])
        assert sheet.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in sheet.headers["cache-control"]
        assert ":root.dark:not(.contrast){--ink:255 255 255" in sheet.text
        assert client.head(link[1]).status_code == 200
        assert client.post(link[1]).status_code == 405
        assert client.get("/assets/theme.js").text == "1"
    path.write_text("{}")
    with pytest.raises(ThemeFileError):
        create_app(settings)


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

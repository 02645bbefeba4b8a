"""The headers of every answer, and those of CORS."""

from typing import Any

from app import __version__
from app.api.headers import EXPOSED_HEADERS, add_common_headers, make_cors_options
from app.core.config import Settings
from app.main import create_app


def test_a_header_that_an_answer_has_stays() -> None:
    message: dict[str, Any] = {
        "type": "http.response.start",
        "headers": [(b"content-security-policy", b"sandbox")],
    }
    add_common_headers(message, "7")
    headers = {name.decode(): value.decode() for name, value in message["headers"]}
    assert headers["content-security-policy"] == "sandbox"
    assert (headers["x-request-id"], headers["x-prompter"]) == ("7", __version__)
    assert headers["x-content-type-options"] == "nosniff"


def test_only_listed_origins_may_send_credentials() -> None:
    options = make_cors_options(Settings(_env_file=None, allowed_origins=["https://app.example"]))
    assert (options["allow_origins"], options["allow_credentials"]) == (["https://app.example"], True)
    assert "*" not in str(options["allow_origins"])


def test_an_allowed_page_can_read_every_documented_header() -> None:
    schema = create_app(Settings(_env_file=None)).openapi()
    described = {
        header
        for path in schema["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for header in response.get("headers", {})
    }
    assert described >= {"Link", "Content-Disposition"}
    assert described <= set(EXPOSED_HEADERS)

"""Errors in OpenAI's shape: type, status and headers."""

import pytest

from app.core.errors import (
    BadRequest,
    EngineFailed,
    PrompterError,
    ProviderNotReady,
    Unauthorized,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTruncated,
)
from app.schemas.openai_errors import (
    describe_openai_error,
    make_error_headers,
    make_openai_error,
    to_openai_error,
    to_openai_status,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    error = make_openai_error("code", "words", status, "model")["error"]
    assert error == {"message": "words", "type": kind, "param": "model", "code": "code"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("x"), 400),
        (UpstreamError("x", upstream_status=404), 404),
        (UpstreamError("x", upstream_status=422), 400),
        (UpstreamError("x", upstream_status=500), 502),
        (UpstreamError("x"), 502),
    ],
)
def test_an_upstreams_status_is_passed_on_where_it_concerns_the_client(
    error: PrompterError, status: int
) -> None:
    assert to_openai_status(error) == status
    assert to_openai_error(error)["error"]["message"] == "x"


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Unauthorized("x"), {"WWW-Authenticate": "Bearer", "X-Should-Retry": "false"}),
        (UpstreamRateLimited("x", retry_after_s=1.2), {"Retry-After": "2"}),
        (ProviderNotReady("x"), {"X-Should-Retry": "false"}),
        (ProviderNotReady("x", retry_after_s=5.0), {"Retry-After": "5"}),
        (EngineFailed("x"), {"X-Should-Retry": "false"}),
        (UpstreamTruncated("x"), {"X-Should-Retry": "false"}),
        (UpstreamError("x"), {}),
    ],
)
def test_headers_say_whether_to_try_again(error: PrompterError, headers: dict[str, str]) -> None:
    assert make_error_headers(error, to_openai_status(error)) == headers


def test_a_route_shows_an_example_of_each_case() -> None:
    entry = describe_openai_error("not there", absent=("model_not_found", "no such model", 404, "model"))
    examples = entry["content"]["application/json"]["examples"]
    assert entry["description"] == "not there"
    assert examples["absent"]["value"] == make_openai_error("model_not_found", "no such model", 404, "model")

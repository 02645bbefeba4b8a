"""What routes depend on: the caller, and the services of the application that serves the request."""

import pytest
from starlette.requests import HTTPConnection

from app.api.deps import get_caller, get_resources
from app.core.config import Settings
from app.core.errors import Unauthorized
from app.core.security import LOCAL_CALLER, Caller
from app.main import create_app


def connection(caller: Caller | None) -> HTTPConnection:
    return HTTPConnection({"type": "http", "state": {"caller": caller}})


async def test_the_caller_is_the_one_that_the_middleware_found() -> None:
    assert await get_caller(connection(LOCAL_CALLER)) is LOCAL_CALLER


async def test_a_route_that_is_open_to_everyone_has_no_caller() -> None:
    with pytest.raises(Unauthorized, match="needs `Authorization: Bearer`"):
        await get_caller(connection(None))


def test_each_application_has_services_of_its_own() -> None:
    apps = [create_app(Settings(_env_file=None, log_level=level)) for level in ("info", "error")]
    found = [get_resources(HTTPConnection({"type": "http", "app": app})) for app in apps]
    assert [resources.settings.log_level for resources in found] == ["info", "error"]
    assert found[0].stt is not found[1].stt

"""The application: made of settings and registrations, described whole, and made for uvicorn only when asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import main
from app.api.deps import Resources
from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.providers.registry import Registration, Registrations
from app.storage.data_folder import KEY_FILE
from app.toolsets.base import FunctionToolset
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat


def registration(name: str, made: object) -> dict[str, Registration]:
    return {name: Registration(name, lambda: lambda _settings: made, "tests")}


async def test_registrations_take_the_place_of_what_is_built_in_and_installed() -> None:
    engine, chat, toolset = FakeEngine(), FakeChat(), FunctionToolset("mine", "a test's")
    bot = {"model": "fake/tiny", "toolsets": ["mine"]}
    settings = Settings(
        _env_file=None,
        stt={"provider": "fake"},
        llm={"provider": "fake"},
        assistants={"shipped": False, "named": {"bot": bot}},
    )
    app = main.create_app(
        settings,
        registrations=Registrations(
            stt=registration("fake", engine),
            llm=registration("fake", chat),
            toolsets=registration("mine", toolset),
        ),
    )
    resources: Resources = app.state.resources
    assert [item.name for item in await resources.stt.list_states()] == ["fake"]
    assert [item.name for item in await resources.catalog.list_states()] == ["fake", "bot"]
    assert (await resources.catalog.resolve(None)).chat is chat
    assert (await resources.catalog.resolve("bot")).id == "bot"
    assert list(await resources.stt.list_models()) == ["fake"]


def test_the_schema_has_the_messages_of_the_socket_and_the_events_of_an_answer() -> None:
    schemas = main.create_app(Settings(_env_file=None)).openapi()["components"]["schemas"]
    assert {"ClientMessage", "ServerEvent", "GenerateEvent", "DoneEvent"} <= schemas.keys()


async def test_a_first_start_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    """It leaves an empty database, and no key beside it that would show that the database was used."""
    settings = Settings(_env_file=None, data_dir=tmp_path, accounts={"mode": "accounts"})
    (tmp_path / "prompter.db-journal").mkdir()
    for _ in range(2):
        app = main.create_app(settings)
        with pytest.raises(StorageUnavailable, match="its file cannot be"):
            async with app.router.lifespan_context(app):
                pass
    assert (tmp_path / "prompter.db").stat().st_size == 0
    (tmp_path / "prompter.db-journal").rmdir()
    app = main.create_app(settings)
    async with app.router.lifespan_context(app):
        assert (tmp_path / KEY_FILE).exists()


def test_importing_the_module_reads_no_settings() -> None:
    code = "import os; os.environ['PROMPTER_LOG_LEVEL'] = 'nonsense'; import app.main; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "imported"


def test_the_module_has_no_other_lazy_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'application'"):
        getattr(main, "application")  # noqa: B009  # an attribute that does not exist


def test_every_body_may_be_too_large() -> None:
    paths = main.create_app(Settings(_env_file=None)).openapi()["paths"]
    bodies = [
        operation for path in paths.values() for operation in path.values() if "requestBody" in operation
    ]
    assert bodies
    assert all("413" in operation["responses"] for operation in bodies)

"""Engines of decode workers behind the protocols of a local engine: states, sessions, incremental utterances."""

import pytest

from app.core.errors import ProviderNotReady, UnknownModel
from app.providers.base import SttConfig
from app.schemas.providers import ProviderState
from app.services.tier.remote_engine import RemoteEngine
from tests.support.tier import Cluster


async def test_without_a_worker_the_engine_says_so() -> None:
    async with Cluster().run() as cluster:
        engine = cluster.build()
        assert isinstance(engine, RemoteEngine)
        assert (await engine.status()).state is ProviderState.UNREACHABLE
        with pytest.raises(ProviderNotReady, match="prompter worker"):
            await engine.open_session(SttConfig())
        assert "prompter worker" in cluster.workers.problem


async def test_what_a_worker_refuses_is_refused_here() -> None:
    async with Cluster().run() as cluster:
        await cluster.add()
        with pytest.raises(UnknownModel):
            await cluster.build().open_session(SttConfig(model="other"))
        assert cluster.workers.problem == ""

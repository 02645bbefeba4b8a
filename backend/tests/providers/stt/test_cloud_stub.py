"""The mock says exactly what the protocol promises of it."""

import pytest

from app.core.config import Settings
from app.core.errors import UnknownModel
from app.providers.base import RawSttSession, SttConfig
from app.providers.stt.cloud_stub import CloudStubProvider


async def test_every_chunk_gives_a_partial_and_every_third_a_final_as_well() -> None:
    session = await CloudStubProvider(Settings()).open_session(SttConfig())
    answers = [list(session.accept_chunk(b"\0\0")) for _ in range(7)]

    assert answers[0] == [("partial", "(mock) escuchando... chunk=1")]
    assert answers[1] == [("partial", "(mock) escuchando... chunk=2")]
    assert answers[2] == [
        ("partial", "(mock) escuchando... chunk=3"),
        ("final", "(mock) transcripción final #1"),
    ]
    assert answers[5][1] == ("final", "(mock) transcripción final #2")
    assert answers[6] == [("partial", "(mock) escuchando... chunk=7")]


async def test_it_is_a_raw_audio_engine_and_says_so() -> None:
    provider = CloudStubProvider(Settings())
    assert provider.capabilities.raw_audio
    assert isinstance(await provider.open_session(SttConfig()), RawSttSession)


async def test_sessions_count_for_themselves() -> None:
    provider = CloudStubProvider(Settings())
    first, second = await provider.open_session(SttConfig()), await provider.open_session(SttConfig())
    first.accept_chunk(b"\0\0")
    assert second.accept_chunk(b"\0\0") == [("partial", "(mock) escuchando... chunk=1")]


async def test_it_has_no_model_to_choose() -> None:
    with pytest.raises(UnknownModel, match="has no models; leave `model` out"):
        await CloudStubProvider(Settings()).open_session(SttConfig(model="base"))

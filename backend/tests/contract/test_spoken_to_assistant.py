"""From a spoken Spanish question to an assistant's answer out of a shop's data, over the real doors."""

import asyncio
from collections.abc import Iterator

import pytest

from app.client.prompt_client import PromptClient
from app.core.config import Settings
from app.toolsets.loft import demo_shop
from prompter import open_recording
from tests.conftest import SAMPLES
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.fakes.shop_model import MODEL, ShopModel
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import run_server

pytest.importorskip("pydantic_ai", reason="the extra [tools] is not installed")
SAMPLE = SAMPLES / "es_estado_pedido_16k.wav"


@pytest.fixture(scope="module")
def model() -> Iterator[BackgroundUpstream]:
    with run_in_background(ShopModel()) as fake:
        yield fake


@pytest.fixture(scope="module")
def shop(model: BackgroundUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("shop"),
        llm={
            "openai_compat": {"base_url": model.base_url, "api_key": "k", "model": MODEL},
            "discover": False,
        },
        stt={"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}},
    )
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    with run_server(settings) as server:
        yield server.url


async def test_a_spoken_question_is_answered_from_the_shop(shop: str, model: BackgroundUpstream) -> None:
    """Dictated, sent by its session, looked up, answered in pieces; the model had to ask for what it says."""
    async with PromptClient(shop) as client:
        recording = open_recording(str(SAMPLE))
        events = [
            event
            async for event in client.dictate(
                recording.chunks, sample_rate=recording.sample_rate, session_id="s1", lang="es"
            )
        ]
        said = " ".join(event.text for event in events if event.type == "final").strip()
        assert said == SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
        async with asyncio.timeout(30):
            pieces = [piece async for piece in client.generate_stream(session_id="s1", provider="loft-chat")]
    assert "".join(pieces) == "El pedido ORD001 está enviado y suma 380.80 (datos de demostración)."
    assert len(pieces) > 3
    asked, told = model.fake.bodies
    assert asked["messages"][-1] == {"role": "user", "content": said}
    assert told["messages"][-1]["role"] == "tool"

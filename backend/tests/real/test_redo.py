"""Real weights: Spanish that was dictated as English by mistake is heard again as Spanish."""

import anyio
import httpx2
import pytest

from tests.conftest import SPEECH, read_wav
from tests.real.recall import Heard, assert_understood, list_human_clips
from tests.support.speech_client import close_sockets, connect_speech_client

pytestmark = pytest.mark.timeout(600)

PATIENCE_S = 120.0


@pytest.mark.skipif(not SPEECH.is_dir(), reason="the recordings are not beside this checkout")
async def test_a_wrong_language_is_mended(real_server: str) -> None:
    clip = next(clip for clip in list_human_clips("es") if clip.id == "es_fleurs_006")
    samples, rate_hz = read_wav(clip.path)
    async with connect_speech_client(real_server) as client:
        ready = await client.start(provider="whisper_local", lang="en", sample_rate=rate_hz)
        for at in range(0, len(samples), rate_hz // 5):
            await client.connection.send(samples[at : at + rate_hz // 5].tobytes())
        with anyio.fail_after(PATIENCE_S):
            await client.stop()
    await close_sockets()
    path = f"/api/dictations/{ready['dictation_id']}"
    async with httpx2.AsyncClient(base_url=real_server, trust_env=False, timeout=30) as http:
        with anyio.fail_after(PATIENCE_S):
            while not (await http.get(path)).json().get("audio"):  # noqa: ASYNC110  # the server puts it away
                await anyio.sleep(0.1)
            begun = await http.post(f"{path}/redo", json={"provider": "whisper_local", "lang": "es"})
            assert begun.status_code == 202, begun.text
            version = f"{path}/versions/{begun.json()['id']}"
            while (made := (await http.get(version)).json())["status"] == "working":  # noqa: ASYNC110
                await anyio.sleep(0.2)
    assert (made["status"], made["lang"], made["current"]) == ("done", "es", True)
    assert_understood([Heard(clip, made["text"])], kept=0.8, invented=0.2)
    assert all(item["words"] for item in made["items"])

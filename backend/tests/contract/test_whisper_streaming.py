"""Whisper through a real server: text appears while one speaks, finals are verbatim, eager finals keep their word."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.core.config import Settings
from tests.conftest import SAMPLES, read_wav
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import run_server
from tests.support.speech_client import Event, SpeechClient, connect_speech_client, list_texts

pytestmark = pytest.mark.once

ASKED = ["speech_started", "utterance_discarded", "eager_final", "turn_resumed"]
SPOKEN = sorted(path for path in SAMPLES.glob("*.wav") if path.with_suffix(".txt").stat().st_size)


@pytest.fixture(scope="module", params=["short", "full"])
def whisper_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server whose finals are decoded in this window."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    whisper = {"model": str(SAMPLES_CHECKPOINT), "final_window": request.param}
    with run_server(
        Settings(_env_file=None, stt={"provider": "whisper_local", "whisper_local": whisper})
    ) as server:
        yield server.url


async def dictate(
    client: SpeechClient,
    path: Path,
    *,
    waits: dict[float, str] | None = None,
    endpointing: str = "conversation",
) -> None:
    """Send a recording and stop; after so many seconds of it, wait for an event of this type."""
    audio, rate_hz = read_wav(path)
    audio = np.concatenate((audio, np.zeros(int(1.5 * rate_hz), np.int16)))
    await client.start(sample_rate=rate_hz, events=ASKED, endpointing=endpointing)
    at = 0
    for seconds, kind in (waits or {}).items():
        until = int(seconds * rate_hz)
        await client.connection.send(audio[at:until].tobytes())
        await client.until(kind)
        at = until
    for begin in range(at, len(audio), rate_hz // 5):
        await client.connection.send(audio[begin : begin + rate_hz // 5].tobytes())
    await client.stop()


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: path.stem)
async def test_finals_are_what_was_said(whisper_server: str, path: Path) -> None:
    async with connect_speech_client(whisper_server) as client:
        await dictate(client, path)
        assert (
            " ".join(list_texts(client.events))
            == path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        )
        holds(client.events)


async def test_partials_appear_while_one_speaks(whisper_server: str) -> None:
    """They grow into the final, and their stable part is its beginning."""
    path = SAMPLES / "en_two_requests_16k.wav"
    async with connect_speech_client(whisper_server) as client:
        await dictate(client, path, waits={1.4: "partial", 2.2: "partial", 3.0: "partial", 4.4: "final"})
        mine = [event for event in client.events if event.get("utterance_id") == 1]
        [final] = [event for event in mine if event["type"] == "final"]
        partials = [event for event in mine if event["type"] == "partial"]
        assert [event["type"] for event in mine][:2] == ["speech_started", "partial"]
        assert len(partials) >= 3
        assert partials[-1]["stable"]
        assert all(final["text"].startswith(event["stable"]) for event in partials)
        holds(client.events)


async def test_a_final_is_there_before_the_silence_is_long_enough(whisper_server: str) -> None:
    path = SAMPLES / "en_reverse_list_16k.wav"
    async with connect_speech_client(whisper_server) as client:
        await dictate(client, path, waits={read_wav(path)[0].size / 16_000: "eager_final"})
        eager, final = (e for e in client.events if e["type"] in ("eager_final", "final"))
        assert eager["text"] == final["text"] == path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        assert (eager["timing"]["endpoint_ms"], final["timing"]["endpoint_ms"]) == (256, 608)
        assert final["timing"]["decode_ms"] < eager["timing"]["decode_ms"]


async def test_a_pause_inside_an_utterance_takes_the_eager_final_back(whisper_server: str) -> None:
    """Two sentences with two seconds for a pause: what stood after the first is void when the second begins."""
    path = SAMPLES / "en_two_requests_16k.wav"
    async with connect_speech_client(whisper_server) as client:
        await dictate(client, path, waits={3.6: "eager_final"}, endpointing="hands_free")
        kinds = [event["type"] for event in client.events]
        assert kinds.index("eager_final") < kinds.index("turn_resumed") < kinds.index("final")
        assert list_texts(client.events) == [path.with_suffix(".txt").read_text(encoding="utf-8").strip()]
        holds(client.events)


@pytest.mark.parametrize("name", ["noise_48k", "silence_16k"])
async def test_what_is_no_speech_is_no_final(whisper_server: str, name: str) -> None:
    async with connect_speech_client(whisper_server) as client:
        await dictate(client, SAMPLES / f"{name}.wav")
        assert list_texts(client.events) == []


def holds(events: list[Event]) -> None:
    """A final equals its eager final unless that was taken back; revisions count; stable only grows."""
    standing: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "eager_final":
                assert event["utterance_id"] not in standing
                standing[event["utterance_id"]] = event["text"]
            case "turn_resumed":
                del standing[event["utterance_id"]]
            case "final":
                assert standing.get(event["utterance_id"], event["text"]) == event["text"]
    shown = [event for event in events if "revision" in event]
    for _, mine in itertools.groupby(shown, key=lambda event: event["utterance_id"]):
        of_one = list(mine)
        assert [event["revision"] for event in of_one] == sorted({event["revision"] for event in of_one})
        stables = [event["stable"] for event in of_one if event["type"] == "partial"]
        assert all(after.startswith(before) for before, after in itertools.pairwise(stables))

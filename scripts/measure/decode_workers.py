"""Tries decode workers on a real Ray cluster of this machine, and measures what a call takes.

python scripts/measure/decode_workers.py        needs the extra `ray` and models/whisper-samples; takes a minute or two

A head, a worker, and a server's side: the same text as in this process, a killed worker, a stranger without the token.
Exits with 1 if something is not as it should be.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from prometheus_client import CollectorRegistry  # noqa: E402  # the path above comes first

from app.core.config import DecodeSettings, Settings  # noqa: E402
from app.core.metrics import TierMetrics  # noqa: E402
from app.providers.base import SttConfig, WindowRequest, WindowResult  # noqa: E402
from app.providers.registry import list_stt_registrations  # noqa: E402
from app.providers.stt.whisper.provider import WhisperSession  # noqa: E402
from app.providers.tier.ray_link import RayLink  # noqa: E402
from app.services.decoding.policy import Job, Priority  # noqa: E402
from app.services.decoding.scheduler import Scheduler  # noqa: E402
from app.services.tier.calls import CloseStream, Place  # noqa: E402
from app.services.tier.remote_engine import RemoteWindowSession, offer_remote  # noqa: E402
from app.services.tier.workers import Workers  # noqa: E402
from tests.support.checkpoints import SAMPLES_CHECKPOINT, load_whisper  # noqa: E402
from tests.support.ray_cluster import START_S, RayCluster, WorkerProcess, run_ray  # noqa: E402
from tests.support.tier import until  # noqa: E402

ENGINE = "whisper_local"
CONFIG = SttConfig(words=True)
CALLS = 200
DECODES = 20


class Try:
    """The server's side of one cluster."""

    def __init__(self, cluster: RayCluster, worker: WorkerProcess) -> None:
        self._worker = worker
        self._scheduler = Scheduler(1, time.monotonic)
        settings = DecodeSettings(tier="ray", address=cluster.address)
        self._metrics = CollectorRegistry()
        self._link = RayLink(settings)
        self._workers = Workers(self._link, settings, self._scheduler, TierMetrics(self._metrics))
        self._settings = Settings.model_validate({"stt": {ENGINE: {"model": str(SAMPLES_CHECKPOINT)}}})
        samples = load_whisper().english
        self._request = WindowRequest(
            samples=samples, speech_samples=len(samples), final=True, window="short", words=True
        )

    async def run(self) -> None:
        """All of it, a line for each thing."""
        registration = list_stt_registrations()[ENGINE]
        local = registration.load()(self._settings)
        await local.start()
        async with self._workers.run():
            began_s = time.monotonic()
            await until(lambda: self._workers.names == [self._worker.name], START_S)
            print(f"joined and found the worker in {time.monotonic() - began_s:.1f} s")
            offered = offer_remote({ENGINE: registration}, self._workers, self._scheduler)
            here = await local.open_session(CONFIG)
            there = await offered[ENGINE].load()(self._settings).open_session(CONFIG)
            assert isinstance(here, WhisperSession)
            assert isinstance(there, RemoteWindowSession)
            await self._measure_calls()
            await self._compare(here, there)
            await self._kill(here, there)

    async def _measure_calls(self) -> None:
        call = CloseStream(place=Place(gateway="", session=0, engine="", config=CONFIG), stream=0)
        times_ms = []
        for _ in range(CALLS):
            began_s = time.perf_counter()
            await self._link.call(self._worker.name, call)
            times_ms.append((time.perf_counter() - began_s) * 1000)
        print(
            f"an empty call: median {statistics.median(times_ms):.2f} ms, "
            f"p95 {statistics.quantiles(times_ms, n=20)[-1]:.2f} ms"
        )

    async def _compare(self, here: WhisperSession, there: RemoteWindowSession) -> None:
        took_ms: dict[str, list[float]] = {"here": [], "there": []}
        for _ in range(DECODES):
            for name, session in (("here", here), ("there", there)):
                began_s = time.perf_counter()
                result = await self._decode(session)
                took_ms[name].append((time.perf_counter() - began_s) * 1000 - result.decode_ms)
                check(result.text == load_text(), "the text is that of this process")
        around = {name: statistics.median(times) for name, times in took_ms.items()}
        print(
            f"around a decode of {len(self._request.samples) / 16_000:.1f} s: "
            f"{around['here']:.2f} ms in this process, {around['there']:.2f} ms at a worker"
        )

    async def _kill(self, here: WhisperSession, there: RemoteWindowSession) -> None:
        expected = await self._decode(here)
        decodes = [asyncio.ensure_future(self._decode(there)) for _ in range(4)]
        await asyncio.sleep(0.01)
        self._worker.kill_actor()
        began_s = time.monotonic()
        results = await asyncio.gather(*decodes)
        redone = self._metrics.get_sample_value("prompter_tier_redone_total")
        check(all(result.text == expected.text for result in results), "no final is lost with its worker")
        print(
            f"the only worker was killed: {len(results)} of {len(decodes)} finals are there after "
            f"{time.monotonic() - began_s:.1f} s, {redone:g} decoded again"
        )

    async def _decode(self, session: WhisperSession | RemoteWindowSession) -> WindowResult:
        job = Job(
            session=1,
            priority=Priority.FINAL,
            audio_s=1.0,
            deadline=self._scheduler.now() + 1,
            cost_key="try",
        )
        return await self._scheduler.run(job, lambda: session.decode(self._request))


def load_text() -> str:
    return (ROOT / "samples" / "en_reverse_list_16k.txt").read_text(encoding="utf-8").strip()


def check(holds: bool, what: str) -> None:
    """Exit where something is not as it should be."""
    if not holds:
        sys.exit(f"WRONG: {what}")


def main() -> None:
    """Start a cluster, try it, and end it."""
    with tempfile.TemporaryDirectory() as folder, run_ray(Path(folder)) as cluster:
        stranger = cluster.start_stranger(RAY_AUTH_TOKEN="0" * 32)  # no token of anybody
        began_s = time.monotonic()
        with cluster.run_worker(
            "worker",
            PROMPTER_STT__PROVIDER=ENGINE,
            PROMPTER_STT__WHISPER_LOCAL__MODEL=str(SAMPLES_CHECKPOINT),
        ) as worker:
            print(f"{worker.name} was there {time.monotonic() - began_s:.1f} s after its start")
            asyncio.run(Try(cluster, worker).run())
        said, _ = stranger.communicate(timeout=START_S)
        check(stranger.returncode != 0 and b"InvalidAuthToken" in said, "a stranger is refused")
        print("a stranger without the token was refused: InvalidAuthToken")
    os._exit(0)


if __name__ == "__main__":
    main()

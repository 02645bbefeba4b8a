"""A dictation is heard again: with another engine, model or language, one at a time, and nothing half written."""

import io
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import anyio
import numpy as np
import pytest

from app.core.config import Settings
from app.core.errors import (
    AudioNotKept,
    LanguageNotSupported,
    NotFound,
    PrompterError,
    RedoUnderWay,
    ServerFull,
    UnknownModel,
    UnknownProvider,
)
from app.core.idempotency import RequestKey, make_request_key
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import make_scheduler
from app.services.dictation.redo import MAX_VERSIONS, RedoRequest, RedoService, Version
from app.services.transcription.job import TranscriptionService
from app.storage import dictation_versions, dictations
from app.storage.database import Database
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.database import store_dictation
from tests.support.server import fake_settings, with_engine
from tests.support.speech_client import make_sentence

RATE_HZ = 16_000


@dataclass
class FakeAudio:
    """The kept audio of dictations, in memory."""

    wavs: dict[UUID, bytes] = field(default_factory=dict)
    fault: BaseException | None = None

    def find(self, user_id: UUID, dictation_id: UUID) -> Any:
        return self.wavs.get(dictation_id)

    async def forget(self, dictation_id: UUID) -> None:
        self.wavs.pop(dictation_id, None)

    async def write_wav(self, user_id: UUID, dictation_id: str, file: BinaryIO) -> Any:
        if self.fault is not None:
            raise self.fault
        if (wav := self.wavs.get(UUID(dictation_id))) is None:
            raise AudioNotKept("it is not kept")
        file.write(wav)
        file.seek(0)

    def keep(self, dictation_id: UUID, pcm: bytes) -> None:
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE_HZ)
            out.writeframes(pcm)
        self.wavs[dictation_id] = file.getvalue()


@dataclass
class Bench:
    """A service with a fake engine, a dictation whose audio is kept, and its owner."""

    redo: RedoService
    engine: FakeEngine
    audio: FakeAudio
    database: Database
    transcriptions: TranscriptionService
    owner: UUID
    dictation: UUID

    async def begin(self, key: RequestKey | None = None, **request: Any) -> Version:
        return await self.redo.begin(self.owner, str(self.dictation), RedoRequest(**request), key)

    async def finished(self, version: Version) -> Version:
        with anyio.fail_after(20):
            while True:
                found, *_ = await self.redo.get(self.owner, str(self.dictation), str(version.stored.id))
                if found.stored.status != "working":
                    return found
                await anyio.sleep(0.02)

    async def count(self) -> int:
        async with self.database.read() as session:
            return await dictation_versions.count(session, self.dictation)


@pytest.fixture
async def bench(database: Database, ana: UUID) -> AsyncIterator[Bench]:
    script = Script(final=lambda _: "hola qué tal", languages=("en", "es"))
    engine = FakeEngine(script)
    settings: Settings = fake_settings()
    scheduler = make_scheduler(settings.scheduler)
    engines = SttProviders(settings, scheduler, with_engine(engine).stt)
    transcriptions = TranscriptionService(settings, engines, scheduler)
    audio = FakeAudio()
    dictation = await store_dictation(database, ana, "ola que tal")
    audio.keep(dictation, make_sentence())

    async def nothing_waits() -> None:
        """All finals are stored."""

    redo = RedoService(settings, database, audio, engines, transcriptions, nothing_waits)
    yield Bench(redo, engine, audio, database, transcriptions, ana, dictation)
    await engines.aclose()


async def test_it_is_heard_with_what_was_asked(bench: Bench) -> None:
    async with bench.redo.tasks.run():
        version = await bench.begin(provider="fake", model="large", lang="es", vocabulary=("Ñandú",))
        assert (version.stored.status, version.stored.provider, version.stored.model) == (
            "working",
            "fake",
            "large",
        )
        done = await bench.finished(version)
        assert (done.stored.status, done.stored.text, done.stored.is_current) == (
            "done",
            "hola qué tal",
            True,
        )
        _, (final,), _ = await bench.redo.get(bench.owner, str(bench.dictation), str(version.stored.id))
        assert [word["word"] for word in final.words or ()] == ["hola", "qué", "tal"]
        assert final.end_ms is not None
        config = bench.engine.sessions[-1].config
        assert (config.lang, config.model, config.words, config.vocabulary) == (
            "es",
            "large",
            True,
            ("Ñandú",),
        )
        assert not config.partials
        assert bench.engine.all_closed
        assert bench.transcriptions.open_jobs == 0
        _, live, (listed,) = await bench.redo.list_all(bench.owner, str(bench.dictation))
        assert [one.text for one in live] == ["ola que tal"]
        assert listed.stored.id == version.stored.id


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"provider": "nobody"}, UnknownProvider),
        ({"provider": "fake", "model": "nothing"}, UnknownModel),
        ({"lang": "qu"}, LanguageNotSupported),
    ],
)
async def test_what_is_not_there_is_told_at_once(
    bench: Bench, request_: dict[str, Any], error: type[PrompterError]
) -> None:
    async with bench.redo.tasks.run():
        with pytest.raises(error):
            await bench.begin(**request_)
        assert await bench.count() == 0
        assert bench.transcriptions.open_jobs == 0


async def test_without_its_audio_or_of_another_user_it_is_refused(bench: Bench, bob: UUID) -> None:
    async with bench.redo.tasks.run():
        with pytest.raises(NotFound) as unknown:
            await bench.redo.begin(bob, str(bench.dictation), RedoRequest(), None)
        assert not isinstance(unknown.value, AudioNotKept)
        bench.audio.wavs.clear()
        with pytest.raises(AudioNotKept):
            await bench.begin()
        assert await bench.count() == 0


async def test_the_audio_alone_is_deleted_by_its_user(bench: Bench, bob: UUID) -> None:
    async with bench.redo.tasks.run():
        for owner in (bob, bench.owner):
            assert bench.audio.wavs
            if owner == bob:
                with pytest.raises(NotFound):
                    await bench.redo.delete_audio(owner, str(bench.dictation))
            else:
                await bench.redo.delete_audio(owner, str(bench.dictation))
        assert not bench.audio.wavs


async def test_audio_that_goes_meanwhile_is_told(bench: Bench) -> None:
    async with bench.redo.tasks.run():
        bench.audio.fault = AudioNotKept("gone")
        failed = await bench.finished(await bench.begin())
        assert failed.stored.error is not None
        assert (failed.stored.status, failed.stored.error["code"]) == ("failed", "audio_not_kept")


async def test_a_disk_that_fails_leaves_no_version_that_seems_to_be_made(bench: Bench) -> None:
    async with bench.redo.tasks.run():
        bench.audio.fault = OSError(5, "the disk fails")
        failed = await bench.finished(await bench.begin())
        assert failed.stored.error is not None
        assert (failed.stored.status, failed.stored.error["code"]) == ("failed", "internal_error")
        assert bench.transcriptions.open_jobs == 0


async def test_one_at_a_time_and_the_same_request_once(bench: Bench) -> None:
    async with bench.redo.tasks.run():
        gate = bench.engine.script.gates["finish"] = Gate()
        key = make_request_key(str(uuid4()), "POST", "/redo", b"{}")
        version = await bench.begin(key)
        assert (await bench.begin(key)).stored.id == version.stored.id
        with pytest.raises(RedoUnderWay):
            await bench.begin()
        await anyio.to_thread.run_sync(gate.reached.wait)
        assert (await bench.begin(key)).duration_ms is not None
        gate.open()
        await bench.finished(version)
        assert (await bench.begin(key)).stored.id == version.stored.id
        assert await bench.count() == 1


async def test_as_many_as_may_be_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench.redo.tasks.run():
        monkeypatch.setattr(bench.transcriptions, "_limit", 0)
        with pytest.raises(ServerFull):
            await bench.begin()
        monkeypatch.undo()
        async with bench.database.write() as session:
            for _ in range(MAX_VERSIONS):
                made = await dictation_versions.create(
                    session,
                    bench.owner,
                    bench.dictation,
                    bench.database.run_id,
                    provider=None,
                    model=None,
                    lang=None,
                )
                await dictation_versions.fail(session, made.id, {"code": "x", "message": "x"})
        with pytest.raises(PrompterError, match="at most"):
            await bench.begin()


Delete = Callable[[Bench, Version], Any]


async def delete_version(bench: Bench, version: Version) -> None:
    await bench.redo.delete(bench.owner, str(bench.dictation), str(version.stored.id))


async def delete_dictation(bench: Bench, version: Version) -> None:
    async with bench.database.write() as session:
        await dictations.remove(session, bench.owner, bench.dictation)
    bench.redo.forget(bench.dictation)


@pytest.mark.parametrize("delete", [delete_version, delete_dictation])
async def test_deleted_meanwhile_it_ends_and_nothing_is_left(bench: Bench, delete: Delete) -> None:
    async with bench.redo.tasks.run():
        gate = bench.engine.script.gates["finish"] = Gate()
        version = await bench.begin()
        await anyio.to_thread.run_sync(gate.reached.wait)
        await delete(bench, version)
        gate.open()
        with anyio.fail_after(10):
            while bench.transcriptions.open_jobs:  # noqa: ASYNC110  # the engine's thread decides
                await anyio.sleep(0.02)
        assert bench.engine.all_closed
        assert await bench.count() == 0


async def test_silence_is_a_version_without_words(bench: Bench) -> None:
    async with bench.redo.tasks.run():
        bench.audio.keep(bench.dictation, np.zeros(RATE_HZ, "<i2").tobytes())
        done = await bench.finished(await bench.begin())
        assert (done.stored.status, done.stored.text, done.stored.is_current) == ("done", "", False)

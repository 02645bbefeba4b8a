"""Spooled audio on disk: whatever a crash leaves of it is read, and nobody else can read it."""

import json
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from app.storage.audio_spool import ABOUT, FileSpool, SpooledDictation, SpoolEntry
from app.storage.common import utc_now
from app.utils.audio_pieces import PIECE_BYTES
from app.utils.ids import new_id

ABOUT_IT = SpooledDictation(
    dictation_id=new_id(),
    user_id=new_id(),
    session_label="a label\udc80",
    started_at=utc_now(),
    rate_hz=48_000,
    base_ms=1500,
    provider="whisper_local",
    model="base",
    lang="auto",
    langs=("es", "en"),
    vocabulary=("kubectl", "Ibáñez"),
)
AUDIO = np.random.default_rng(1).integers(-9000, 9000, 3000).astype("<i2").tobytes()


@pytest.fixture
def spool(tmp_path: Path) -> FileSpool:
    made = FileSpool(tmp_path)
    made.open()
    return made


def fill(spool: FileSpool, audio: bytes = AUDIO) -> UUID:
    entry_id = new_id()
    spool.create(entry_id, ABOUT_IT)
    spool.append(entry_id, 0, audio)
    return entry_id


def test_a_data_folder_that_is_made_for_it_is_private(tmp_path: Path) -> None:
    """With PostgreSQL nothing else makes it."""
    FileSpool(tmp_path / "data" / "spool").open()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "spool").stat().st_mode & 0o777 == 0o700


def test_what_was_written_is_read(spool: FileSpool) -> None:
    entry_id = fill(spool)
    spool.append(entry_id, len(AUDIO), AUDIO)
    [entry] = spool.list_entries()
    assert entry == SpoolEntry(entry_id, ABOUT_IT, 0, 2 * len(AUDIO))
    assert spool.read(entry) == AUDIO + AUDIO
    spool.settle(entry_id, 1000, delete=True)
    spool.settle(entry_id, 800, delete=True)
    [entry] = spool.list_entries()
    assert (entry.settled, spool.read(entry)) == (1000, (AUDIO + AUDIO)[1000:])
    spool.remove(entry_id)
    spool.remove(entry_id)
    assert spool.list_entries() == []


def test_pieces_whose_text_is_stored_are_deleted(spool: FileSpool, tmp_path: Path) -> None:
    long = bytes(2 * PIECE_BYTES) + AUDIO
    entry_id = fill(spool, long)
    spool.append(entry_id, len(long), AUDIO)
    spool.settle(entry_id, 2 * PIECE_BYTES + 10, delete=True)
    assert [path.name for path in tmp_path.rglob("*.pcm")] == [f"{2 * PIECE_BYTES:012d}.pcm"]
    [entry] = spool.list_entries()
    assert spool.read(entry) == (AUDIO + AUDIO)[10:]


def test_a_file_that_is_cut_off_anywhere_gives_its_whole_samples(spool: FileSpool, tmp_path: Path) -> None:
    entry_id = fill(spool, AUDIO[:200])
    [piece] = tmp_path.rglob("*.pcm")
    for length in reversed(range(201)):
        with piece.open("r+b") as file:
            file.truncate(length)
        [entry] = spool.list_entries()
        assert (entry.id, spool.read(entry)) == (entry_id, AUDIO[: length // 2 * 2])


def test_what_was_settled_is_known_from_whole_lines_alone(spool: FileSpool, tmp_path: Path) -> None:
    entry_id = fill(spool)
    spool.settle(entry_id, 100, delete=True)
    spool.settle(entry_id, 2500, delete=True)
    path = tmp_path / str(entry_id) / "settled"
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        [entry] = spool.list_entries()
        assert entry.settled == (2500 if length == len(whole) else 100 if length >= 4 else 0)


def test_zeros_at_the_end_are_silence(spool: FileSpool, tmp_path: Path) -> None:
    """As a disk leaves them that lost its power."""
    fill(spool)
    [piece] = tmp_path.rglob("*.pcm")
    piece.write_bytes(AUDIO[:-4096] + bytes(4096))
    [entry] = spool.list_entries()
    assert spool.read(entry) == AUDIO[:-4096] + bytes(4096)


def test_a_piece_that_is_missing_is_silence(spool: FileSpool, tmp_path: Path) -> None:
    fill(spool, bytes(range(1, 251)) * 10_000)  # two and a half pieces
    sorted(tmp_path.rglob("*.pcm"))[1].unlink()
    [entry] = spool.list_entries()
    audio = spool.read(entry)
    assert len(audio) == entry.end
    assert audio[PIECE_BYTES : 2 * PIECE_BYTES] == bytes(PIECE_BYTES)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"dictation_id": 1}', '{"dictation_id": "no id"}'])
def test_audio_that_belongs_to_nobody_is_deleted(spool: FileSpool, tmp_path: Path, damage: str) -> None:
    whole, damaged = fill(spool), fill(spool)
    (tmp_path / str(damaged) / ABOUT).write_text(damage, encoding="utf-8")
    assert [entry.id for entry in spool.list_entries()] == [whole]
    assert not (tmp_path / str(damaged)).exists()


def test_nobody_else_can_read_it(spool: FileSpool, tmp_path: Path) -> None:
    entry_id = fill(spool)
    spool.settle(entry_id, 10, delete=True)
    folder = tmp_path / str(entry_id)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_of_two_servers_one_has_it(spool: FileSpool, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="another server"):
        FileSpool(tmp_path).open()
    spool.close()
    other = FileSpool(tmp_path)
    other.open()
    other.close()


def test_positions_count_from_the_first_sample() -> None:
    assert ABOUT_IT.to_bytes(16_000) == 96_000
    assert ABOUT_IT.to_ms(96_000) == 1000
    telephone = replace(ABOUT_IT, rate_hz=8000)
    assert (telephone.to_bytes(16_001), telephone.to_ms(16_000)) == (16_000, 1000)


@pytest.mark.parametrize("has_all", [True, False])
def test_of_a_session_and_the_one_that_went_on_one_is_kept(spool: FileSpool, *, has_all: bool) -> None:
    """The server died before it had deleted the former, or before it had written the latter."""
    former = fill(spool)
    latter = new_id()
    spool.create(latter, replace(ABOUT_IT, base_ms=ABOUT_IT.base_ms + 10, replaces=former))
    spool.append(latter, 0, AUDIO[960 : None if has_all else 2000])
    [entry] = spool.list_entries()
    assert entry.id == (latter if has_all else former)
    assert [each.id for each in spool.list_entries()] == [entry.id]


def test_a_folder_of_which_only_the_beginning_was_written_is_no_audio(spool: FileSpool) -> None:
    entry_id = new_id()
    spool.create(entry_id, ABOUT_IT)
    [entry] = spool.list_entries()
    assert (entry.settled, entry.end, spool.read(entry)) == (0, 0, b"")


def test_a_folder_of_the_version_before_is_read(spool: FileSpool, tmp_path: Path) -> None:
    entry_id = fill(spool)
    path = tmp_path / str(entry_id) / ABOUT
    fields = json.loads(path.read_bytes())
    del fields["replaces"]
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert [entry.about for entry in spool.list_entries()] == [ABOUT_IT]


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """Files may be no longer: the system takes a part of a write, and refuses the rest, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_at_any_byte_keeps_what_fits(spool: FileSpool, tmp_path: Path) -> None:
    for fits in range(0, 200, 7):
        entry_id = new_id()
        spool.create(entry_id, ABOUT_IT)
        with pytest.raises(OSError, match="too large"), full_after(fits):
            spool.append(entry_id, 0, AUDIO[:200])
        [entry] = spool.list_entries()
        assert spool.read(entry) == AUDIO[: fits // 2 * 2]
        spool.remove(entry_id)
    assert list(tmp_path.rglob("*.pcm")) == []

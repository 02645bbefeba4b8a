"""Kept audio on disk: whole, private, small, and gone when it is to be gone."""

import io
import json
import stat
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.providers.media.flac import FlacCodec
from app.storage.audio_spool import ABOUT, FileSpool, SpooledDictation, SpoolEntry
from app.storage.common import utc_now
from app.storage.data_folder import AUDIO_FOLDER, SPOOL_FOLDER
from app.storage.kept_audio import (
    KEPT,
    FileKeptAudio,
    KeptPart,
    back_up_audio,
    remove_user_audio,
    restore_audio,
)
from app.utils.audio_pieces import PIECE_BYTES
from app.utils.ids import new_id

ABOUT_IT = SpooledDictation(
    dictation_id=new_id(), user_id=new_id(), session_label="s1", started_at=utc_now(), rate_hz=16_000
)
AUDIO = (np.sin(np.arange(PIECE_BYTES + 1500) / 20) * 8000).astype("<i2").tobytes()
"""Two whole pieces and a bit."""


class Folders:
    """A data folder with a spool, and what is kept."""

    def __init__(self, data_dir: Path) -> None:
        self.spool_folder, self.folder = data_dir / SPOOL_FOLDER, data_dir / AUDIO_FOLDER
        self.spool = FileSpool(self.spool_folder)
        self.kept = FileKeptAudio(self.folder, self.spool_folder, FlacCodec())
        self.spool.open()
        self.kept.open()

    def record(self, audio: bytes = AUDIO, about: SpooledDictation = ABOUT_IT) -> SpoolEntry:
        entry_id = new_id()
        self.spool.create(entry_id, about)
        self.spool.append(entry_id, 0, audio)
        return SpoolEntry(entry_id, about, 0, len(audio))

    def keep(self, audio: bytes = AUDIO, about: SpooledDictation = ABOUT_IT) -> KeptPart:
        part = self.kept.keep(self.record(audio, about), utc_now())
        assert part is not None
        return part


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_what_is_kept_is_read_in_any_part_before_and_after_it_is_made_small(folders: Folders) -> None:
    part = folders.keep()
    assert folders.kept.list_parts() == [part]
    assert folders.spool.list_entries() == []
    ranges = [(0, len(AUDIO)), (0, 2), (PIECE_BYTES - 2, PIECE_BYTES + 4), (len(AUDIO) - 2, len(AUDIO) + 100)]
    plain = sum(file.stat().st_size for file in folders.folder.rglob("*.*"))
    assert [folders.kept.read(part, *each) for each in ranges] == [AUDIO[slice(*each)] for each in ranges]
    while folders.kept.compress(part):
        pass
    assert not list(folders.folder.rglob("*.pcm"))
    assert sum(file.stat().st_size for file in folders.folder.rglob("*.*")) < plain / 2
    assert [folders.kept.read(part, *each) for each in ranges] == [AUDIO[slice(*each)] for each in ranges]
    assert folders.kept.list_parts() == [part]
    folders.kept.remove(part.id)
    folders.kept.remove(part.id)
    assert not list(folders.folder.glob("*-*"))


@pytest.mark.parametrize("cut", [0, 1, 999, 1000])
def test_half_a_sample_at_the_end_is_left_out(folders: Folders, cut: int) -> None:
    part = folders.keep(AUDIO[: len(AUDIO) - cut])
    whole = AUDIO[: (len(AUDIO) - cut) // 2 * 2]
    assert part.size_bytes == len(whole)
    while folders.kept.compress(part):
        pass
    assert folders.kept.read(part, 0, part.size_bytes) == whole


@pytest.mark.parametrize("fault", ["settled", "torn", "a hole"])
def test_what_is_not_whole_is_not_kept(folders: Folders, fault: str) -> None:
    entry = folders.record()
    if fault == "settled":
        folders.spool.settle(entry.id, PIECE_BYTES, delete=True)
    elif fault == "torn":
        entry = replace(entry, end=entry.end + 2)
    else:
        (folders.spool_folder / str(entry.id) / f"{PIECE_BYTES:012d}.pcm").unlink()
    assert folders.kept.keep(entry, utc_now()) is None
    assert folders.kept.list_parts() == []
    assert (folders.spool_folder / str(entry.id)).exists()


def test_only_its_user_can_read_it(folders: Folders) -> None:
    part = folders.keep()
    folders.kept.compress(part)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folders.folder.rglob("*.*")} == {0o600}
    assert stat.S_IMODE((folders.folder / str(part.id)).stat().st_mode) == 0o700
    assert stat.S_IMODE(folders.folder.stat().st_mode) == 0o700


def test_a_crash_in_the_middle_of_compressing_loses_nothing(folders: Folders) -> None:
    """At whichever of its steps: a draft, or both forms of one piece."""
    part = folders.keep()
    folder = folders.folder / str(part.id)
    first = folder / f"{0:012d}.pcm"
    first.with_suffix(".draft").write_bytes(b"half of it")
    first.with_suffix(".flac").write_bytes(b"not written by this process")
    assert folders.kept.read(part, 0, part.size_bytes) == AUDIO
    while folders.kept.compress(part):
        pass
    assert folders.kept.read(part, 0, part.size_bytes) == AUDIO
    assert sorted(file.suffix for file in folder.glob("0*")) == [".flac"] * 3


def test_a_crash_before_the_move_is_a_spool_as_before(folders: Folders) -> None:
    entry = folders.record()
    (folders.spool_folder / str(entry.id) / KEPT).write_text("{")
    assert folders.spool.list_entries() == [entry]
    part = folders.kept.keep(entry, utc_now())
    assert part is not None
    assert folders.kept.read(part, 0, part.size_bytes) == AUDIO


@pytest.mark.parametrize("name", [KEPT, ABOUT])
@pytest.mark.parametrize("text", [None, "", "{", "[]", json.dumps({"kept_at": "yesterday", "bytes": 1})])
def test_what_belongs_to_nobody_is_deleted(folders: Folders, name: str, text: str | None) -> None:
    part, other = folders.keep(), folders.keep()
    file = folders.folder / str(part.id) / name
    file.unlink() if text is None else file.write_text(text)
    assert folders.kept.list_parts() == [other]
    assert not file.parent.exists()


def test_what_lacks_a_piece_is_deleted(folders: Folders) -> None:
    part, other = folders.keep(), folders.keep()
    (folders.folder / str(part.id) / f"{PIECE_BYTES:012d}.pcm").unlink()
    assert folders.kept.list_parts() == [other]
    odd = folders.keep(AUDIO[:PIECE_BYTES] + b"x")
    assert odd in folders.kept.list_parts()


def test_a_time_can_be_corrected(folders: Folders) -> None:
    part = folders.keep()
    later = folders.kept.redate(part, part.kept_at + timedelta(days=1))
    assert folders.kept.list_parts() == [later] != [part]


def test_a_folder_has_one_server(folders: Folders) -> None:
    second = FileKeptAudio(folders.folder, folders.spool_folder, FlacCodec())
    with pytest.raises(OSError, match="another server"):
        second.open()
    folders.kept.close()
    second.open()


def test_all_audio_of_a_user_can_be_deleted_without_a_server(folders: Folders, tmp_path: Path) -> None:
    other = replace(ABOUT_IT, user_id=new_id())
    mine, theirs = folders.keep(), folders.keep(about=other)
    going_on, others = folders.record(), folders.record(about=other)
    remove_user_audio(tmp_path, ABOUT_IT.user_id)
    assert folders.kept.list_parts() == [theirs] != [mine]
    assert [entry.id for entry in folders.spool.list_entries()] == [others.id] != [going_on.id]


# -- backups


def test_a_backup_brings_kept_and_spooled_audio_to_another_folder(folders: Folders, tmp_path: Path) -> None:
    plain, small, going_on = folders.keep(), folders.keep(AUDIO[:5000]), folders.record(AUDIO[:9000])
    folders.kept.compress(small)
    file = tmp_path / "copy.db.audio"
    assert back_up_audio(tmp_path, file) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        back_up_audio(tmp_path, file)
    there = Folders(tmp_path / "other")
    assert restore_audio(file, tmp_path / "other") == 3
    assert restore_audio(file, tmp_path / "other") == 0
    assert sorted(map(str, there.kept.list_parts())) == sorted(map(str, [plain, small]))
    assert there.kept.read(plain, 0, len(AUDIO)) == AUDIO
    assert there.kept.read(small, 0, 5000) == AUDIO[:5000]
    [entry] = there.spool.list_entries()
    assert (entry, there.spool.read(entry)) == (going_on, AUDIO[:9000])
    files = [path for path in (tmp_path / "other").rglob("*.*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not (tmp_path / "other" / "audio.restored").exists()


def test_no_file_of_a_backup_gets_out_of_its_folder(folders: Folders, tmp_path: Path) -> None:
    file = tmp_path / "copy.db.audio"
    entry = new_id()
    names = [
        "../evil.pcm",
        "/evil.pcm",
        f"audio/{entry}/../../evil.pcm",
        f"other/{entry}/{0:012d}.pcm",
        "prompter.db",
    ]
    with tarfile.open(file, "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo(f"audio/{entry}/about.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    assert restore_audio(file, tmp_path) == 0
    assert sorted(tmp_path.rglob("*")) == before
    file.write_bytes(b"no tar at all")
    with pytest.raises(OSError, match="no backup of audio"):
        restore_audio(file, tmp_path)

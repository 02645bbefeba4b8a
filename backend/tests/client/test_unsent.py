"""A recording on this machine: whatever is cut off or full, what was said is there, and one process has it."""

import os
import time
from pathlib import Path

import jwt
import pytest

from app.client.unsent import (
    FORGOTTEN_S,
    PROGRESS,
    Recording,
    RecordingBusy,
    UnsentItem,
    UnsentSpeech,
    name_owner,
)
from app.utils.audio_pieces import PIECE_BYTES

AUDIO = bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path: Path) -> UnsentSpeech:
    return UnsentSpeech(tmp_path)


def record(store: UnsentSpeech, audio: bytes = AUDIO, owner: str = "") -> Recording:
    start = {"type": "start", "config": {}}
    recording = store.create(url="http://here", owner=owner, rate_hz=16_000, start=start)
    recording.append(audio)
    return recording


def read(recording: Recording) -> bytes:
    audio, position = b"", 0
    while part := recording.read(position, 1000):
        audio += part
        position += len(part)
    return audio


def test_what_was_said_is_read_by_another_process(store: UnsentSpeech) -> None:
    recording = record(store)
    recording.append(AUDIO)
    recording.leave()
    (item,) = store.list_items()
    assert (item.id, item.left_bytes, item.is_busy) == (recording.id, 2 * len(AUDIO), False)
    assert read(store.open(item.id)) == 2 * AUDIO


def test_one_process_has_it(store: UnsentSpeech) -> None:
    recording = record(store)
    assert [item.is_busy for item in store.list_items()] == [True]
    with pytest.raises(RecordingBusy):
        store.open(recording.id)
    recording.remove()
    with pytest.raises(RecordingBusy):
        store.open(recording.id)
    assert store.list_items() == []


def test_what_has_its_text_is_deleted(store: UnsentSpeech, tmp_path: Path) -> None:
    recording = record(store, bytes(3 * PIECE_BYTES))
    recording.note(settled=2 * PIECE_BYTES + 100)
    assert len(list((tmp_path / recording.id).glob("*.pcm"))) == 1
    recording.leave()
    (item,) = store.list_items()
    assert item.left_bytes == PIECE_BYTES - 100
    again = store.open(item.id)
    again.note(settled=3 * PIECE_BYTES)
    again.leave()
    assert list(tmp_path.iterdir()) == []


def test_the_progress_may_be_cut_off_anywhere(store: UnsentSpeech, tmp_path: Path) -> None:
    recording = record(store)
    recording.note(dictation_id="d", origin=2)
    recording.note(settled=1000)
    recording.leave()
    path = tmp_path / recording.id / PROGRESS
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut] + bytes(20))
        progress = store.list_items()[0].progress
        assert progress.dictation_id == ("d" if cut >= second else "")
        assert progress.settled == (1000 if cut == len(whole) else 0)


def test_audio_that_is_cut_off_gives_its_whole_samples(store: UnsentSpeech, tmp_path: Path) -> None:
    recording = record(store)
    recording.leave()
    piece = next((tmp_path / recording.id).glob("*.pcm"))
    for cut in (len(AUDIO) - 1, 1001, 3, 2):
        piece.write_bytes(AUDIO[:cut])
        with store.open(recording.id) as opened:
            assert read(opened) == AUDIO[: cut // 2 * 2]
    piece.write_bytes(b"\1")
    assert store.list_items() == []


def test_a_full_disk_loses_nothing_while_the_process_lives(
    store: UnsentSpeech, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(store)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.client.unsent.write_pieces", refuse)
    recording.append(AUDIO)
    recording.append(AUDIO)
    assert read(recording) == 3 * AUDIO
    assert (recording.is_on_disk, recording.measure_free_s()) == (False, 0.0)


def test_a_folder_that_was_left_empty_is_deleted_later(store: UnsentSpeech, tmp_path: Path) -> None:
    recording = record(store, b"")
    recording._lock.release()  # its process has died
    assert store.list_items() == []
    folder = tmp_path / recording.id
    assert folder.exists()
    old = time.time() - FORGOTTEN_S - 1
    os.utime(folder, (old, old))
    assert store.list_items() == []
    assert not folder.exists()


def test_it_belongs_to_its_server_and_account(store: UnsentSpeech) -> None:
    key = "k" * 40
    token, later = (jwt.encode({"sub": "7", "jti": str(n)}, key) for n in range(2))
    assert name_owner(token) == name_owner(later) == "user:7"
    assert name_owner("a.b.c") == name_owner("a.b.c") != name_owner("a.b.d")
    assert name_owner(None) == name_owner("") == ""
    recording = record(store, owner=name_owner("pk_secret"))
    recording.note(user_id="7", user="ana")
    (item,) = store.list_items()
    assert isinstance(item, UnsentItem)
    assert "pk_secret" not in str(item)
    assert item.belongs_to("http://here", name_owner("pk_secret"))
    assert item.belongs_to("http://here", name_owner(token))  # the same user, otherwise
    for url, owner in (("http://there", item.about.owner), ("http://here", "user:8"), ("http://here", "")):
        assert not item.belongs_to(url, owner)

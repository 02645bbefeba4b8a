"""Attached files over HTTP: sent, read back, shown to models, and deleted."""

import io
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from app.core.config import AttachmentSettings, LimitSettings, Settings
from tests.conftest import SAMPLES
from tests.fakes.llm_providers import FakeChat
from tests.support.attachments import attach, list_contents, make_picture, wait_for
from tests.support.conversations import ChatClient, read_error, run_chat_server
from tests.support.files import PLACE, make_recording
from tests.support.server import RunningServer

pytestmark = pytest.mark.once

Chat = tuple[ChatClient, RunningServer, FakeChat]
NOTES = "# Notes\n\nThe meeting is on Tuesday.\n"


@pytest.fixture
def chat(storage_settings: Settings) -> Iterator[Chat]:
    """On both databases, with a model whose requests are kept."""
    model = FakeChat()
    where = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(model, **where) as (talk, served):
        yield talk, served, model


def asked_of(model: FakeChat) -> Any:
    """The content of the last message that a model was asked with."""
    return model.requests[-1].body["messages"][-1]["content"]


def files_of(talk: ChatClient, conversation_id: str) -> list[list[dict[str, Any]]]:
    """The files of the user's messages."""
    listed = talk.messages(conversation_id)
    return [message["attachments"] for message in listed if message["role"] == "user"]


def test_a_text_is_sent_with_its_message_and_read_back(chat: Chat) -> None:
    talk, _, model = chat
    sent = attach(talk, NOTES.encode(), "folder/notes.md")
    assert (sent["name"], sent["kind"], sent["media_type"]) == ("notes.md", "text", "text/markdown")
    assert (sent["state"], sent["cut"], sent["tokens"], sent["total_tokens"]) == ("ready", False, 9, 9)
    id_ = talk.conversation()
    talk.say(id_, "When is it?", attachments=[sent["id"]])
    assert files_of(talk, id_) == [[sent]]
    assert 'name="notes.md"' in asked_of(model)
    assert "Tuesday" in asked_of(model)
    assert asked_of(model).endswith("When is it?")
    assert talk.http.get(f"/api/attachments/{sent['id']}/text").text == NOTES
    assert talk.http.get(f"/api/attachments/{sent['id']}").json() == sent


def test_a_picture_is_kept_without_its_place_upright_and_sent_as_a_data_url(chat: Chat) -> None:
    talk, _, model = chat
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    sent = attach(talk, make_picture(exif=exif, comment=b"SecretComment"), "photo.png")
    assert (sent["name"], sent["kind"], sent["media_type"]) == ("photo.jpg", "image", "image/jpeg")
    assert (sent["width"], sent["height"], sent["has_thumbnail"]) == (480, 640, True)
    content = talk.http.get(f"/api/attachments/{sent['id']}/content")
    assert b"Secret" not in content.content
    assert not Image.open(io.BytesIO(content.content)).getexif()
    assert content.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in content.headers["content-security-policy"]
    assert content.headers["content-disposition"].startswith("inline")
    thumbnail = talk.http.get(f"/api/attachments/{sent['id']}/thumbnail")
    assert max(Image.open(io.BytesIO(thumbnail.content)).size) == 480
    talk.say(talk.conversation(), "What is this?", attachments=[sent["id"]])
    said, picture = asked_of(model)
    assert said["text"].endswith("What is this?")
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_a_video_is_kept_without_its_place_and_an_animation_whole(chat: Chat) -> None:
    talk, _, _ = chat
    video = make_recording("mp4")
    sent = attach(talk, video, "VID_1.mp4")
    assert (sent["kind"], sent["media_type"], sent["size_bytes"]) == ("video", "video/mp4", len(video))
    content = talk.http.get(f"/api/attachments/{sent['id']}/content").content
    assert (PLACE.encode() in content, b"Secret" in content) == (False, False)
    frames, buffer = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (250, 10)], io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], comment=b"Secret")
    sent = attach(talk, buffer.getvalue(), "wave.gif")
    assert (sent["name"], sent["kind"], sent["media_type"]) == ("wave.gif", "image", "image/gif")
    answer = talk.http.get(f"/api/attachments/{sent['id']}/content")
    assert (answer.headers["content-type"], b"Secret" in answer.content) == ("image/gif", False)
    assert answer.headers["content-disposition"].startswith("inline")
    kept: Any = Image.open(io.BytesIO(answer.content))
    assert kept.n_frames == 2


def test_what_a_browser_could_run_is_saved_and_never_shown(chat: Chat) -> None:
    talk, _, _ = chat
    page = b"<html><script>alert(1)</script></html>"
    for name in ("x.html", "x.svg", "x.png"):
        sent = attach(talk, page, name)
        assert (sent["kind"], sent["media_type"]) == ("text", "text/plain")
        answer = talk.http.get(f"/api/attachments/{sent['id']}/content")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]


def test_a_message_may_have_files_and_no_text(chat: Chat) -> None:
    talk, _, model = chat
    sent = attach(talk, NOTES.encode(), "notes.md")
    id_ = talk.conversation()
    talk.say(id_, "", attachments=[sent["id"]])
    assert "Tuesday" in asked_of(model)
    assert talk.http.get(f"/api/conversations/{id_}").json()["title"] == "notes.md"


def test_edits_new_answers_and_forks_have_the_files_too(chat: Chat) -> None:
    talk, served, model = chat
    sent = attach(talk, NOTES.encode(), "notes.md")
    id_ = talk.conversation()
    asked, answer = talk.say(id_, "When?", attachments=[sent["id"]])
    talk.events(f"/api/messages/{answer}/regenerate")
    assert "Tuesday" in asked_of(model)
    talk.events(f"/api/messages/{asked}/edit", message="Where?")
    assert "Tuesday" in asked_of(model)
    (edited,) = files_of(talk, id_)
    assert (edited[0]["sha256"], edited[0]["id"] != sent["id"]) == (sent["sha256"], True)
    talk.events(f"/api/messages/{asked}/edit", message="Where?", attachments=[])
    assert files_of(talk, id_) == [[]]
    fork = talk.http.post(f"/api/messages/{answer}/fork").json()["id"]
    assert [file["sha256"] for file in files_of(talk, fork)[0]] == [sent["sha256"]]
    assert len(list_contents(served)) == 1


def test_a_content_is_deleted_with_the_last_message_that_has_it(chat: Chat) -> None:
    talk, served, _ = chat
    sent = attach(talk, NOTES.encode(), "notes.md")
    id_ = talk.conversation()
    _, answer = talk.say(id_, "When?", attachments=[sent["id"]])
    fork = talk.http.post(f"/api/messages/{answer}/fork").json()["id"]
    (content,) = list_contents(served)
    assert {path.stat().st_mode & 0o777 for path in content.iterdir()} == {0o600}
    other = attach(talk, b"another", "other.txt")
    talk.http.delete(f"/api/conversations/{id_}")
    talk.http.delete(f"/api/attachments/{other['id']}")
    wait_for(lambda: list_contents(served) == [content])
    assert read_error(talk.http.get(f"/api/attachments/{sent['id']}")) == (404, "not_found")
    talk.http.delete(f"/api/conversations/{fork}")
    wait_for(lambda: list_contents(served) == [])


def test_a_long_text_is_cut_and_says_so(storage_settings: Settings) -> None:
    model = FakeChat()
    settings = AttachmentSettings(text_tokens=1000)
    where = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(model, attachments=settings, **where) as (talk, _):
        long, short = attach(talk, b"word " * 4000, "long.txt"), attach(talk, b"brief " * 200, "short.txt")
        assert (long["tokens"], long["total_tokens"], long["cut"]) == (1000, 5000, True)
        assert (short["tokens"], short["cut"]) == (300, False)
        id_ = talk.conversation()
        talk.say(id_, "Sum up", attachments=[long["id"], short["id"]])
        first, second = files_of(talk, id_)[0]
        assert (first["tokens"], first["total_tokens"], first["cut"]) == (700, 5000, True)
        assert second == short
        assert "[cut: this is the beginning, about 700 of 5000 tokens]" in asked_of(model)
        assert asked_of(model).count("word") == 560
        assert len(talk.http.get(f"/api/attachments/{long['id']}/text").text) == 2800


def test_pictures_for_a_model_that_sees_none_need_a_choice(storage_settings: Settings) -> None:
    where = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(None, **where) as (talk, _):
        assert {"id": "echo", "images": False} in talk.http.get("/api/models/abilities").json()
        sent = attach(talk, make_picture(), "photo.jpg")
        id_ = talk.conversation()
        asked = {"conversation_id": id_, "message": "See?", "attachments": [sent["id"]]}
        assert read_error(talk.http.post("/api/chat/stream", json=asked)) == (400, "images_not_supported")
        assert talk.messages(id_) == []
        _, answer = talk.say(id_, "See?", attachments=[sent["id"]], attachments_as_text=True)
        shown = next(each for each in talk.messages(id_) if each["id"] == answer)["content"]
        assert 'name="photo.jpg"' in shown
        assert "a picture that is not sent" in shown


def test_what_cannot_be_attached_is_refused(storage_settings: Settings) -> None:
    settings = AttachmentSettings(files=2, user_mb=1, transcriptions=0)
    where = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    limits = LimitSettings(attachment_bytes=700_000)
    with run_chat_server(FakeChat(), attachments=settings, limits=limits, **where) as (talk, served):

        def send(data: bytes, name: str = "x.txt") -> tuple[int, str]:
            return read_error(talk.http.post("/api/attachments", files={"file": (name, data)}))

        assert send(b"\x00\x01\x02binary" * 10) == (400, "unsupported_file")
        assert send(b"\x89PNG\r\n\x1a\nrubbish") == (400, "file_not_readable")
        assert send(b"") == (400, "bad_request")
        assert send((SAMPLES / "en_send_email_8k.wav").read_bytes()) == (503, "server_full")
        assert send(b"x" * 700_001) == (413, "message_too_big")
        assert send(b"x" * 2_000_000) == (413, "message_too_big")
        assert read_error(talk.http.post("/api/attachments", json={})) == (400, "bad_request")
        sent = [attach(talk, bytes([97 + n]) * 400_000, f"{n}.txt") for n in range(2)]
        assert send(b"z" * 400_000) == (413, "attachments_full")
        attach(talk, b"a" * 400_000, "again.txt")  # the same content takes no more
        id_ = talk.conversation()
        asked: dict[str, Any] = {"conversation_id": id_, "message": "hello"}
        wrong = [[str(uuid4())], ["rubbish"]]
        for ids in wrong:
            answer = talk.http.post("/api/chat/stream", json={**asked, "attachments": ids})
            assert read_error(answer) == (404, "not_found")
        three = [*(each["id"] for each in sent), str(uuid4())]
        answer = talk.http.post("/api/chat/stream", json={**asked, "attachments": three})
        assert read_error(answer) == (400, "bad_request")
        assert talk.messages(id_) == []
        assert len(list_contents(served)) == 2


def test_a_file_that_is_sent_twice_with_one_key_is_kept_once(chat: Chat) -> None:
    talk, _, _ = chat
    key = {"Idempotency-Key": str(uuid4())}
    first = attach(talk, NOTES.encode(), "notes.md", **key)
    assert attach(talk, NOTES.encode(), "notes.md", **key) == first
    other = talk.http.post("/api/attachments", files={"file": ("x.txt", b"other")}, headers=key)
    assert read_error(other) == (409, "id_reused")


def test_a_message_that_is_sent_twice_is_stored_once_with_its_files(chat: Chat) -> None:
    talk, _, _ = chat
    sent, other = attach(talk, NOTES.encode(), "notes.md"), attach(talk, b"other", "other.txt")
    id_ = talk.conversation()
    asked = {"client_message_id": str(uuid4()), "attachments": [sent["id"]]}
    assert talk.say(id_, "When?", **asked) == talk.say(id_, "When?", **asked)
    changed = {**asked, "attachments": [other["id"]], "conversation_id": id_, "message": "When?"}
    assert read_error(talk.http.post("/api/chat/stream", json=changed)) == (409, "id_reused")


def test_what_is_said_in_a_recording_is_its_text(chat: Chat) -> None:
    talk, served, model = chat
    sent = attach(talk, (SAMPLES / "en_send_email_8k.wav").read_bytes(), "memo.txt")
    assert (sent["kind"], sent["state"], sent["tokens"]) == ("audio", "working", None)
    wait_for(lambda: talk.http.get(f"/api/attachments/{sent['id']}").json()["state"] != "working")
    ready = talk.http.get(f"/api/attachments/{sent['id']}").json()
    assert (ready["state"], ready["error"]) == ("ready", None)
    text = talk.http.get(f"/api/attachments/{sent['id']}/text").text
    assert text.strip()
    talk.say(talk.conversation(), "What do I say?", attachments=[sent["id"]])
    assert text in asked_of(model)
    assert len(list_contents(served)) == 1


def test_a_recording_that_cannot_be_heard_says_why_and_is_not_sent(chat: Chat) -> None:
    talk, served, _ = chat
    sent = attach(talk, b"OggS\x00\x02" + bytes(range(200)), "broken.ogg")
    wait_for(lambda: talk.http.get(f"/api/attachments/{sent['id']}").json()["state"] == "failed")
    failed = talk.http.get(f"/api/attachments/{sent['id']}").json()
    assert failed["error"]["code"] == "audio_not_readable"
    asked = {"conversation_id": talk.conversation(), "message": "x", "attachments": [sent["id"]]}
    assert read_error(talk.http.post("/api/chat/stream", json=asked)) == (409, "attachment_not_ready")
    talk.http.delete(f"/api/attachments/{sent['id']}")
    wait_for(lambda: list_contents(served) == [])

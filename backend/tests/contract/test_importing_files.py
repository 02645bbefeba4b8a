"""Attached files in imports: what an export of ours or a zip of ChatGPT holds comes, within the limits of uploads."""

import base64
import io
import zipfile
from collections.abc import Iterator

import pytest

from app.core.config import Settings
from tests.conftest import SAMPLES
from tests.contract.test_importing import bring, left, list_conversations, numbers
from tests.support import exports
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.attachments import attach, list_contents, make_picture, wait_for
from tests.support.conversations import ChatClient, make_client, read_error, run_chat_server
from tests.support.exports import dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.server import RunningServer

pytestmark = pytest.mark.once

RECORDING = (SAMPLES / "en_send_email_8k.wav").read_bytes()


@pytest.fixture
def both(storage_settings: Settings) -> Iterator[tuple[ChatClient, RunningServer]]:
    """A server on each database, and a client of it."""
    with run_chat_server(storage=storage_settings.storage, data_dir=storage_settings.data_dir) as running:
        yield running


def make_own(talk: ChatClient, *files: tuple[str, bytes]) -> bytes:
    """The zip export of a new conversation whose one question has these files."""
    ids = [attach(talk, content, name)["id"] for name, content in files]
    id_ = talk.conversation(title="Mine")
    talk.say(id_, "See?", attachments=ids, attachments_as_text=True)
    return talk.http.get(f"/api/conversations/{id_}/export?format=zip").content


def delete_all(talk: ChatClient) -> None:
    for each in list_conversations(talk):
        talk.http.delete(f"/api/conversations/{each['id']}")


def list_files(talk: ChatClient) -> list[tuple[str, str, str]]:
    """The files of all questions: name, kind and text."""
    found = []
    for each in list_conversations(talk):
        for message in talk.messages(each["id"], branches=True):
            for file in message["attachments"]:
                text = talk.http.get(f"/api/attachments/{file['id']}/text")
                found.append((file["name"], file["kind"], text.text if text.status_code == 200 else ""))
    return found


def change_zip(content: bytes, replaced: dict[str, bytes]) -> bytes:
    """The archive with other contents under the names that end so."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for ending, other in replaced.items():
        (name,) = [each for each in files if each.endswith(ending)]
        files[name] = other
    return make_zip(files)


def test_our_own_zip_comes_whole(both: tuple[ChatClient, RunningServer]) -> None:
    """Also a file that is an export of conversations itself, and one that stands twice in a message."""
    talk, served = both
    inner = dump([exports.make_claude()])
    content = make_own(
        talk, ("photo.jpg", make_picture()), ("chats.json", inner), ("n.md", b"# Note"), ("n.md", b"# Note")
    )
    before = list_files(talk)
    assert numbers(bring(talk, content)) == {"unchanged": 1}
    delete_all(talk)
    wait_for(lambda: list_contents(served) == [])
    found = bring(talk, content)
    assert (numbers(found), found["report"]["files"], left(found)) == ({"created": 1, "messages": 2}, 4, {})
    assert list_files(talk) == before
    assert [name for name, _, _ in before] == ["photo.jpg", "chats.json", "n.md", "n.md"]
    again = bring(talk, content)
    assert (numbers(again), again["report"]["files"], left(again)) == ({"unchanged": 1}, 0, {})
    (made,) = list_conversations(talk)
    shared = talk.http.get(f"/api/conversations/{made['id']}/export?format=zip").content
    with zipfile.ZipFile(io.BytesIO(shared)) as archive:
        assert len([name for name in archive.namelist() if name.startswith("attachments/")]) == 3
    delete_all(talk)
    wait_for(lambda: list_contents(served) == [])


def test_files_come_later_where_the_first_file_had_none(both: tuple[ChatClient, RunningServer]) -> None:
    """The JSON alone brings the messages and tells what is missing; the zip brings the files."""
    talk, served = both
    content = make_own(talk, ("photo.jpg", make_picture()), ("n.md", b"# Note"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        alone = archive.read("Mine.json")
    delete_all(talk)
    first = bring(talk, alone)
    assert (numbers(first), left(first)) == ({"created": 1, "messages": 2}, {"image": 1, "file": 1})
    dry = bring(talk, content, dry_run="true")
    assert (numbers(dry), dry["report"]["files"]) == ({"extended": 1}, 2)
    assert list_files(talk) == []
    second = bring(talk, content)
    assert (numbers(second), second["report"]["files"], left(second)) == ({"extended": 1}, 2, {})
    assert [name for name, _, _ in list_files(talk)] == ["photo.jpg", "n.md"]
    assert numbers(bring(talk, content)) == {"unchanged": 1}
    assert not [line for line in served.log if "Traceback" in line]


def test_a_zip_of_chatgpt_brings_what_its_user_uploaded(both: tuple[ChatClient, RunningServer]) -> None:
    talk, _ = both
    id_ = f"file_{'0a1b' * 8}"
    picture = {"content_type": "image_asset_pointer", "asset_pointer": f"sediment://{id_}"}
    about = {"attachments": [{"id": id_, "name": "photo.heic", "mime_type": "image/heic"}]}
    content = {"content_type": "multimodal_text", "parts": [picture]}
    chat = make_chatgpt(
        make_chatgpt_node("q", "root", "user", content, metadata=about),
        make_chatgpt_node("a", "q", "assistant", "A red square.", end_turn=True),
    )
    archive = make_zip({"conversations.json": dump([chat]), f"{id_}.dat": make_picture()})
    found = bring(talk, archive)
    assert (numbers(found), found["report"]["files"], left(found)) == ({"created": 1, "messages": 2}, 1, {})
    assert [(name, kind) for name, kind, _ in list_files(talk)] == [("photo.jpg", "image")]
    assert numbers(bring(talk, archive)) == {"unchanged": 1}, (
        "a picture is known by its name without its ending"
    )


def test_a_picture_inside_the_json_of_open_webui_comes() -> None:
    chat = exports.make_open_webui()
    url = f"data:image/png;base64,{base64.b64encode(make_picture('PNG')).decode()}"
    chat["chat"]["history"]["messages"]["u2"]["files"] = [{"type": "image", "url": url}]
    with run_chat_server() as (talk, _):
        found = bring(talk, dump([chat]))
        assert (found["report"]["files"], left(found)) == (1, {})
        assert [(name, kind) for name, kind, _ in list_files(talk)] == [("picture.png", "image")]


def test_what_an_upload_may_not_be_is_left_out_and_told() -> None:
    """Kind, size, number, damage and recordings beyond those that may wait: the messages come all the same."""
    limits = {"attachment_bytes": 400_000, "import_unpacked_bytes": 4 << 20}
    attachments = {"files": 5, "transcriptions": 0}
    with run_chat_server() as (talk, _):
        picture = ("photo.jpg", make_picture())
        content = make_own(
            talk, ("a.md", b"one"), ("b.md", b"two"), ("c.md", b"three"), picture, ("d.md", b"4")
        )
    bomb = b"a" * (900 << 10)
    changed = {
        "/a.md": bomb,
        "/b.md": b"\x00\x01\x02",
        "/c.md": RECORDING,
        "/photo.jpg": b"\xff\xd8\xff\xe0?",
    }
    with run_chat_server(limits=limits, attachments=attachments) as (talk, served):
        found = bring(talk, change_zip(content, changed))
        assert (numbers(found), found["report"]["files"]) == ({"created": 1, "messages": 2}, 1)
        assert left(found) == {"file_too_large": 1, "file_not_readable": 2, "recordings_full": 1}
        assert [name for name, _, _ in list_files(talk)] == ["d.md"]
        assert not [line for line in served.log if "Traceback" in line]
    with run_chat_server(attachments={"files": 2}) as (talk, _):
        found = bring(talk, content)
        assert (found["report"]["files"], left(found)) == (2, {"too_many_files": 3})


def test_a_recording_comes_and_its_text_is_made_again() -> None:
    with run_chat_server() as (talk, _):
        sent = attach(talk, RECORDING, "memo.wav")
        wait_for(lambda: talk.http.get(f"/api/attachments/{sent['id']}").json()["state"] == "ready")
        id_ = talk.conversation(title="Mine")
        talk.say(id_, "See?", attachments=[sent["id"]])
        content = talk.http.get(f"/api/conversations/{id_}/export?format=zip").content
        delete_all(talk)
        assert bring(talk, content)["report"]["files"] == 1
        (made,) = list_conversations(talk)
        (file,) = talk.messages(made["id"])[0]["attachments"]
        wait_for(lambda: talk.http.get(f"/api/attachments/{file['id']}").json()["state"] == "ready")


def test_no_room_for_files_keeps_no_message_away_and_they_come_once_there_is_some() -> None:
    with run_chat_server(attachments={"user_mb": 1}) as (talk, _):
        content = make_own(talk, ("a.txt", b"first"))
        delete_all(talk)
        filled = attach(talk, b"x" * 999_998, "large.txt")
        found = bring(talk, content)
        assert (numbers(found), left(found)) == ({"created": 1, "messages": 2}, {"files_full": 1})
        talk.http.delete(f"/api/attachments/{filled['id']}")
        again = bring(talk, content)
        assert (numbers(again), again["report"]["files"], left(again)) == ({"extended": 1}, 1, {})


def test_what_another_user_has_stays_theirs() -> None:
    """The same archive for two users: each has files of their own, under ids of their own."""
    with run_chat_server() as (talk, _):
        content = make_own(talk, ("n.md", b"# Note"))
    with run_chat_server(accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        people = []
        for name in ("ana", "bob"):
            with make_client(served, headers=make_bearer(team.token(team.add(name)))) as http:
                person = ChatClient(http)
                assert bring(person, content)["report"]["files"] == 1
                (made,) = list_conversations(person)
                (file,) = person.messages(made["id"])[0]["attachments"]
                people.append((made["id"], file["id"]))
                for conversation_id, file_id in people[:-1]:
                    assert read_error(http.get(f"/api/conversations/{conversation_id}")) == (404, "not_found")
                    assert read_error(http.get(f"/api/attachments/{file_id}/content")) == (404, "not_found")
        assert len({each for pair in people for each in pair}) == 4
        assert len(list_contents(served)) == 2

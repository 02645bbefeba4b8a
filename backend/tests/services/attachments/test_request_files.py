"""Files in requests under `/v1`: turned into what the model takes, by the dialects too."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pybase64
import pytest

from tests.fakes.llm_providers import FakeChat
from tests.support.attachments import attach, make_picture
from tests.support.conversations import ChatClient, run_chat_server
from tests.support.files import make_docx, make_pdf, say

Asked = tuple[ChatClient, FakeChat]


@pytest.fixture
def asked() -> Iterator[Asked]:
    model = FakeChat(lists=("tiny", "gpt-5"))
    with run_chat_server(model) as (talk, _):
        yield talk, model


def make_data(data: bytes, media: str = "") -> str:
    encoded = pybase64.b64encode(data).decode()
    return f"data:{media};base64,{encoded}" if media else encoded


def ask(talk: ChatClient, *parts: dict[str, Any], model: str = "fake/tiny") -> httpx2.Response:
    content = [{"type": "text", "text": "Sum up"}, *parts]
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    return talk.http.post("/v1/chat/completions", json=body)


def file_part(**file: Any) -> dict[str, Any]:
    return {"type": "file", "file": file}


def sent_to(model: FakeChat) -> Any:
    return model.requests[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"it is Tuesday", "it is Tuesday"),
        ("a.docx", make_docx("<w:p><w:r><w:t>it is Tuesday</w:t></w:r></w:p>"), "it is Tuesday"),
        ("a.pdf", make_pdf(say("it is Tuesday")), "it is Tuesday"),
    ],
)
def test_a_document_becomes_text(asked: Asked, name: str, data: bytes, words: str) -> None:
    talk, model = asked
    for file_data in (make_data(data), make_data(data, "application/octet-stream")):
        assert ask(talk, file_part(filename=name, file_data=file_data)).status_code == 200
        assert sent_to(model).startswith("Sum up\n\n<attached_file name=")
        assert words in sent_to(model)


def test_a_pdf_goes_on_to_who_reads_it(asked: Asked) -> None:
    talk, model = asked
    part = file_part(filename="a.pdf", file_data=make_data(make_pdf(say("x")), "application/pdf"))
    assert ask(talk, part, model="fake/gpt-5").status_code == 200
    assert sent_to(model)[1] == part


def test_a_picture_becomes_a_picture_and_other_parts_stay(asked: Asked) -> None:
    talk, model = asked
    url = make_data(make_picture(), "image/jpeg")
    other = [file_part(file_id="file-abc"), {"type": "image_url", "image_url": {"url": url}}]
    assert ask(talk, file_part(file_data=url), *other).status_code == 200
    assert sent_to(model)[1:] == [{"type": "image_url", "image_url": {"url": url}}, *other]


def test_an_attachment_is_sent_by_its_id(asked: Asked) -> None:
    talk, model = asked
    notes, photo = attach(talk, b"it is Tuesday", "notes.md"), attach(talk, make_picture(), "photo.jpg")
    assert ask(talk, file_part(file_id=notes["id"]), file_part(file_id=photo["id"])).status_code == 200
    texts = [part["text"] for part in sent_to(model) if part["type"] == "text"]
    assert "it is Tuesday" in texts[1]
    assert sent_to(model)[-1]["image_url"]["url"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ({"file_id": str(uuid4())}, "bad_request"),
        ({"file_data": "%%%"}, "invalid_base64"),
        ({"file_data": make_data(bytes(100))}, "unsupported_file"),
        ({"file_data": make_data(b"%PDF-1.4 rubbish")}, "file_not_readable"),
        ({"file_data": make_data(make_pdf(b""))}, "images_not_supported"),
        ({"file_data": make_data(b"OggS\x00\x02" + bytes(30))}, "bad_request"),
    ],
)
def test_what_cannot_be_read_is_refused(asked: Asked, file: dict[str, Any], code: str) -> None:
    talk, model = asked
    answer = ask(talk, file_part(**file))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, "messages[0].content")
    assert model.requests == []


def test_too_many_files_and_pictures_for_who_takes_none_are_refused(asked: Asked) -> None:
    talk, _ = asked
    many = [file_part(file_data=make_data(b"x"))] * 21
    assert ask(talk, *many).json()["error"]["param"] == "messages"
    answer = ask(talk, file_part(file_data=make_data(make_picture())), model="echo")
    assert answer.json()["error"]["code"] == "images_not_supported"


def test_the_dialects_take_files_too(asked: Asked) -> None:
    talk, model = asked
    data = make_data(b"it is Tuesday", "text/plain")
    parts: list[dict[str, Any]] = [{"type": "input_file", "filename": "a.txt", "file_data": data}]
    body: dict[str, Any] = {"model": "fake/tiny", "input": [{"role": "user", "content": parts}]}
    assert talk.http.post("/v1/responses", json=body).status_code == 200
    assert "it is Tuesday" in sent_to(model)
    source = {"type": "base64", "media_type": "text/plain", "data": make_data(b"it is Friday")}
    said = {"role": "user", "content": [{"type": "document", "source": source}]}
    body = {"model": "fake/tiny", "max_tokens": 9, "messages": [said]}
    assert talk.http.post("/v1/messages", json=body).status_code == 200
    assert "it is Friday" in sent_to(model)

"""The doors of conversations on both databases: ids, times and JSON come out alike."""

from app.core.config import Settings
from tests.fakes.llm_providers import CALL, RESULT, FakeAssistant, delta
from tests.support.conversations import join_content, parse_events, read_error, run_chat_server


def test_an_answer_is_made_again_followed_exported_and_found(storage_settings: Settings) -> None:
    with run_chat_server(storage=storage_settings.storage, data_dir=storage_settings.data_dir) as (
        talk,
        served,
    ):
        id_ = talk.conversation(title="Plans")
        asked, answer = talk.say(id_, "hello")
        again = talk.events(f"/api/messages/{answer}/regenerate")
        assert (again[0].data["user_message_id"], join_content(again)) == (asked, "hello")
        followed = talk.http.get(f"/api/chat/stream/{answer}")
        assert parse_events(followed.text)[-1].data["message_id"] == answer
        assert talk.show(id_, answer).json()["active_leaf_id"] == answer
        assert len(talk.messages(id_)[1]["version_ids"]) == 2
        assert talk.http.post(f"/api/messages/{answer}/fork").json()["message_count"] == 2
        exported = talk.http.get(f"/api/conversations/{id_}/export?format=json").json()
        assert [message["parent_id"] for message in exported["messages"]] == [None, asked, asked]
        found = talk.http.get("/api/search?q=plans").json()
        assert {hit["kind"] for hit in found} == {"title"}
        session = talk.http.post("/api/chat/realtime/sessions", json={}).json()["id"]
        told = talk.http.post(f"/api/chat/realtime/sessions/{session}/stream", json={"content": "hi"})
        assert '"type":"done"' in told.text
        assert not [line for line in served.log if "Traceback" in line]


def test_what_tools_did_is_told_listed_and_exported_alike(storage_settings: Settings) -> None:
    model = FakeAssistant([delta("so: "), CALL, RESULT, delta("sent", finish="stop")])
    with run_chat_server(model, storage=storage_settings.storage, data_dir=storage_settings.data_dir) as (
        talk,
        served,
    ):
        id_ = talk.conversation()
        _, answer = talk.say(id_, "hello")
        followed = parse_events(talk.http.get(f"/api/chat/stream/{answer}").text)
        told = [(event.name, event.data) for event in followed if event.name.startswith("tool_")]
        listed = talk.messages(id_)[1]["tool_events"]
        assert [(each["event"], each["data"]) for each in listed] == told
        assert [name for name, _ in told] == ["tool_call", "tool_result"]
        exported = talk.http.get(f"/api/conversations/{id_}/export?format=json").json()
        assert exported["messages"][1]["tool_data"] == listed
        asked = talk.http.post(f"/api/messages/{answer}/approvals/call_1", json={"approved": True})
        assert read_error(asked) == (404, "not_found")
        assert not [line for line in served.log if "Traceback" in line]

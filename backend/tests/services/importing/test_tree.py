"""The order of messages: circles, orphans, keys that stand twice, and too many."""

import json

from app.services.importing.reading import LeftOut
from app.services.importing.source import Left
from tests.support.exports import T0, dump, make_chatgpt, make_chatgpt_node
from tests.support.imported import NOW, Found, read_all, read_one


def test_circles_orphans_and_the_future() -> None:
    found = read_one(
        make_chatgpt(
            make_chatgpt_node("a", "b", "user", "One", at=T0 + 1),
            make_chatgpt_node("b", "a", "assistant", "Two", at=T0 + 2),
            make_chatgpt_node("c", "nobody", "user", "Three", at=4_000_000_000),
            make_chatgpt_node("d", "d", "user", "Four", at=T0 + 3),
        )
    )
    assert sorted(found.by_key) == ["a", "b", "c", "d"]
    assert found.by_key["c"].created_at == NOW
    assert found.draft.left == {Left.CYCLE: 2, Left.ORPHAN: 1, Left.FUTURE_DATE: 1}


def test_a_key_that_stands_twice() -> None:
    said = dump(make_chatgpt(make_chatgpt_node("q", "root", "user", "One")))
    node = dump(make_chatgpt_node("q", "root", "user", "Two"))
    said = said.replace(b'"q": {', b'"q": ' + node + b', "q": {', 1)
    assert json.loads(said)
    _, (found,) = read_all(said)
    assert isinstance(found, Found)
    assert found.read("content") == {"q": "Two"}
    assert found.draft.left == {Left.DUPLICATE: 1}


def test_a_conversation_with_too_many_places_is_left_out() -> None:
    nodes = b",".join(b'"%d":{"parent":null,"message":null}' % n for n in range(20_001))
    _, (found,) = read_all(b'[{"title":"Long","mapping":{' + nodes + b"}}]")
    assert found == LeftOut(Left.TOO_MANY_MESSAGES, "Long", "chatgpt")

"""Whole files: what is refused, what is left out, and any damage."""

import random
import tempfile
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.importing.archive import DamagedArchive, NotText
from app.services.importing.formats import TooManyConversations
from app.services.importing.json_spans import DamagedJson
from app.services.importing.reading import Drafted, LeftOut, NotRecognised, read_upload
from app.services.importing.source import Left
from tests.support import exports
from tests.support.exports import dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.imported import LIMITS, NOW, REFUSALS, Found, check_order, read_all

pytestmark = pytest.mark.once

MAKERS: dict[str, Callable[[], bytes]] = {
    "chatgpt": lambda: dump([exports.make_chatgpt_turns()]),
    "chatgpt zip": lambda: make_zip(
        {"conversations.json": dump([exports.make_chatgpt_turns()]), "user.json": b"{}"}
    ),
    "claude": lambda: dump([exports.make_claude()]),
    "open_webui": lambda: dump([exports.make_open_webui()]),
    "librechat": lambda: dump(exports.make_librechat(recursive=False)),
    "librechat tree": lambda: dump(exports.make_librechat(recursive=True)),
    "chatbot_ui": lambda: dump(exports.make_chatbot_ui()),
}


def test_half_of_an_emoji_does_no_harm() -> None:
    said = dump(make_chatgpt(make_chatgpt_node("q", "root", "user", "HALF"))).replace(b"HALF", b"a\\ud83d")
    _, (found,) = read_all(said)
    assert isinstance(found, Found)
    assert found.by_key["q"].content == "a\ufffd"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello", NotText),
        (b"\x89PNG\r\n\x1a\n", NotText),
        (b"PK\x03\x04 and no more", DamagedArchive),
        (make_zip({"a.txt": b"x"}), NotRecognised),
        (make_zip({})[:-4], DamagedArchive),
        (b"[1, 2, 3]", NotRecognised),
        (b'{"a": 1}', NotRecognised),
        (b'[{"mapping": {', DamagedJson),
        (b"[" * 100_000, DamagedJson),
        (b'{"a":' * 50_000, DamagedJson),
        (b'[{"mapping":{}}' + b",0" * 100_000 + b"]", TooManyConversations),
        (b"{" + b",".join(b'"%d":1' % n for n in range(5000)) + b"}", NotRecognised),
    ],
)
def test_what_is_no_export_is_refused(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_all(content)


def test_a_message_that_nests_too_deep_is_left_out() -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    said = dump(
        make_chatgpt(
            make_chatgpt_node("q", "root", "user", "One"), make_chatgpt_node("r", "q", "user", "DEEP")
        )
    )
    _, (found,) = read_all(said.replace(b'["DEEP"]', deep))
    assert isinstance(found, Found)
    assert found.read("content") == {"q": "One"}
    assert found.draft.left == {Left.TOO_DEEP: 1}


def test_entries_without_conversations_are_told() -> None:
    _, found = read_all(
        dump([exports.make_claude(), {"title": "broken"}, 7, exports.make_claude(chat_messages=[])])
    )
    assert found[1:] == [
        LeftOut(Left.NOT_A_CONVERSATION),
        LeftOut(Left.NOT_A_CONVERSATION),
        LeftOut(Left.NO_MESSAGES, "A letter", "claude"),
    ]


@pytest.mark.parametrize("kind", MAKERS)
@given(seed=st.integers(0, 1 << 32), cuts=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_damage_ends_in_an_error_or_a_report(kind: str, seed: int, cuts: bool) -> None:
    """Cut off anywhere, or with some bits turned: whatever is read is whole and in order."""
    chance = random.Random(seed)
    content = bytearray(MAKERS[kind]())
    if cuts:
        del content[chance.randrange(len(content)) :]
    else:
        for _ in range(chance.randrange(1, 4)):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    try:
        _, found = read_all(bytes(content))
    except REFUSALS:
        return
    for each in found:
        if isinstance(each, Found):
            check_order(each.messages)


@pytest.mark.parametrize("kind", MAKERS)
def test_undamaged_files_are_read(kind: str) -> None:
    _, found = read_all(MAKERS[kind]())
    assert found
    for each in found:
        assert isinstance(each, Found)
        check_order(each.messages)


def test_a_long_conversation_is_never_whole_in_memory() -> None:
    """Python's own memory, for one conversation of 12 MB: places and times, and a few messages at a time."""
    content = exports.make_large_chatgpt(random.Random(1), 12 << 20, messages=6000)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        size = len(content)
        del content
        tracemalloc.start()
        steps = read_upload(file, LIMITS, NOW, lambda: None)
        counts = [len(step.draft.messages) for step in steps if isinstance(step, Drafted)]
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert set(counts) == {6000}
    assert size > 12_000_000
    assert peak_bytes < 8 << 20

"""The buffer of a running answer, the places of its readers, and characters that come in halves."""

import re
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.services.chat.buffer import AnswerBuffer, SurrogateJoiner, TextBuffer
from app.services.chat.events import (
    MOST_CHARS,
    AnswerEvent,
    Cursor,
    Failed,
    ReasoningDelta,
    TextDelta,
    replay,
)
from app.utils.ids import new_id

END = Failed(Cursor(), new_id(), "interrupted", "the end")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


async def everything(buffer: AnswerBuffer, cursor: Cursor) -> list[AnswerEvent]:
    async with aclosing(buffer.read(cursor)) as events:
        return [event async for event in events]


@given(st.lists(TEXTS), st.integers(0, 400))
def test_text_grows_and_can_be_read_from_anywhere(pieces: list[str], at: int) -> None:
    growing, whole = TextBuffer(), ""
    for piece in pieces:
        whole += piece
        assert growing.add(piece) == len(piece)
        assert growing.after(at) == whole[at:]
    assert (str(growing), growing.size) == (whole, len(whole))


async def test_a_reader_hears_all_however_late_it_comes() -> None:
    buffer, heard = AnswerBuffer(), list[list[AnswerEvent]]()

    async def listen() -> None:
        heard.append(await everything(buffer, Cursor()))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for piece in ("a", "b", "", "c"):
                group.start_soon(listen)
                await anyio.lowlevel.checkpoint()
                buffer.think(piece.upper())
                buffer.say(piece)
            buffer.close(END)
            group.start_soon(listen)
    for events in heard:
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "abc"
        assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "ABC"
        assert events[-1].cursor == Cursor(3, 3, over=True)
    assert len(heard) == 5
    assert len(heard[-1]) == 3  # one piece of each, and the end


async def test_only_the_first_end_counts() -> None:
    buffer = AnswerBuffer()
    buffer.close(END)
    buffer.close(Failed(Cursor(), END.message_id, "internal_error", "another"))
    assert [type(event) for event in await everything(buffer, Cursor())] == [Failed]
    assert buffer.end is END


async def test_a_reader_that_is_far_behind_catches_up_in_pieces() -> None:
    buffer, text = AnswerBuffer(), "x" * (2 * MOST_CHARS + 1)
    buffer.say(text)
    buffer.close(END)
    live = [event.text for event in await everything(buffer, Cursor()) if isinstance(event, TextDelta)]
    stored = [event.text for event in replay(Cursor(), text, "") if isinstance(event, TextDelta)]
    assert live == stored
    assert [len(piece) for piece in live] == [MOST_CHARS, MOST_CHARS, 1]


@pytest.mark.parametrize(
    "cursor",
    [Cursor(), Cursor(12, 3), Cursor(5, 0, over=True), Cursor(5, 1, happened=7), Cursor(5, 1, True, 2)],
)
def test_a_place_can_be_read_again(cursor: Cursor) -> None:
    assert Cursor.of(str(cursor)) == cursor


@pytest.mark.parametrize(
    "event_id",
    ["1", "1.", "a.b", "-1.2", "1.2.3.4", "1.2.", "1.2.x", "1.2.end.", "9" * 10 + ".0", "١.٢", "1.2\n3"],
)
def test_what_is_no_place_is_refused(event_id: str) -> None:
    with pytest.raises(BadRequest, match="Last-Event-ID"):
        Cursor.of(event_id)


def test_no_place_is_the_beginning() -> None:
    assert Cursor.of("") == Cursor.of(" ") == Cursor()


@given(st.text(), st.data())
def test_characters_are_whole_however_they_are_cut(text: str, data: st.DataObject) -> None:
    """Text as JSON carries it, in UTF-16, cut anywhere; what has no other half is replaced."""
    units = text.encode("utf-16-le", "surrogatepass")
    halves = [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]
    characters, whole = SurrogateJoiner(), ""
    while halves:
        count = data.draw(st.integers(1, len(halves)))
        whole += characters.whole("".join(halves[:count]))
        halves = halves[count:]
    wanted = re.sub("[\0\ud800-\udfff]", "\ufffd", units.decode("utf-16-le", "surrogatepass"))
    assert whole == wanted or whole == wanted[:-1]  # a half at the very end still waits for the other
    assert whole == wanted or "\ud800" <= text[-1] <= "\udbff"

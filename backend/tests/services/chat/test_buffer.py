"""The buffer of a running answer, the cursors of its readers, and characters that come in halves."""

import re
from contextlib import aclosing

import anyio
import anyio.lowlevel
from hypothesis import given
from hypothesis import strategies as st

from app.core.notes import Note
from app.services.chat.buffer import MOST_EVENT_CHARS, AnswerBuffer, SurrogateJoiner, TextBuffer
from app.services.chat.events import (
    AnswerEvent,
    Cursor,
    Delivery,
    Failed,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolEvent,
)
from app.utils.ids import new_id

END = Failed(message_id=new_id(), code="interrupted", message="the end", note=Note("interrupted"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


async def read(buffer: AnswerBuffer, cursor: Cursor) -> list[Delivery]:
    async with aclosing(buffer.read(cursor)) as deliveries:
        return [delivery async for delivery in deliveries]


async def everything(buffer: AnswerBuffer, cursor: Cursor) -> list[AnswerEvent]:
    return [event for _, event in await read(buffer, cursor)]


@given(st.lists(TEXTS), st.integers(0, 400))
def test_text_grows_and_can_be_read_from_anywhere(pieces: list[str], at: int) -> None:
    growing, whole = TextBuffer(), ""
    for piece in pieces:
        whole += piece
        assert growing.append(piece) == len(piece)
        assert growing.read(at) == whole[at:]
    assert (str(growing), growing.size) == (whole, len(whole))


async def test_a_reader_hears_all_however_late_it_comes() -> None:
    buffer, heard = AnswerBuffer(), list[list[Delivery]]()

    async def listen() -> None:
        heard.append(await read(buffer, Cursor()))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for piece in ("a", "b", "", "c"):
                group.start_soon(listen)
                await anyio.lowlevel.checkpoint()
                buffer.add_reasoning(piece.upper())
                buffer.add_text(piece)
            buffer.close(END)
            group.start_soon(listen)
    for deliveries in heard:
        events = [event for _, event in deliveries]
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "abc"
        assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "ABC"
        assert deliveries[-1].cursor == Cursor(3, 3, at_end=True)
    assert len(heard) == 5
    assert len(heard[-1]) == 3  # one piece of each, and the end


async def test_only_the_first_end_counts() -> None:
    buffer = AnswerBuffer()
    buffer.close(END)
    buffer.close(
        Failed(message_id=END.message_id, code="internal_error", message="another", note=Note("interrupted"))
    )
    assert [type(event) for event in await everything(buffer, Cursor())] == [Failed]
    assert buffer.end is END


async def test_a_reader_that_is_far_behind_catches_up_in_pieces() -> None:
    buffer, text = AnswerBuffer(), "x" * (2 * MOST_EVENT_CHARS + 1)
    buffer.add_text(text)
    buffer.close(END)
    live = [event.text for event in await everything(buffer, Cursor()) if isinstance(event, TextDelta)]
    stored = [
        event.text
        for _, event in AnswerBuffer.load(text, "", [], None).read_available(Cursor())
        if isinstance(event, TextDelta)
    ]
    assert live == stored
    assert [len(piece) for piece in live] == [MOST_EVENT_CHARS, MOST_EVENT_CHARS, 1]


@given(st.text(), st.data())
def test_characters_are_whole_however_they_are_cut(text: str, data: st.DataObject) -> None:
    """Text as JSON carries it, in UTF-16, cut anywhere; what has no other half is replaced."""
    units = text.encode("utf-16-le", "surrogatepass")
    halves = [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]
    characters, whole = SurrogateJoiner(), ""
    while halves:
        count = data.draw(st.integers(1, len(halves)))
        whole += characters.join("".join(halves[:count]))
        halves = halves[count:]
    wanted = re.sub("[\0\ud800-\udfff]", "\ufffd", units.decode("utf-16-le", "surrogatepass"))
    assert whole == wanted or whole == wanted[:-1]  # a half at the very end still waits for the other
    assert whole == wanted or "\ud800" <= text[-1] <= "\udbff"


async def test_a_tool_event_stands_behind_the_words_before_it() -> None:
    """While the buffer grows, and where it is loaded from what is stored."""
    buffer = AnswerBuffer()
    buffer.add_reasoning("hm")
    buffer.add_text("one ")
    buffer.add_tool_event(buffer.make_tool_event("tool_call", {"call_id": "call_1"}))
    buffer.add_text("two")
    buffer.close(END)
    loaded = AnswerBuffer.load("one two", "hm", buffer.tool_events, END)
    for each in (buffer, loaded):
        kinds = [type(event) for event in await everything(each, Cursor())]
        assert kinds == [ReasoningDelta, TextDelta, ToolEvent, TextDelta, Failed]
        assert each.cursor == Cursor(text=7, reasoning=2, tool_events=1)
    (call,) = buffer.tool_events
    assert (call.text, call.reasoning, call.call_id) == (4, 2, "call_1")


async def test_a_reader_that_has_the_end_gets_nothing() -> None:
    buffer = AnswerBuffer.load("text", "", [], END)
    assert await everything(buffer, Cursor(text=4, at_end=True)) == []
    assert [type(event) for event in await everything(buffer, Cursor(text=99))] == [Failed]


def test_what_is_available_ends_where_more_may_come() -> None:
    buffer = AnswerBuffer.load("text", "", [], None)
    assert [cursor for cursor, _ in buffer.read_available(Cursor())] == [Cursor(text=4)]
    assert list(buffer.read_available(Cursor(text=4))) == []


async def test_a_status_is_told_to_who_has_everything_and_is_no_part_of_the_answer() -> None:
    buffer, heard = AnswerBuffer(), list[Delivery]()
    waits = Status("loading", None, 1000)

    async def listen() -> None:
        async with aclosing(buffer.read(Cursor())) as deliveries:
            async for delivery in deliveries:
                heard.append(delivery)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            for told in (waits, waits, None, "Hel"):  # the same object is told once
                buffer.add_text(told) if isinstance(told, str) else buffer.tell(told)
                await anyio.wait_all_tasks_blocked()
            assert buffer.status is None
            buffer.tell(waits)
            buffer.add_text("lo")  # a status of before is not told after
            await anyio.wait_all_tasks_blocked()
            buffer.close(END)
    assert heard[:-1] == [
        Delivery(Cursor(), waits),
        Delivery(Cursor(text=3), TextDelta("Hel")),
        Delivery(Cursor(text=5), TextDelta("lo")),
    ]
    assert await everything(buffer, Cursor()) == [TextDelta("Hello"), END]

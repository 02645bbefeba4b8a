"""The report of an import: counted over the whole file, and bounded."""

from collections import Counter

from app.services.importing.report import DETAILS, Report
from app.services.importing.source import Left


def test_what_was_left_out_is_counted_and_named() -> None:
    report = Report()
    report.add_files(Counter({Left.OTHER_FILE: 2}))
    report.add("created", Counter(), source="claude", title="Whole", messages=3)
    report.add("created", Counter({Left.IMAGE: 2}), source="claude", title=" A \n letter ", messages=1)
    report.add("left_out", Counter({Left.NO_MESSAGES: 1}), source="chatgpt")
    told = report.to_json()
    assert (told["sources"], told["created"], told["left_out"], told["messages"]) == (
        ["claude", "chatgpt"],
        2,
        1,
        4,
    )
    assert {each["reason"]: each["count"] for each in told["left"]} == {
        "other_file": 2,
        "image": 2,
        "no_messages": 1,
    }
    assert told["details"][0] == {
        "title": "A letter",
        "outcome": "created",
        "left": [{"reason": "image", "count": 2}],
    }
    assert report.conversations == 3


def test_the_report_of_very_many_is_bounded() -> None:
    report = Report()
    for _ in range(DETAILS + 5):
        report.add("left_out", Counter([Left.NOT_A_CONVERSATION]))
    told = report.to_json()
    assert (len(told["details"]), told["more_details"], told["left_out"]) == (DETAILS, 5, DETAILS + 5)


def test_a_title_of_a_conversation_that_cannot_come_can_be_shown() -> None:
    report = Report()
    report.add("left_out", Counter([Left.NO_MESSAGES]), title="a\x00b\ud83d")
    assert report.to_json()["details"][0]["title"] == "a\ufffdb\ufffd"

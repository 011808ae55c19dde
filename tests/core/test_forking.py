"""What of a journal a fork takes over."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.archive import Contents, StoredEvent, StoredItem
from holdfast.core.forking import (
    cancellation,
    failure,
    left_behind,
    place,
    recorded_by,
    taken_over,
    with_outcomes,
    without_arguments,
)
from holdfast.core.model import Checkpoint, Kind
from holdfast.core.replay import CANCEL_ID, UNASKED_ID, Journal, Operation, version_mark, writers
from holdfast.errors import UsageError


def recorded(step_id: str, seq: int, kind: Kind = Kind.STEP, **fields: Any) -> Checkpoint:
    return Checkpoint(step_id=step_id, branch="", name=step_id.split("#", maxsplit=1)[0], kind=kind, seq=seq, **fields)


JOURNAL = (
    recorded("a#1", 1, digest="d"),
    recorded("recv#1:timer", 2, Kind.TIMER),
    recorded("pay#1:intent", 3, Kind.INTENT),
    recorded("recv#1", 4, Kind.RECEIVE),
    recorded("pay#1", 5),
    recorded("b#1", 6),
)


def ids(journal: Any) -> list[str]:
    return [each.step_id for each in journal]


def test_what_accompanies_an_operation_goes_with_it() -> None:
    assert ids(taken_over(JOURNAL, 4)) == ["a#1"]
    assert ids(taken_over(JOURNAL, 5)) == ["a#1", "recv#1:timer", "recv#1"]
    assert ids(taken_over(JOURNAL, 6)) == ids(JOURNAL[:5])
    assert ids(taken_over(JOURNAL, 1)) == []


def test_an_intent_may_be_kept_without_its_outcome() -> None:
    assert ids(taken_over(JOURNAL, 5, still_begun="pay#1")) == ["a#1", "recv#1:timer", "pay#1:intent", "recv#1"]


def test_what_a_later_version_did_not_ask_for_is_not_said_of_the_fork() -> None:
    journal = (*JOURNAL, recorded(UNASKED_ID, 7, Kind.VERSION))
    assert ids(taken_over(journal, 9)) == ids(JOURNAL)


def test_places_are_steps_or_numbers() -> None:
    assert place(JOURNAL, "pay#1", ()) == 5
    assert place(JOURNAL, 7, ()) == 7
    assert place(JOURNAL, None, ()) == 1
    assert place(JOURNAL, None, ("recv#1", "a#1")) == 5
    assert place((), 1, ()) == 1
    for wrong in (0, 8):
        with pytest.raises(UsageError, match="from 1 to 7"):
            place(JOURNAL, wrong, ())
    with pytest.raises(UsageError, match="no outcome of 'recv#1:timer'"):
        place(JOURNAL, None, ("recv#1:timer",))


def test_outcomes_are_replaced_whole() -> None:
    journal = [recorded("a#1", 1, output="1", attempts=3, attempt_errors="[]"), recorded("b#1", 2, error="{}")]
    edited = with_outcomes(journal, {"a#1": (None, "{}"), "b#1": ("2", None)})
    assert [(each.output, each.error, each.attempts, each.attempt_errors) for each in edited] == [
        (None, "{}", 1, None),
        ("2", None, 1, None),
    ]


def test_an_edited_journal_takes_other_arguments_but_no_other_order() -> None:
    journal = Journal(without_arguments(JOURNAL))
    asked = Operation(step_id="a#1", branch="", name="a", kind=Kind.STEP, digest="other")
    assert journal.take(asked) is not None
    cancelled = recorded(CANCEL_ID, 9, Kind.CANCEL, digest="b#1")
    assert without_arguments([cancelled]) == [cancelled]


def test_a_journal_under_another_version_says_who_recorded_it() -> None:
    assert recorded_by([], "v1") == []
    marked = recorded_by(JOURNAL, "v1")
    assert writers("v2", marked) == {"v1"}
    assert recorded_by(marked, "v2") == marked
    assert recorded_by([recorded(version_mark("v3"), 1, Kind.VERSION)], "v1")[0].seq == 1


def test_the_failure_is_the_latest_error_that_failed_the_workflow() -> None:
    journal = [recorded("a#1", 1, error="x"), recorded("b#1", 2, error="y"), recorded("c#1", 3)]
    errors = {"a#1": "x", "b#1": "y"}
    assert failure(journal, errors, ["x"]) == journal[0]
    assert failure(journal, errors, ["z", "y", "x"]) == journal[1]
    assert failure(journal, errors, ["z"]) is None
    assert failure(journal[:2], errors, ["z"]) == journal[1]
    assert failure([], {}, ["z"]) is None


def test_the_place_of_a_cancellation_is_found() -> None:
    mark = recorded(CANCEL_ID, 7, Kind.CANCEL)
    assert cancellation((*JOURNAL, mark)) == mark
    assert cancellation(JOURNAL) is None


def test_what_operations_published_goes_with_them() -> None:
    journal = [
        recorded("set_event:e#1", 1, Kind.EVENT),
        recorded("a#1", 2),
        recorded("set_attributes#1", 3, Kind.ATTRIBUTES, output='{"x": "1", "y": "2"}'),
        recorded("set_attributes#2", 4, Kind.ATTRIBUTES, output='{"y": null}'),
    ]

    def event(name: str, write_id: str) -> StoredEvent:
        return StoredEvent(name=name, value="1", write_id=write_id, version=1, set_at=0)

    def item(offset: int, write_id: str) -> StoredItem:
        return StoredItem(stream="s", offset=offset, value="1", write_id=write_id)

    contents = Contents(
        events=(
            event("e", "set_event:e#1"),
            event("in step", "w:a#1/event:in step#1"),
            event("later", "set_event:later#1"),
            event("in later step", "w:b#1/event:in later step#1"),
        ),
        stream_items=(item(0, "w:b#1:123"), item(1, "w:a#1:124"), item(2, "stream:s#1"), item(3, "w:a#1:125")),
        attributes=(("x", "9"),),
    )
    kept = left_behind(contents, "w", journal)
    assert [each.name for each in kept.events] == ["e", "in step"]
    assert [(each.offset, each.write_id) for each in kept.stream_items] == [(0, "w:a#1:124"), (1, "w:a#1:125")]
    assert kept.attributes == (("x", "1"),)

"""Exports as text: what was written is read back equal, and anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.archive import Archive, Contents, StoredEvent, StoredItem, StoredMessage, dump, load
from holdfast.core.management import MAX_ATTRIBUTE_LENGTH, Lineage, attribute_text, attribute_value
from holdfast.core.model import Checkpoint, Kind, Status, WorkflowRecord
from holdfast.errors import UsageError

ODD = '"\\u0000 \\ud800"'
RECORD = WorkflowRecord(
    workflow_id="wärme", name="refund", status=Status.FAILED, version="1", epoch=2, owner=None, parent_id=None,
    input=ODD, input_digest="d", request_id="r", created_at=1e9 + 0.1, wake_at=None, deadline_at=None,
    cancel_at=5.0, crashes=0, traceparent=None, queue=None, priority=-1, output=None, error="{}", finished_at=2e9,
    report=None,
)  # fmt: skip
CONTENTS = Contents(
    journal=(Checkpoint(step_id="a#1", branch="", name="a", kind=Kind.STEP, seq=1, output=ODD),),
    messages=(StoredMessage(message_id="m", topic="", body=ODD, sent_at=1.5, sender_id=None, consumed_by="a#1"),),
    events=(StoredEvent(name="e", value=ODD, write_id="w", version=1, set_at=1.0),),
    event_writes=("w",),
    stream_items=(StoredItem(stream="s", offset=0, value=None, write_id="w"),),
    attributes=(("a", ODD),),
    lineage=Lineage(forked_from="x", forked_step=None, forked_at=1.0),
)
ARCHIVES = [Archive(record=RECORD, contents=CONTENTS), Archive(record=RECORD, contents=Contents())]


def test_what_was_written_is_read_back_equal() -> None:
    text = dump(ARCHIVES)
    assert text.isascii()
    assert load(text) == ARCHIVES


def test_copies_are_compared_without_who_runs_them() -> None:
    running = replace(RECORD, status=Status.RUNNING, owner="w1", epoch=3, finished_at=None)
    blocked = replace(running, status=Status.BLOCKED, owner=None, epoch=4, report="{}")
    one, other = (Archive(record=each, contents=CONTENTS).comparable for each in (running, blocked))
    assert one == other
    assert Archive(record=RECORD, contents=CONTENTS).comparable != one


def edited(change: Callable[[Any], object]) -> str:
    document = json.loads(dump(ARCHIVES))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        edited(lambda document: document.update(format="other")),
        edited(lambda document: document.update(version=2)),
        edited(lambda document: document.pop("workflows")),
        edited(lambda document: document["workflows"][0]["workflow"].pop("name")),
        edited(lambda document: document["workflows"][0]["workflow"].update(name=None)),
        edited(lambda document: document["workflows"][0]["workflow"].update(status="odd")),
        edited(lambda document: document["workflows"][0]["workflow"].update(created_at="now")),
        edited(lambda document: document["workflows"][0]["workflow"].update(epoch=True)),
        edited(lambda document: document["workflows"][0]["workflow"].update(extra=1)),
        edited(lambda document: document["workflows"][0]["journal"][0].update(seq=1.5)),
        edited(lambda document: document["workflows"][0]["journal"][0].update(kind="odd")),
        edited(lambda document: document["workflows"][0]["journal"][0].update(output={"a": 1})),
        edited(lambda document: document["workflows"][0]["messages"][0].update(body=None)),
        edited(lambda document: document["workflows"][0].update(attributes=[["a"]])),
        edited(lambda document: document["workflows"][0].update(attributes=[["a", 1]])),
        edited(lambda document: document["workflows"][0].update(event_writes=[1])),
        edited(lambda document: document["workflows"][0].pop("lineage")),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="export"):
        load(text)


@pytest.mark.parametrize("value", ["", "a\x00\ud800ä", 0, -1, 2**70, 2**1024 - 1, 1.5, True, False])
def test_attributes_come_back_as_they_were(value: object) -> None:
    text = attribute_text("a", value)
    assert text.isascii()
    back = attribute_value(text)
    assert (back, type(back)) == (value, type(value))


def test_equal_numbers_are_one_attribute_and_bools_are_none_of_them() -> None:
    assert attribute_text("a", 1) == attribute_text("a", 1.0)
    assert len({attribute_text("a", value) for value in (1, True, "1")}) == 3


@pytest.mark.parametrize(
    "value", [None, [], {}, b"", float("nan"), float("inf"), "x" * (MAX_ATTRIBUTE_LENGTH + 1), 2**1024]
)
def test_what_can_not_be_found_is_no_attribute(value: object) -> None:
    with pytest.raises(UsageError):
        attribute_text("a", value)


def test_an_attributes_name_has_no_control_characters() -> None:
    with pytest.raises(UsageError):
        attribute_text("a\nb", 1)

"""Workflows that are created with their contents: forks, and what was moved from another database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.archive import Contents, StoredEvent, StoredItem, StoredMessage
from holdfast.core.management import Lineage
from holdfast.core.model import Kind, NewWorkflow, Status, WorkflowRecord
from holdfast.store.management_writes import Restore
from holdfast.store.writes import Append, Create, PutEvent, Receipt, Unit
from tests.conformance.kit import START, Bench, checkpoint, new

ODD = '"a\\u0000b\\ud800 \\u00e4"'
"""What the codec makes of a text with a NUL and a lone surrogate."""

CONTENTS = Contents(
    journal=(checkpoint("a#1", seq=1, output=ODD), checkpoint("recv#1", kind=Kind.RECEIVE, seq=2, error="{}")),
    messages=(
        StoredMessage(message_id="m1", topic="", body=ODD, sent_at=START, sender_id="somebody", consumed_by="recv#1"),
        StoredMessage(message_id="m2", topic="", body="2", sent_at=START, sender_id=None, consumed_by=None),
        StoredMessage(message_id="m3", topic="t", body="3", sent_at=START, sender_id=None, consumed_by=None),
    ),
    events=(StoredEvent(name="e", value=ODD, write_id="set_event:e#2", version=2, set_at=START),),
    event_writes=("set_event:e#1", "set_event:e#2"),
    stream_items=(
        StoredItem(stream="s", offset=0, value=ODD, write_id="stream:s#1"),
        StoredItem(stream="s", offset=1, value=None, write_id="stream:s#2"),
    ),
    attributes=(("customer", "42"), ("odd", ODD)),
    lineage=Lineage(forked_from="origin", forked_step="b#1", forked_at=START),
)


def restore(bench: Bench, made: NewWorkflow, standing: WorkflowRecord | None = None) -> Receipt:
    write = Restore(workflow_id=made.workflow_id, request_id=made.request_id, contents=CONTENTS, standing=standing)
    [receipt] = bench.commit(Unit(writes=(Create(workflow=made), write)))
    return receipt


def test_contents_come_back_as_they_were(bench: Bench) -> None:
    assert restore(bench, new("one", owner=None)).results[0].existing is None
    assert bench.store.contents("one") == CONTENTS
    assert bench.status("one") is Status.ENQUEUED
    assert bench.last.ready
    assert bench.store.lineage("one") == CONTENTS.lineage
    assert bench.store.forks("origin") == ["one"]


def test_it_is_claimed_with_its_journal(bench: Bench) -> None:
    restore(bench, new("one", owner=None))
    assert bench.claim() == ["one"]
    [claimed] = bench.store.claimed(["one"])
    assert claimed.journal == CONTENTS.journal


def test_an_id_that_is_taken_is_left_alone(bench: Bench) -> None:
    bench.start("one")
    before = bench.get("one")
    assert restore(bench, new("one", owner=None)).results[0].existing == before
    assert bench.store.contents("one") == Contents()


def test_of_two_in_one_batch_the_first_is_filled(bench: Bench) -> None:
    first, second = new("one", owner=None), new("one", owner=None)
    other = replace(CONTENTS, journal=())
    units = [
        Unit(writes=(Create(workflow=made), Restore(workflow_id="one", request_id=made.request_id, contents=contents)))
        for made, contents in ((first, other), (second, CONTENTS))
    ]
    bench.commit(*units)
    assert bench.store.contents("one") == other


def test_what_was_restored_goes_on(bench: Bench) -> None:
    restore(bench, new("one", owner=None))
    bench.tell("one", "4", topic="t")
    bench.write(
        PutEvent(workflow_id="one", name="e", value="old", write_id="set_event:e#1"),
        Append(workflow_id="one", stream="s", value="1", write_id="stream:s#3"),
    )
    contents = bench.store.contents("one")
    assert [each.body for each in contents.messages if each.topic == "t"] == ["3", "4"]
    assert contents.events == CONTENTS.events
    assert [each.offset for each in contents.stream_items] == [0, 1, 2]


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.BLOCKED, Status.DEAD])
def test_it_stands_as_it_is_to_stand(bench: Bench, status: Status) -> None:
    made = new("one", owner=None, queue="mail", priority=3, parent_id="parent", deadline_at=START + 5)
    ends = status.is_terminal
    standing = WorkflowRecord(
        workflow_id="one", name=made.name, status=status, version=made.version, epoch=4, owner=None,
        parent_id="parent", input=made.input, input_digest=made.input_digest, request_id=made.request_id,
        created_at=made.created_at, wake_at=None, deadline_at=START + 5, cancel_at=START + 1, crashes=2,
        traceparent=None, queue="mail", priority=3, output=ODD if ends else None, error=None,
        finished_at=START + 2 if ends else None, report=None if ends else "{}",
    )  # fmt: skip
    restore(bench, made, standing)
    assert bench.get("one") == standing
    assert bench.claim() == []
    assert bench.store.contents("one") == CONTENTS

"""Checkpoints: the first is final, the order is that of recording, and any text comes back."""

from __future__ import annotations

from holdfast.core.model import Fence, Kind, Status
from holdfast.store.writes import Create, Finish, PutEvent, Record, SetAside, Unit
from tests.conformance.kit import START, Bench, checkpoint, new

# What the codec makes of text from models: plain ASCII, with NULs and lone surrogates as escapes.
ESCAPED = r'"nul \u0000 surrogate \ud800 quote \" backslash \\ ' + '\\u00e9"'
HOSTILE = "Robert'); DROP TABLE holdfast_workflows;-- \" % _ :name ? $1 %s {schema} \\ é 你 🙂"


def test_a_checkpoint_reads_back_as_it_was_recorded(bench: Bench) -> None:
    fence = bench.start("one")
    recorded = checkpoint(
        "branch/pay#2",
        branch="branch",
        kind=Kind.TRANSACTION,
        seq=3,
        output=None,
        error='{"type": "ValueError"}',
        attempts=4,
        attempt_errors='["a", "b", "c"]',
        started_at=START + 0.125,
        finished_at=START + 0.25,
    )
    bench.write(Record(checkpoint=recorded), fence=fence)
    assert bench.store.journal("one") == [recorded]


def test_the_first_checkpoint_of_a_step_is_final(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(Record(checkpoint=checkpoint(output='"first"')), fence=fence)
    bench.write(Record(checkpoint=checkpoint(output='"second"', attempts=9)), fence=fence)
    assert bench.store.journal("one") == [checkpoint(output='"first"')]


def test_of_two_checkpoints_of_a_step_in_one_batch_the_first_counts(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(
        Record(checkpoint=checkpoint(output='"first"')), Record(checkpoint=checkpoint(output='"second"')), fence=fence
    )
    assert [each.output for each in bench.store.journal("one")] == ['"first"']


def test_a_journal_is_read_in_the_order_of_recording(bench: Bench) -> None:
    fence = bench.start("one")
    bench.record(fence, "/z#1", "/a#1", "/m#1", "/b#1")
    assert bench.steps("one") == ["/z#1", "/a#1", "/m#1", "/b#1"]


def test_journals_of_different_workflows_are_kept_apart(bench: Bench) -> None:
    one, two = bench.start("one"), bench.start("two")
    bench.record(one, "/a#1", "/b#1")
    bench.record(two, "/a#1")
    assert (bench.steps("one"), bench.steps("two")) == (["/a#1", "/b#1"], ["/a#1"])


def test_claimed_workflows_come_with_their_whole_journals(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.record(bench.start(name), *(f"/{name}#{number}" for number in range(20)))
    found = {each.record.workflow_id: each for each in bench.store.claimed(["three", "one", "unknown"])}
    assert set(found) == {"one", "three"}
    assert found["one"].record == bench.get("one")
    assert list(found["three"].journal) == bench.store.journal("three")
    assert bench.store.claimed([]) == []


def test_an_unknown_workflow_has_no_journal_and_no_record(bench: Bench) -> None:
    assert bench.store.journal("none") == []
    assert bench.store.get_workflow("none") is None


def test_escaped_text_comes_back_as_it_is(bench: Bench) -> None:
    fence = bench.start("one", input=ESCAPED)
    bench.write(
        Record(checkpoint=checkpoint(output=ESCAPED, attempt_errors=ESCAPED)),
        PutEvent(workflow_id="one", name="progress", value=ESCAPED, write_id="w"),
        Finish(status=Status.FAILED, error=ESCAPED),
        fence=fence,
    )
    assert (bench.get("one").input, bench.get("one").error) == (ESCAPED, ESCAPED)
    assert bench.store.journal("one")[0].output == ESCAPED
    assert bench.store.event("one", "progress") == ESCAPED


def test_a_megabyte_comes_back_as_it_is(bench: Bench) -> None:
    large = '"' + "0123456789abcdef" * 65536 + '"'
    fence = bench.start("one", input=large)
    bench.write(Record(checkpoint=checkpoint(output=large)), Finish(status=Status.SUCCEEDED, output=large), fence=fence)
    assert bench.get("one").input == bench.get("one").output == bench.store.journal("one")[0].output == large


def test_names_are_data_whatever_they_contain(bench: Bench) -> None:
    fence = Fence(workflow_id=HOSTILE, epoch=1)
    asked = new(HOSTILE, name=HOSTILE, version=HOSTILE, owner=HOSTILE, parent_id=HOSTILE, queue=HOSTILE)
    recorded = checkpoint(HOSTILE, branch=HOSTILE, name=HOSTILE, digest=HOSTILE)
    bench.write(Create(workflow=asked), Record(checkpoint=recorded), fence=fence)
    assert (bench.get(HOSTILE).name, bench.get(HOSTILE).owner, bench.get(HOSTILE).queue) == (HOSTILE,) * 3
    assert bench.store.journal(HOSTILE) == [recorded]
    bench.write(SetAside(status=Status.BLOCKED, report=HOSTILE), fence=fence)
    assert bench.store.outcomes([HOSTILE])[HOSTILE].error == HOSTILE


def test_outcomes_tell_what_ended_and_what_was_set_aside(bench: Bench) -> None:
    bench.finish(bench.start("ended"), '"value"')
    bench.write(Finish(status=Status.FAILED, error='"broken"'), fence=bench.start("failed"))
    bench.write(SetAside(status=Status.BLOCKED, report='{"why": 1}'), fence=bench.start("blocked"))
    bench.start("running")
    found = bench.store.outcomes(["ended", "failed", "blocked", "running", "unknown"])
    assert {name: (each.status, each.output, each.error) for name, each in found.items()} == {
        "ended": (Status.SUCCEEDED, '"value"', None),
        "failed": (Status.FAILED, None, '"broken"'),
        "blocked": (Status.BLOCKED, None, '{"why": 1}'),
    }


def test_an_outcome_has_the_time_of_its_commit(bench: Bench) -> None:
    fence = bench.start("one")
    bench.clock.advance(90)
    bench.finish(fence)
    assert bench.get("one").finished_at == START + 90


def test_a_batch_of_nothing_is_fine(bench: Bench) -> None:
    assert bench.store.commit([]).receipts == []
    assert bench.commit(Unit(writes=())) == bench.last.receipts

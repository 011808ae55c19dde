"""Lists: newest first, by filters, page by page."""

from __future__ import annotations

import json

import pytest

from holdfast.core.management import attribute_text
from holdfast.core.model import Status, WorkflowFilter
from holdfast.store.listing import prefix_end
from holdfast.store.management_writes import SetAttributes
from holdfast.store.writes import Finish, SetAside
from tests.conformance.kit import START, Bench, for_message


@pytest.fixture
def listed(bench: Bench) -> Bench:
    for number in range(10):
        bench.start(
            f"workflow-{number}",
            name="refund" if number % 2 else "review",
            parent_id="workflow-0" if number > 6 else None,
            # Pairs are created at the same instant: their ids decide.
            created_at=START + number // 2,
            owner="w1" if number != 3 else None,
        )
    bench.start("odd_%name", created_at=START - 10)
    return bench


def ids(bench: Bench, **where: object) -> list[str]:
    return [each.workflow_id for each in bench.store.list_workflows(WorkflowFilter(**where))]  # type: ignore[arg-type]  # a field's value, by name


def test_newest_come_first(listed: Bench) -> None:
    assert ids(listed) == [*(f"workflow-{number}" for number in reversed(range(10))), "odd_%name"]
    assert ids(listed, limit=2) == ["workflow-9", "workflow-8"]


def test_pages_cover_everything_once(listed: Bench) -> None:
    seen: list[str] = []
    before = None
    while page := listed.store.list_workflows(WorkflowFilter(limit=3, before=before)):
        seen += [each.workflow_id for each in page]
        before = (page[-1].created_at, page[-1].workflow_id)
    assert seen == ids(listed)


def test_filters_restrict_and_combine(listed: Bench) -> None:
    assert ids(listed, status=(Status.ENQUEUED,)) == ["workflow-3"]
    assert ids(listed, status=()) == []
    assert ids(listed, status=(Status.FAILED, Status.ENQUEUED)) == ["workflow-3"]
    assert ids(listed, name="review", limit=2) == ["workflow-8", "workflow-6"]
    assert ids(listed, parent_id="workflow-0") == ["workflow-9", "workflow-8", "workflow-7"]
    assert ids(listed, parent_id="workflow-0", name="review") == ["workflow-8"]
    assert ids(listed, parent_id="workflow-0", before=(START + 4, "workflow-9")) == ["workflow-8", "workflow-7"]
    assert ids(listed, name="refund", status=(Status.RUNNING,), before=(START + 2, "workflow-5")) == [
        "workflow-1",
        "odd_%name",
    ]
    assert ids(listed, name="none") == []


def test_times_restrict(listed: Bench) -> None:
    assert ids(listed, created_after=START + 2.5) == [f"workflow-{number}" for number in (9, 8, 7, 6)]
    assert ids(listed, created_before=START + 0.5) == ["workflow-1", "workflow-0", "odd_%name"]
    assert ids(listed, created_after=START - 0.5, created_before=START + 0.5) == ["workflow-1", "workflow-0"]


def test_a_prefix_is_taken_as_it_is(listed: Bench) -> None:
    assert ids(listed, id_prefix="workflow-9") == ["workflow-9"]
    assert ids(listed, id_prefix="odd_%") == ["odd_%name"]
    assert ids(listed, id_prefix="odd%") == []
    assert ids(listed, id_prefix="w_") == []
    assert len(ids(listed, id_prefix="")) == 11


@pytest.fixture
def various(bench: Bench) -> Bench:
    """Workflows in every status, created one second after another."""
    fences = {name: bench.start(name, created_at=START + number) for number, name in enumerate("abcdefgh")}
    bench.finish(fences["a"])
    for name, message in (("b", "order 42 IS gone"), ("c", "Größe falsch")):
        bench.clock.advance(100)
        error = json.dumps({"type": "builtins:ValueError", "message": message})
        bench.write(Finish(status=Status.FAILED, error=error), fence=fences[name])
    bench.write(Finish(status=Status.CANCELLED), fence=fences["d"])
    bench.write(SetAside(status=Status.BLOCKED, report='{"reason": "order 43 is gone"}'), fence=fences["e"])
    bench.write(SetAside(status=Status.DEAD, report='{"reason": "crashed"}'), fence=fences["f"])
    bench.sleep(fences["g"], for_message("g"))
    bench.start("i", owner=None, queue="mail", created_at=START + 8)
    bench.start("j", owner=None, queue="mail", wake_at=START + 1000, created_at=START + 9)
    return bench


def test_every_status_is_found_alone_and_with_others(various: Bench) -> None:
    expected = {"succeeded": "a", "failed": "cb", "cancelled": "d", "blocked": "e", "dead": "f", "suspended": "g"}
    expected |= {"running": "h", "enqueued": "ji"}
    for status, names in expected.items():
        assert "".join(ids(various, status=(Status(status),))) == names
    assert "".join(ids(various, status=(Status.FAILED, Status.DEAD, Status.RUNNING, Status.ENQUEUED))) == "jihfcb"
    assert "".join(ids(various, status=(Status.FAILED, Status.SUCCEEDED))) == "cba"
    assert "".join(ids(various, status=(Status.FAILED, Status.DEAD), limit=2)) == "fc"
    assert "".join(ids(various, status=(Status.FAILED, Status.DEAD), before=(START + 5, "f"))) == "cb"
    assert "".join(ids(various, status=(Status.FAILED, Status.DEAD), created_before=START + 2)) == "b"


def test_queues_and_ends_restrict(various: Bench) -> None:
    assert "".join(ids(various, queue="mail")) == "ji"
    assert ids(various, queue="post") == []
    assert "".join(ids(various, finished_after=START + 50)) == "dcb"
    assert "".join(ids(various, finished_after=START + 50, finished_before=START + 150)) == "b"
    assert "".join(ids(various, finished_before=START + 50)) == "a"
    assert "".join(ids(various, finished_after=START + 50, status=(Status.CANCELLED, Status.DEAD))) == "d"


def test_errors_and_reports_are_searched(various: Bench) -> None:
    assert "".join(ids(various, error="is gone")) == "eb"
    assert "".join(ids(various, error="ORDER 42")) == "b"
    assert "".join(ids(various, error="Größe")) == "c"
    assert "".join(ids(various, error="is gone", status=(Status.FAILED, Status.SUCCEEDED))) == "b"
    assert ids(various, error="is gone", status=()) == []
    assert ids(various, error="100%") == []
    assert ids(various, error='"message"') == []


def test_attributes_restrict_all_of_them(various: Bench) -> None:
    for name, values in {
        "a": {"customer": 42, "region": "eu"},
        "b": {"customer": 42, "region": "us"},
        "c": {"customer": "42", "vip": True},
        "g": {"customer": 42.5, "odd": "a\x00b\ud800"},
    }.items():
        texts = tuple((key, attribute_text(key, value)) for key, value in values.items())
        various.write(SetAttributes(workflow_id=name, values=texts, write_id="w"))
    assert "".join(ids(various, attributes={"customer": 42})) == "ba"
    assert "".join(ids(various, attributes={"customer": 42.0, "region": "eu"})) == "a"
    assert "".join(ids(various, attributes={"customer": "42"})) == "c"
    assert "".join(ids(various, attributes={"customer": 42.5})) == "g"
    assert "".join(ids(various, attributes={"vip": True})) == "c"
    assert ids(various, attributes={"vip": 1}) == []
    assert "".join(ids(various, attributes={"odd": "a\x00b\ud800"})) == "g"
    assert "".join(ids(various, attributes={"customer": 42}, status=(Status.FAILED,))) == "b"
    assert "".join(ids(various, attributes={"customer": 42}, before=(START + 1, "b"))) == "a"


def test_pages_of_a_selection_cover_everything_once(various: Bench) -> None:
    where = WorkflowFilter(status=(Status.FAILED, Status.CANCELLED, Status.DEAD, Status.ENQUEUED), limit=2)
    seen = []
    while page := various.store.list_workflows(where):
        seen += [each.workflow_id for each in page]
        where = where.after(page[-1])
    assert "".join(seen) == "jifdcb"


@pytest.mark.parametrize(
    ("prefix", "end"), [("ab", "ac"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("\U0010ffff", None)]
)
def test_the_end_of_a_prefix_is_the_next_text(prefix: str, end: str | None) -> None:
    assert prefix_end(prefix) == end


def test_listed_records_are_whole(listed: Bench) -> None:
    assert listed.store.list_workflows(WorkflowFilter(id_prefix="workflow-9")) == [listed.get("workflow-9")]

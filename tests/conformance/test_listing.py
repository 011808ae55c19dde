"""Lists: newest first, by filters, page by page."""

from __future__ import annotations

import pytest

from holdfast.core.model import Status, WorkflowFilter
from tests.conformance.kit import START, Bench


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
    return [each.workflow_id for each in bench.store.list_workflows(WorkflowFilter(**where))]  # type: ignore[arg-type]


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


def test_listed_records_are_whole(listed: Bench) -> None:
    assert listed.store.list_workflows(WorkflowFilter(id_prefix="workflow-9")) == [listed.get("workflow-9")]

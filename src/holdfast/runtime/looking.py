"""Looking at workflows from outside: pages, counts, one workflow with all that belongs to it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from holdfast.core.identity import check_text
from holdfast.core.management import WorkflowCount, WorkflowDetails, attribute_value
from holdfast.core.model import Status, WorkflowFilter, WorkflowRecord
from holdfast.errors import UsageError, WorkflowNotFound
from holdfast.runtime.effects import Flow

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

Aspect = Literal["status", "name", "queue"]
_ASPECTS = ("status", "name", "queue")
_CHILDREN = 1000
_PAGE = 500


def page(engine: Engine, where: WorkflowFilter) -> Flow[list[WorkflowRecord]]:
    """Read one page of a list."""
    return (yield from engine.read(lambda: engine.store.list_workflows(where)))


def find(engine: Engine, workflow_id: str) -> Flow[WorkflowRecord]:
    """Read a workflow. Raises `WorkflowNotFound`."""
    check_text("a workflow id", workflow_id)
    record = yield from engine.read(lambda: engine.store.get_workflow(workflow_id))
    if record is None:
        raise WorkflowNotFound(workflow_id)
    return record


def count(engine: Engine, by: Sequence[Aspect], where: WorkflowFilter | None) -> Flow[list[WorkflowCount]]:
    """Count workflows, all or those that match, by some aspects, the largest count first. Raises `UsageError`."""
    unknown = [aspect for aspect in by if aspect not in _ASPECTS]
    if unknown:
        raise UsageError(f"workflows are counted by status, name or queue, not by {unknown[0]!r}")
    if where is None:
        counts = yield from engine.read(engine.store.count_workflows)
    else:
        counts = yield from _matching(engine, where)
    groups: defaultdict[tuple[Any, ...], list[WorkflowCount]] = defaultdict(list)
    for each in counts:
        groups[tuple(getattr(each, aspect) if aspect in by else None for aspect in _ASPECTS)].append(each)
    summed = [
        WorkflowCount(
            status=status,
            name=name,
            queue=queue,
            count=sum(each.count for each in group),
            oldest_at=min((each.oldest_at for each in group if each.oldest_at is not None), default=None),
        )
        for (status, name, queue), group in groups.items()
    ]
    return sorted(summed, key=lambda each: (-each.count, each.status or "", each.name or "", each.queue or ""))


def _matching(engine: Engine, where: WorkflowFilter) -> Flow[list[WorkflowCount]]:
    """Count those that match by all aspects, read page by page."""
    counts: Counter[tuple[Status, str, str | None]] = Counter()
    oldest: dict[tuple[Status, str, str | None], float] = {}
    where = replace(where, limit=_PAGE, before=None)
    while True:
        asked = where
        found = yield from engine.read(lambda: engine.store.list_workflows(asked))  # noqa: B023 - called at once
        for record in found:
            key = (record.status, record.name, record.queue)
            counts[key] += 1
            if not record.status.is_terminal:
                # The newest come first.
                oldest[key] = record.created_at
        if len(found) < _PAGE:
            break
        where = where.after(found[-1])
    return [
        WorkflowCount(status=key[0], name=key[1], queue=key[2], count=number, oldest_at=oldest.get(key))
        for key, number in counts.items()
    ]


def show(engine: Engine, workflow_id: str) -> Flow[WorkflowDetails]:
    """Read a workflow with all that belongs to it. Raises `WorkflowNotFound`."""
    store = engine.store
    record = yield from find(engine, workflow_id)

    def read() -> WorkflowDetails:
        return WorkflowDetails(
            record=record,
            journal=tuple(store.journal(workflow_id)),
            children=tuple(store.list_workflows(WorkflowFilter(parent_id=workflow_id, limit=_CHILDREN))),
            approvals=tuple(store.approvals(workflow_id=workflow_id, limit=_CHILDREN)),
            attributes={name: attribute_value(text) for name, text in store.attributes(workflow_id).items()},
            lineage=store.lineage(workflow_id),
            forks=tuple(store.forks(workflow_id)),
        )

    return (yield from engine.read(read))

"""Changing one or many workflows: which they are, and the changes that are one write each: cancel, resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.core.data import dataclass
from holdfast.core.identity import check_text
from holdfast.core.management import OPEN, SET_ASIDE, Changed
from holdfast.core.model import Status, WorkflowFilter, WorkflowRecord
from holdfast.errors import UsageError, WorkflowNotFound
from holdfast.runtime.effects import Durable, Flow
from holdfast.store.writes import Cancel, Resume, Unit, Write

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

Target = str | Iterable[str] | WorkflowFilter
"""One workflow's id, several ids, or all that match a filter."""

PAGE = 200


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is to be changed, how many at most, and whether at all."""

    target: Target
    limit: int = 1000
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise UsageError(f"limit must be at least 1, not {self.limit}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The workflows that a bulk means."""

    records: tuple[WorkflowRecord, ...]
    kept: dict[str, str]
    """Of workflows named by id: those whose status rules the change out."""
    more: bool = False

    def result(self, bulk: Bulk, ids: Sequence[str], kept: dict[str, str] | None = None) -> Changed:
        """Say what became of it."""
        return Changed(
            workflow_ids=tuple(ids), kept={**self.kept, **(kept or {})}, more=self.more, dry_run=bulk.dry_run
        )


def select(engine: Engine, bulk: Bulk, statuses: Sequence[Status]) -> Flow[Selection]:
    """Find the workflows that are meant and have one of these statuses. Raises `WorkflowNotFound` for unknown ids."""
    if isinstance(bulk.target, WorkflowFilter):
        return (yield from _by_filter(engine, bulk.target, bulk.limit, statuses))
    ids = [bulk.target] if isinstance(bulk.target, str) else list(dict.fromkeys(bulk.target))
    for workflow_id in ids:
        check_text("a workflow id", workflow_id)
    found = yield from engine.read(lambda: [engine.store.get_workflow(workflow_id) for workflow_id in ids])
    records = []
    for workflow_id, record in zip(ids, found, strict=True):
        if record is None:
            raise WorkflowNotFound(workflow_id)
        records.append(record)
    return Selection(
        tuple(record for record in records if record.status in statuses),
        {record.workflow_id: f"it is {record.status}" for record in records if record.status not in statuses},
    )


def _by_filter(engine: Engine, where: WorkflowFilter, limit: int, statuses: Sequence[Status]) -> Flow[Selection]:
    wanted = tuple(statuses) if where.status is None else tuple(each for each in where.status if each in statuses)
    found: list[WorkflowRecord] = []
    where = replace(where, status=wanted, limit=PAGE)
    while len(found) <= limit:
        asked = where
        page = yield from engine.read(lambda: engine.store.list_workflows(asked))  # noqa: B023 - called at once
        found += page
        if len(page) < PAGE:
            break
        where = where.after(page[-1])
    return Selection(tuple(found[:limit]), {}, more=len(found) > limit)


def write_each(engine: Engine, writes: Iterable[Write]) -> Flow[list[Any]]:
    """Write many, each by itself, in few commits; return their results."""
    tickets = [engine.committer.submit(Unit(writes=(write,))) for write in writes]
    results = []
    for ticket in tickets:
        receipt = yield Durable(ticket)
        results.append(receipt.results[0])
    return results


def cancel(engine: Engine, bulk: Bulk, *, children: bool) -> Flow[Changed]:
    """Ask for cancellations."""
    selected = yield from select(engine, bulk, OPEN)
    ids = [record.workflow_id for record in selected.records]
    if bulk.dry_run:
        return selected.result(bulk, ids)
    touched = yield from _in_pages(engine, ids, lambda each: Cancel(workflow_id=each, children=children))
    engine.cancel_here(name for names in touched.values() for name in names or ())
    return selected.result(bulk, ids)


def resume(engine: Engine, bulk: Bulk) -> Flow[Changed]:
    """Let what was set aside go on."""
    selected = yield from select(engine, bulk, SET_ASIDE)
    ids = [record.workflow_id for record in selected.records]
    if not bulk.dry_run:
        yield from _in_pages(engine, ids, lambda each: Resume(workflow_id=each))
    return selected.result(bulk, ids)


def _in_pages(engine: Engine, ids: Sequence[str], write: Callable[[str], Write]) -> Flow[dict[str, Any]]:
    """Write one write for each id, a page's worth at a time, so that others get their turn between."""
    results: dict[str, Any] = {}
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        written = yield from write_each(engine, [write(each) for each in page])
        results.update(zip(page, written, strict=True))
    return results

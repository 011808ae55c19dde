"""Replaying the workflows of a database against the code at hand: what a deploy of it would do to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from holdfast.core.findings import CheckReport, Finding
from holdfast.core.model import Status, WorkflowFilter
from holdfast.runtime.dry_run import DryEngine, examine
from holdfast.store.base import Store

_PAGE = 100
_UNFINISHED = tuple(status for status in Status if not status.is_terminal)
_FINISHED = tuple(status for status in Status if status.is_terminal)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which workflows are checked, and how."""

    where: WorkflowFilter
    """Its `limit` and `before` are not looked at; its `status`, if given, is instead of what is unfinished."""
    finished: int = 0
    """How many finished ones besides: the newest."""
    strict: bool | None = None
    timeout: float = 10.0


def check(store: Store, engine: DryEngine, selection: Selection) -> CheckReport:
    """Replay what is selected. Reads only. Raises `StoreUnavailable`."""
    return CheckReport.of(_findings(store, engine, selection))


def _findings(store: Store, engine: DryEngine, selection: Selection) -> Iterator[Finding]:
    chosen = replace(selection.where, status=selection.where.status or _UNFINISHED)
    pages = [_pages(store, chosen, None)]
    if selection.finished:
        pages.append(_pages(store, replace(selection.where, status=_FINISHED), selection.finished))
    for workflow_ids in chain.from_iterable(pages):
        for claimed in store.claimed(workflow_ids):
            yield examine(engine, claimed, strict=selection.strict, timeout=selection.timeout)


def _pages(store: Store, where: WorkflowFilter, limit: int | None) -> Iterator[list[str]]:
    """List ids, newest first, in pages."""
    where = replace(where, before=None, limit=_PAGE if limit is None else min(limit, _PAGE))
    left = limit
    while True:
        page = store.list_workflows(where)
        if page:
            yield [record.workflow_id for record in page]
        if left is not None:
            left -= len(page)
        if len(page) < where.limit or left == 0:
            return
        where = replace(
            where,
            before=(page[-1].created_at, page[-1].workflow_id),
            limit=_PAGE if left is None else min(left, _PAGE),
        )

"""Exports and imports: workflows as JSON text, out of one database and into another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.core import archive
from holdfast.core.archive import Archive
from holdfast.core.identity import check_text
from holdfast.core.management import SET_ASIDE, Changed
from holdfast.core.model import NewWorkflow, Status, WorkflowRecord
from holdfast.errors import UsageError, WorkflowIdConflict, WorkflowNotFound
from holdfast.runtime.effects import Durable, Flow
from holdfast.store.management_writes import Restore
from holdfast.store.writes import Create, Created, Receipt, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine


def export(engine: Engine, workflow_id: str, *, children: bool) -> Flow[str]:
    """Write a workflow, and its descendants if asked, as JSON text. Raises `WorkflowNotFound`."""
    check_text("a workflow id", workflow_id)
    ids = [workflow_id]
    if children:
        ids = yield from engine.read(lambda: engine.store.tree(workflow_id))
    archives = []
    for each in ids:
        found = yield from _archive(engine, each)
        if found is not None:
            archives.append(found)
        elif each == workflow_id:
            raise WorkflowNotFound(workflow_id)
    return archive.dump(archives)


def _archive(engine: Engine, workflow_id: str) -> Flow[Archive | None]:
    store = engine.store
    record = yield from engine.read(lambda: store.get_workflow(workflow_id))
    if record is None:
        return None
    contents = yield from engine.read(lambda: store.contents(workflow_id))
    known = {each.step_id for each in contents.journal}
    # One that was consumed after the journal was read is still to be received by the copy.
    messages = tuple(
        each if each.consumed_by is None or each.consumed_by in known else replace(each, consumed_by=None)
        for each in contents.messages
    )
    return Archive(record=record, contents=replace(contents, messages=messages))


def take_in(engine: Engine, document: str) -> Flow[Changed]:
    """Take in what `export` wrote. Raises `UsageError`, `WorkflowIdConflict`."""
    archives = archive.load(document)
    _check(archives)
    new, kept = [], {}
    for each in archives:
        workflow_id = each.record.workflow_id
        there = yield from _archive(engine, workflow_id)
        if there is None:
            new.append(each)
        elif there.comparable == each.comparable:
            kept[workflow_id] = "it is there already, with the same records"
        else:
            raise _conflict(each.record, there.record)
    for each in new:
        yield from _restore(engine, each)
    return Changed(workflow_ids=tuple(each.record.workflow_id for each in new), kept=kept)


def _check(archives: Sequence[Archive]) -> None:
    """Check the texts that name something. Raises `UsageError`."""
    seen: set[str] = set()
    for each in archives:
        workflow_id = check_text("a workflow id", each.record.workflow_id)
        if workflow_id in seen:
            raise UsageError(f"the export holds {workflow_id!r} twice")
        seen.add(workflow_id)
        check_text("a workflow's name", each.record.name)
        for checkpoint in each.contents.journal:
            check_text("a step's id", checkpoint.step_id)


def _restore(engine: Engine, wanted: Archive) -> Flow[None]:
    record = wanted.record
    new = NewWorkflow(
        workflow_id=record.workflow_id,
        name=record.name,
        version=record.version,
        input=record.input,
        input_digest=record.input_digest,
        request_id=record.request_id,
        created_at=record.created_at,
        parent_id=record.parent_id,
        deadline_at=record.deadline_at,
        traceparent=record.traceparent,
        queue=record.queue,
        priority=record.priority,
        timeout=record.timeout,
        partition=record.partition,
    )
    standing = _standing(record)
    restore = Restore(
        workflow_id=new.workflow_id, request_id=new.request_id, contents=wanted.contents, standing=standing
    )
    receipt: Receipt = yield Durable(engine.committer.submit(Unit(writes=(Create(workflow=new), restore))))
    created: Created = receipt.results[0]
    if created.existing is not None:
        raise _conflict(record, created.existing)


def _standing(record: WorkflowRecord) -> WorkflowRecord:
    """Return how the copy stands: what had not ended, and was not set aside, waits for a person's word."""
    record = replace(record, epoch=max(record.epoch, 1), owner=None, wake_at=None)
    if record.status.is_terminal or record.status in SET_ASIDE:
        return record
    report = {
        "reason": f"imported while it was {record.status}",
        "way out": "see that it does not go on where it comes from, then resume it here",
    }
    return replace(record, status=Status.BLOCKED, report=json.dumps(report), crashes=0)


def _conflict(wanted: WorkflowRecord, there: WorkflowRecord) -> WorkflowIdConflict:
    return WorkflowIdConflict(
        wanted.workflow_id,
        existing=f"{there.name}({there.input}), {there.status}",
        asked=f"the import of {wanted.name}({wanted.input}), {wanted.status}, with other records",
    )

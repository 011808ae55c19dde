"""Deleting workflows: chosen ones, and all that ended long ago."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from holdfast.core.management import DELETABLE, Changed
from holdfast.core.model import Status
from holdfast.errors import UsageError
from holdfast.runtime.changing import Bulk, select
from holdfast.runtime.effects import Await, Durable, Flow
from holdfast.runtime.signals import Signal
from holdfast.store.management_writes import Delete, Deleted
from holdfast.store.writes import Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
BATCH = 100
"""Workflows deleted in one commit: a workflow may have thousands of rows."""
PAUSE = 0.05
"""Seconds between such commits, for others to write in."""


def delete(engine: Engine, bulk: Bulk, *, children: bool) -> Flow[Changed]:
    """Delete what is chosen, but what has to stay."""
    selected = yield from select(engine, bulk, DELETABLE)
    ids = [record.workflow_id for record in selected.records]
    if bulk.dry_run:
        return selected.result(bulk, ids)
    gone: list[str] = []
    kept: dict[str, str] = {}
    for start in range(0, len(ids), BATCH):
        if start:
            yield Await(Signal(), PAUSE)
        deleted = yield from _delete(engine, Delete(workflow_ids=tuple(ids[start : start + BATCH]), children=children))
        gone += deleted.gone
        kept |= deleted.kept
    return selected.result(bulk, list(dict.fromkeys(gone)), kept)


def _delete(engine: Engine, write: Delete) -> Flow[Deleted]:
    receipt = yield Durable(engine.committer.submit(Unit(writes=(write,))))
    deleted: Deleted = receipt.results[0]
    return deleted


def older_than(engine: Engine, age: float, *, status: Iterable[str], limit: int | None, dry_run: bool) -> Flow[int]:
    """Delete what ended more than `age` seconds ago; return how many."""
    wanted = [Status(each) for each in status]
    if any(not each.is_terminal for each in wanted):
        raise UsageError("only succeeded, failed and cancelled workflows have ended and grow old")
    before = (yield from engine.read(engine.store.now)) - age
    if dry_run:
        return (yield from _count(engine, tuple(wanted), before, limit))
    total = 0
    for each in wanted:
        while limit is None or total < limit:
            count = yield from delete_batch(engine, each, before, BATCH if limit is None else min(BATCH, limit - total))
            if not count:
                break
            total += count
            yield Await(Signal(), PAUSE)
    return total


def _count(engine: Engine, status: tuple[Status, ...], before: float, limit: int | None) -> Flow[int]:
    def count() -> int:
        ids = (engine.store.ended_before(each, before, 1_000_000 if limit is None else limit) for each in status)
        return sum(map(len, ids))

    found = yield from engine.read(count)
    return found if limit is None else min(found, limit)


def delete_batch(engine: Engine, status: Status, before: float, size: int) -> Flow[int]:
    """Delete up to `size` of those that ended so before a time, oldest first; return how many."""
    ids = yield from engine.read(lambda: engine.store.ended_before(status, before, size))
    if not ids:
        return 0
    deleted = yield from _delete(engine, Delete(workflow_ids=tuple(ids)))
    return len(deleted.gone)

"""What one commit sees and writes: the workflows it touches as they stand now, and the hot writes, collected.

The write lock is held from before the first look until the commit, so a state read once stays true, and what is known
here needs no query. Creations, checkpoints and outcomes are collected, and written with a few multi-row statements
before the next query that could see them, at the latest at the end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.core.codec.jsontext import encoding
from holdfast.core.data import dataclass
from holdfast.core.model import Checkpoint, Fence, NewWorkflow, Status, WorkflowRecord
from holdfast.store import rows
from holdfast.store.writes import Created, Finish

RUNNING, ENQUEUED, SUSPENDED = Status.RUNNING.value, Status.ENQUEUED.value, Status.SUSPENDED.value
_STATUS, _OWNER = 2, 3
"""Places in the values of `insert_workflows`."""
_REQUEST = 4
"""Place in the values of `insert_workflow_infos`."""


@dataclass(slots=True)
class State:
    """The hot part of a workflow's row."""

    status: str
    epoch: int
    owner: str | None
    crashes: int
    cancel_at: float | None
    is_limited: int | None = None
    """It runs in a queue that may let another one in when it ends."""


class Ledger:
    """The database inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str], now: float) -> None:
        self.now = now
        self.news: set[str] = set()
        self.ready = False
        self.dead_workers: frozenset[str] = frozenset()
        """Those of the workers named in this batch that have been declared dead."""
        self._connection = connection
        self._queries = queries
        self._states: dict[str, State | None] = {}
        self._new: dict[str, list[Any]] = {}
        self._infos: list[tuple[Any, ...]] = []
        self._checkpoints: list[tuple[Any, ...]] = []
        self._outcomes: list[tuple[Any, ...]] = []
        self._finished: list[tuple[Any, ...]] = []
        self._ended: list[str] = []

    def run(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        self.flush()
        return self._connection.execute(self._queries[query], values).fetchall()

    def change(self, query: str, **values: Any) -> int:
        """Run a statement and return how many rows it changed."""
        self.flush()
        return self._connection.execute(self._queries[query], values).rowcount

    def change_many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement without named values once for each row."""
        self.flush()
        self._write(query, rows)

    def preload(self, workflow_ids: set[str], worker_ids: set[str]) -> None:
        """Read all states that a batch needs at once."""
        if worker_ids:
            dead = self._connection.execute(self._queries["dead_workers"], {"worker_ids": as_json(worker_ids)})
            self.dead_workers = frozenset(worker_id for (worker_id,) in dead)
        if workflow_ids:
            self._states = dict.fromkeys(workflow_ids)
            # In order, so that neighbours in the index are read together.
            found = self._connection.execute(self._queries["lock_workflows"], (as_json(sorted(workflow_ids)),))
            for workflow_id, *state in found:
                self._states[workflow_id] = State(*state)

    def state(self, workflow_id: str) -> State | None:
        """Return a workflow's state; None if there is no such workflow."""
        try:
            return self._states[workflow_id]
        except KeyError:
            found = self._connection.execute(self._queries["lock_workflows"], (as_json([workflow_id]),)).fetchall()
            state = State(*found[0][1:]) if found else None
            self._states[workflow_id] = state
            return state

    def forget(self) -> None:
        """Read states anew: a statement has changed rows that are not known one by one."""
        self.flush()
        self._states.clear()

    def create(self, new: NewWorkflow) -> Created:
        """Create a workflow unless its id is taken."""
        if self.state(new.workflow_id) is not None:
            existing = self.record_of(new.workflow_id)
            return Created(existing=None if existing.request_id == new.request_id else existing)
        if new.owner is None:
            # One that may start at once has its place in the line, too.
            wake_at = min(new.created_at, self.now) if new.wake_at is None else new.wake_at
            self.ready = self.ready or wake_at <= self.now
            state = State(ENQUEUED, 0, None, 0, None)
        else:
            wake_at = None
            state = State(RUNNING, 1, new.owner, 0, None)
        stage = None
        if new.queue is not None and wake_at is not None:
            stage = "line" if wake_at <= self.now else "delayed"
        self._states[new.workflow_id] = state
        self._new[new.workflow_id] = [
            new.workflow_id, new.name, state.status, state.owner, state.epoch, wake_at, new.queue, new.priority,
            new.partition, stage,
        ]  # fmt: skip
        self._infos.append(info_values(new))
        return Created(existing=None)

    def is_new(self, workflow_id: str, request_id: str) -> bool:
        """Tell whether the write just before, of this request, has created a workflow."""
        return any(info[0] == workflow_id and info[_REQUEST] == request_id for info in reversed(self._infos))

    def record_of(self, workflow_id: str) -> WorkflowRecord:
        """Read a workflow that is there."""
        return rows.workflow_record(self.run("workflow", workflow_id=workflow_id)[0])

    def record(self, fence: Fence, checkpoint: Checkpoint) -> None:
        """Append a checkpoint, unless its step has one."""
        self._checkpoints.append(guarded_values(fence, checkpoint))

    def recorded(self, workflow_id: str, step_id: str) -> Checkpoint | None:
        """Look for a step's checkpoint."""
        found = self.run("checkpoint", workflow_id=workflow_id, step_id=step_id)
        return rows.checkpoint(found[0]) if found else None

    def finish(self, fence: Fence, state: State, finish: Finish) -> None:
        """Record the outcome of a running workflow."""
        workflow_id, status = fence.workflow_id, finish.status.value
        self.clear_suspect(workflow_id, state)
        new = self._new.get(workflow_id)
        if new is None:
            self._finished.append((status, workflow_id, fence.epoch))
        else:
            # Created in this very commit: it is written as ended at once.
            new[_STATUS], new[_OWNER] = status, None
        self.leave_place(state)
        state.status, state.owner = status, None
        self._outcomes.append((workflow_id, status, finish.output, finish.error, self.now, workflow_id, fence.epoch))
        self._ended.append(workflow_id)
        self.news.add(workflow_id)

    def end(self, workflow_id: str, epoch: int, status: Status) -> None:
        """Record an outcome without a value for a workflow that nobody runs, and wake who waits for it."""
        self._outcomes.append((workflow_id, status.value, None, None, self.now, workflow_id, epoch))
        self._ended.append(workflow_id)
        self.news.add(workflow_id)

    def leave_place(self, state: State) -> None:
        """Tell workers if a running workflow gives up a place that another one may wait for."""
        self.ready = self.ready or bool(state.is_limited)

    def clear_suspect(self, workflow_id: str, state: State) -> None:
        """Say that a running workflow did not kill its worker after all, if it was suspected."""
        if state.crashes and state.owner is not None:
            self.change("clear_suspect", workflow_id=workflow_id, worker_id=state.owner)
            state.crashes = 0

    def wake(self, workflow_ids: Iterable[str]) -> None:
        """Enqueue those that are suspended, and forget what they waited for."""
        wanted = sorted(set(workflow_ids))
        if not wanted:
            return
        woken = [woken for (woken,) in self.run("wake_workflows", workflow_ids=as_json(wanted), now=self.now)]
        for workflow_id in woken:
            if state := self._states.get(workflow_id):
                state.status = ENQUEUED
        if woken:
            self.change("delete_waits", workflow_ids=as_json(woken))
            self.ready = True

    def wake_waiters(self, ended: Iterable[str]) -> None:
        """Wake who waits for the outcome of one of these."""
        self.wake(waiter for (waiter,) in self.run("outcome_waiters", workflow_ids=as_json(ended)))

    def flush(self) -> None:
        """Write what was collected: creations first, outcomes last, then wake who waited for these."""
        if self._new:
            self._write("insert_workflows", self._new.values())
            self._write("insert_workflow_infos", self._infos)
            self._new.clear()
            self._infos.clear()
        if self._checkpoints:
            self._write("insert_checkpoints", self._checkpoints)
            self._checkpoints.clear()
        if self._ended:
            ended, self._ended = self._ended, []
            self._write("insert_outcomes", self._outcomes)
            self._outcomes.clear()
            if self._finished:
                self._write("finish_workflows", self._finished)
                self._finished.clear()
            self.wake_waiters(ended)

    def _write(self, query: str, values: Iterable[Any]) -> None:
        self._connection.executemany(self._queries[query], values)


def guarded_values(fence: Fence, checkpoint: Checkpoint) -> tuple[Any, ...]:
    """Return what `insert_checkpoints` and `record_alone` take."""
    return (*rows.checkpoint_values(fence.workflow_id, checkpoint), fence.workflow_id, fence.epoch)


def info_values(new: NewWorkflow) -> tuple[Any, ...]:
    """Return what `insert_workflow_infos` takes."""
    return (
        new.workflow_id, new.version, new.input, new.input_digest, new.request_id,
        new.parent_id, new.created_at, new.deadline_at, new.traceparent, new.timeout,
    )  # fmt: skip


_encode = encoding(json.JSONEncoder())


def as_json(values: Iterable[str]) -> str:
    """Write a list of ids or names as a statement's one value."""
    return _encode(list(values))

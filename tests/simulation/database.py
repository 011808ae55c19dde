"""The real SQLite store on a file in memory, with connections that tell what they commit, and that fail on demand.

Nothing of the store is replaced. `FaultyConnection` takes the place of its connection class, so that faults come from
where the driver's come from; and triggers, added to the schema, report every changed row. What a transaction changed is
handed to the world in the instant in which its COMMIT has gone through.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast.store.base import Listener, WorkerLock
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.sqlite.worker_lock import FileWorkerLock
from holdfast.store.writes import Committed, Unit
from tests.simulation.scheduler import Process, Task, simulator
from tests.simulation.standins import Event, Thread

Note = tuple[Any, ...]

_WORKFLOW = "{0}.status, {0}.owner, {0}.epoch, {0}.crashes, {0}.stage, {0}.queue, {0}.wake_at, {0}.cancel_at"
_COUNTS = "NEW.started - OLD.started, NEW.skipped - OLD.skipped, NEW.missed - OLD.missed"
_NOTES = (
    ("workflow+", "INSERT", "workflows", "NEW.id, NEW.name, " + _WORKFLOW.format("NEW")),
    ("workflow", "UPDATE", "workflows", f"NEW.id, {_WORKFLOW.format('OLD')}, {_WORKFLOW.format('NEW')}"),
    ("gone", "DELETE", "workflows", "OLD.id"),
    ("info", "INSERT", "workflow_info", "NEW.id, NEW.parent_id, NEW.deadline_at, NEW.timeout"),
    ("deadline", "UPDATE", "workflow_info", "NEW.id, OLD.deadline_at, NEW.deadline_at"),
    (
        "journal+",
        "INSERT",
        "journal",
        "NEW.workflow_id, NEW.step_id, NEW.branch, NEW.name, NEW.kind, NEW.output, NEW.error, NEW.attempts",
    ),
    ("journal", "UPDATE", "journal", "NEW.workflow_id, NEW.step_id"),
    ("journal", "DELETE", "journal", "OLD.workflow_id, OLD.step_id"),
    ("outcome+", "INSERT", "outcomes", "NEW.id, NEW.status, NEW.output, NEW.error"),
    ("outcome", "UPDATE", "outcomes", "NEW.id"),
    ("outcome", "DELETE", "outcomes", "OLD.id"),
    (
        "message+",
        "INSERT",
        "messages",
        "NEW.seq, NEW.workflow_id, NEW.message_id, NEW.topic, NEW.body, NEW.sender_id, NEW.consumed_by",
    ),
    ("message", "UPDATE", "messages", "NEW.seq, NEW.workflow_id, OLD.consumed_by, NEW.consumed_by"),
    ("gone", "DELETE", "messages", "OLD.message_id"),
    ("stream+", "INSERT", "streams", 'NEW.workflow_id, NEW.stream, NEW."offset", NEW.value'),
    ("gone", "UPDATE", "streams", "NEW.workflow_id"),
    ("gone", "DELETE", "streams", "OLD.workflow_id"),
    ("event", "INSERT", "events", "NEW.workflow_id, NEW.name, NEW.value"),
    ("event", "UPDATE", "events", "NEW.workflow_id, NEW.name, NEW.value"),
    (
        "approval+",
        "INSERT",
        "approvals",
        "NEW.id, NEW.workflow_id, NEW.subject, NEW.status, NEW.expires_at",
    ),
    ("approval", "UPDATE", "approvals", "NEW.id, OLD.status, NEW.status, NEW.decided_by, NEW.decided_at"),
    ("gone", "DELETE", "approvals", "OLD.id"),
    ("audit+", "INSERT", "approval_audit", "NEW.approval_id, NEW.event"),
    (
        "schedule",
        "UPDATE",
        "schedules",
        "NEW.name, OLD.next_at, NEW.next_at, " + _COUNTS,
    ),
    ("worker+", "INSERT", "workers", "NEW.worker_id, NEW.alive"),
    ("worker", "UPDATE", "workers", "NEW.worker_id, OLD.alive, NEW.alive, OLD.suspect_id, NEW.suspect_id"),
)
_EFFECTS = """
CREATE TABLE simulated_effects (workflow_id TEXT NOT NULL, label TEXT NOT NULL, token TEXT NOT NULL);
CREATE TRIGGER simulated_effect AFTER INSERT ON simulated_effects BEGIN
    SELECT simulated_note('effect+', NEW.workflow_id, NEW.label, NEW.token);
END;
"""


def make_template(folder: Path) -> Path:
    """Make the database that every seed begins with: migrated, and with triggers that report what changes."""
    path = folder / "template.db"
    store = SqliteStore(path)
    store.open()
    store.close()
    connection = sqlite3.connect(path)
    connection.executescript(_EFFECTS)
    for number, (kind, event, table, columns) in enumerate(_NOTES):
        connection.execute(
            f"CREATE TRIGGER simulated_{number} AFTER {event} ON holdfast_{table} "
            f"BEGIN SELECT simulated_note('{kind}', {columns}); END"
        )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def copy_template(template: Path) -> Path:
    """Give a seed its database."""
    path = template.with_name("simulated.db")
    for suffix in ("", "-wal", "-shm", "-checkpoint.lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(path.with_name(path.name + ".workers"), ignore_errors=True)
    shutil.copyfile(template, path)
    return path


class Watcher:
    """What a world does about statements and commits."""

    def before(self, process: Process, point: str) -> None:
        """Let others go, fail, or take time. `point`: connect, begin, statement, commit, read."""

    def after_commit(self, process: Process) -> None:
        """Fail although it went through, or let others go."""

    def committed(self, process: Process, notes: Sequence[Note], writes: Sequence[str]) -> None:
        """Take note of what has become durable."""

    def connected(self, process: Process, connection: FaultyConnection) -> None:
        """Take note of a connection that dies with its process."""

    def accepted(self, process: Process, units: Sequence[Unit], committed: Committed) -> None:
        """Compare what the engine is told with what was committed."""


class _Here:
    watcher = Watcher()


def set_watcher(watcher: Watcher) -> None:
    """Say who hears of statements and commits."""
    _Here.watcher = watcher


class FaultyConnection(Connection):
    """The store's connection, each statement of which may be delayed or fail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        task = simulator().current
        if task is None:
            raise RuntimeError("only a simulated thread can connect")
        _Here.watcher.before(task.process, "connect")
        super().__init__(*args, **kwargs)
        self.process = task.process
        self.notes: list[Note] = []
        self.create_function("simulated_note", -1, self._note)
        _Here.watcher.connected(task.process, self)

    def _note(self, *row: Any) -> None:
        self.notes.append(row)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql.startswith(("PRAGMA", "SAVEPOINT", "ROLLBACK TO")):
            return super().execute(sql, parameters)
        watcher, process = _Here.watcher, self.process
        if sql == "COMMIT":
            watcher.before(process, "commit")
            cursor = super().execute(sql)
            notes = list(self.notes)
            self.notes.clear()
            watcher.committed(process, notes, ())
            watcher.after_commit(process)
            return cursor
        if sql == "ROLLBACK":
            self.notes.clear()
            return super().execute(sql)
        if sql == "BEGIN IMMEDIATE":
            watcher.before(process, "begin")
            self.notes.clear()
        elif self.in_transaction:
            watcher.before(process, "statement")
        else:
            watcher.before(process, "read")
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        _Here.watcher.before(self.process, "statement")
        return super().executemany(sql, parameters)


class SimulatedStore(SqliteStore):
    """The real store; only who listens to the file, and how its death is simulated, is said here."""

    def __init__(self, path: Path, *, clock: Callable[[], float], patience: float) -> None:
        super().__init__(path, clock=clock, patience=patience)
        task = simulator().current
        self.process = task.process if task is not None else simulator().outside
        self.locks: list[FileWorkerLock] = []
        self.listener: CommitListener | None = None

    def open(self, *, migrate: bool = True) -> None:
        super().open(migrate=False)

    def commit(self, units: Sequence[Unit]) -> Committed:
        committed = super().commit(units)
        _Here.watcher.accepted(self.process, units, committed)
        return committed

    def lock_worker(self, worker_id: str) -> WorkerLock:
        lock = super().lock_worker(worker_id)
        if isinstance(lock, FileWorkerLock):
            self.locks.append(lock)
        return lock

    def listen(self, on_news: Callable[[frozenset[str] | None], None]) -> Listener:
        self._require_open()
        self.listener = CommitListener(self._others_committed, on_news)
        return self.listener

    def die(self) -> None:
        """Let go of what the operating system takes from a process that dies, and tidy nothing up."""
        for lock in self.locks:
            lock.close()
        for guard in (self._writer._guard, self._writer._gauge):
            if guard is not None:
                guard.close()


class CommitListener:
    """Hears of others' commits a moment after they happen, as the real one does by looking at the log's times."""

    def __init__(self, others_committed: Callable[[], bool], on_news: Callable[[None], None]) -> None:
        self._others_committed, self._on_news = others_committed, on_news
        self._heard, self._stopping = Event(), False
        self._thread = Thread(target=self._run, name="listener")
        self._thread.start()

    def hear(self) -> None:
        """Take note that some process has committed."""
        self._heard.set()

    def stop(self) -> None:
        self._stopping = True
        self._heard.set()
        self._thread.join()

    def _run(self) -> None:
        here = simulator()
        while True:
            self._heard.wait()
            here.sleep(0.15 * here.random.random())
            self._heard.clear()
            if self._stopping:
                return
            try:
                if self._others_committed():
                    self._on_news(None)
            except Exception:  # noqa: BLE001 - as the real one: it will look again, here soon
                here.sleep(0.02)
                self._heard.set()


__all__ = ["CommitListener", "FaultyConnection", "SimulatedStore", "Task", "Watcher", "copy_template", "make_template"]

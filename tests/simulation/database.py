"""The real SQLite store on a file in memory, with connections that tell what they commit, and that fail on demand.

Nothing of the store is replaced. `FaultyConnection` takes the place of its connection class, so that faults come from
where the driver's come from; and triggers, added to the schema, report every changed row. What a transaction changed is
handed to the world in the instant in which its COMMIT has gone through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from holdfast.store.base import Listener, WorkerLock
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.sqlite.worker_lock import FileWorkerLock
from holdfast.store.writes import Committed, Unit
from tests.simulation.scheduler import Process, simulator
from tests.simulation.standins import Event, Thread
from tests.simulation.template import Note
from tests.simulation.wires import Wire, Wires


class Watcher:
    """What a world does about statements and commits."""

    def before(self, process: Process, point: str, connection: FaultyConnection | None = None) -> None:
        """Let others go, fail, or take time. `point`: connect, begin, statement, commit, read.

        `connection`: what begins a transaction.
        """

    def after_commit(self, process: Process) -> None:
        """Fail although it went through, or let others go."""

    def committed(self, process: Process, notes: Sequence[Note]) -> None:
        """Take note of what has become durable."""

    def connected(self, process: Process, connection: FaultyConnection) -> None:
        """Take note of a connection that dies with its process."""

    def accepted(self, process: Process, units: Sequence[Unit], committed: Committed) -> None:
        """Compare what the engine is told with what was committed."""


class _Here:
    watcher = Watcher()
    wires: Wires | None = None


def set_watcher(watcher: Watcher) -> None:
    """Say who hears of statements and commits."""
    _Here.watcher = watcher


def set_wires(wires: Wires | None) -> None:
    """Say what carries the statements of connections."""
    _Here.wires = wires


def _wires() -> Wires:
    if _Here.wires is None:
        raise RuntimeError("no simulation runs")
    return _Here.wires


_KINDS = {"COMMIT": "commit", "ROLLBACK": "rollback", "BEGIN IMMEDIATE": "begin"}


def _kind(sql: str) -> str:
    """Tell what a statement is, and remember it."""
    if sql.startswith("PRAGMA"):
        kind = "setting" if " = " in sql else "unheard"
    else:
        kind = "unheard" if sql.startswith(("SAVEPOINT", "ROLLBACK TO")) else "other"
    _KINDS[sql] = kind
    return kind


class FaultyConnection(Connection):
    """The store's connection, each statement of which may be delayed or fail.

    It is never connected itself: a wire carries its statements, until it is closed. What is not overridden here, and
    would go to SQLite, raises.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        task = simulator().current
        if task is None:
            raise RuntimeError("only a simulated thread can connect")
        _Here.watcher.before(task.process, "connect")
        self.process = task.process
        self._connect = partial(sqlite3.connect, *args, **{**kwargs, "factory": sqlite3.Connection})
        self._wire: Wire | None = _wires().take(self._connect)
        _Here.watcher.connected(task.process, self)

    @property
    def wire(self) -> Wire:
        """What carries its statements. Raises as a closed connection does."""
        if self._wire is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return self._wire

    @property
    def in_transaction(self) -> bool:
        return self.wire.real.in_transaction

    @property
    def total_changes(self) -> int:
        return self.wire.real.total_changes

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            _wires().put_aside(wire)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        wire = self._wire or self.wire
        kind = _KINDS.get(sql) or _kind(sql)
        if kind == "setting":
            return self._set(wire, sql)
        if kind == "unheard":
            return wire.real.execute(sql)
        watcher, process = _Here.watcher, self.process
        if kind == "commit":
            watcher.before(process, "commit")
            cursor = wire.real.execute(sql)
            notes, wire.notes = wire.notes, []
            watcher.committed(process, notes)
            watcher.after_commit(process)
            return cursor
        if kind == "rollback":
            wire.notes = []
            return wire.real.execute(sql)
        if kind == "begin":
            watcher.before(process, "begin", self)
            wire.notes = []
        else:
            watcher.before(process, "statement" if wire.real.in_transaction else "read")
        return wire.real.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        _Here.watcher.before(self.process, "statement")
        return self.wire.real.executemany(sql, parameters)

    def _set(self, wire: Wire, pragma: str) -> sqlite3.Cursor:
        if pragma == "PRAGMA query_only = 1":
            self._wire = wire = _wires().only_to_read(wire, self._connect)
        return wire.set(pragma)


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

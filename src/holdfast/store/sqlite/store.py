"""The SQLite store: what many threads of one process, and many processes of one machine, share in one file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.base import Listener, StoreTransaction, WorkerLock
from holdfast.store.management_reads import ManagementReads
from holdfast.store.migrate import refuse_missing
from holdfast.store.overview import Inspection
from holdfast.store.overview_reads import OverviewReads
from holdfast.store.queries import load_queries
from holdfast.store.queue_reads import QueueReads
from holdfast.store.schedule_reads import ScheduleReads
from holdfast.store.sqlite.alone import SqliteAlone
from holdfast.store.sqlite.batch import write_units
from holdfast.store.sqlite.connection import Connection, connect
from holdfast.store.sqlite.faults import driver_errors
from holdfast.store.sqlite.inspection import back_up, inspect
from holdfast.store.sqlite.ledger import Ledger, as_json
from holdfast.store.sqlite.listener import SilentListener, WalListener
from holdfast.store.sqlite.location import Location
from holdfast.store.sqlite.pool import Pool
from holdfast.store.sqlite.schema import apply_migrations, missing_migrations
from holdfast.store.sqlite.transaction import SqliteTransaction
from holdfast.store.sqlite.wal import journal_safety
from holdfast.store.sqlite.worker_lock import FileWorkerLock, MemoryWorkerLock
from holdfast.store.sqlite.writer import Writer
from holdfast.store.writes import Claim, Committed, Heartbeat, Unit

PATIENCE = 5.0
"""Seconds to wait for others before `StoreUnavailable` tells the engine to warn and to try again."""
READERS, TRANSACTIONS = 8, 4
_ROUTINE = frozenset({Claim, Heartbeat})
ISOLATION_LEVELS = frozenset({"read committed", "repeatable read", "serializable"})


class SqliteStore(QueueReads, ManagementReads, ScheduleReads, OverviewReads):
    """See `holdfast.store.base.Store`."""

    dialect = "sqlite"
    commits_in_process = True

    def __init__(
        self,
        path_or_url: str | os.PathLike[str],
        *,
        clock: Callable[[], float] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Take a path, sqlite:///relative.db, sqlite:////absolute.db, or sqlite:// for memory.

        `clock` replaces the database's clock, which is this machine's. Raises `ConfigurationError`.
        """
        self.location = Location.from_url(path_or_url)
        self._patience = patience
        # SQLite reads the same clock of the same machine, with less resolution.
        self._clock = clock or time.time
        self._queries = load_queries("holdfast.store.sqlite")
        self._opening = threading.Lock()
        self._is_open = False
        self._set_up()

    def _set_up(self) -> None:
        self._pid = os.getpid()
        self._writer = Writer(self.location, self._connect, patience=self._patience)
        self._readers = Pool(lambda: self._connect(read_only=True), READERS, self._patience)
        self._transactions = Pool(self._connect, TRANSACTIONS, self._patience)

    def _connect(self, *, read_only: bool = False) -> Connection:
        return connect(self.location, busy_seconds=self._patience, read_only=read_only)

    def open(self, *, migrate: bool = True) -> None:
        """Create the file and the schema where they are missing; see the protocol."""
        self._set_up()  # what a former `close` closed stays so
        if migrate:
            self.location.prepare()
        elif not self.location.exists():
            raise ConfigurationError(f"there is no database at {self.location.path}")
        try:
            if migrate:
                apply_migrations(self._writer, self._writer.open(), self._queries, self._clock, self._patience)
            else:
                refuse_missing(missing_migrations(self._writer.open(), self._queries))
        except sqlite3.DatabaseError as error:
            self.close()
            raise ConfigurationError(f"{self.location.path} can't be used as a database: {error}") from error
        except BaseException:
            self.close()
            raise
        self._writer.counts_others(self._count_commits(self._writer.connection))
        self._is_open = True

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._is_open = False
        if self._pid != os.getpid():
            return
        self._readers.close()
        self._transactions.close()
        self._writer.close()

    def _require_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("this Holdfast store is closed")
        if self._pid != os.getpid():
            with self._opening:
                self._reopen_in_child()

    def _reopen_in_child(self) -> None:
        """Make connections of the child's own: those it inherited are its parent's (see forks)."""
        if self._pid != os.getpid():
            self._set_up()
            self._writer.counts_others(self._count_commits(self._writer.open()))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._require_open()
        if not self.location.in_memory:
            with self._readers.use() as connection:
                yield connection
            return
        # There is one connection: a thread that has a transaction open reads within it.
        turns = self._writer.turns
        if turns.is_mine:
            yield self._writer.connection
            return
        if not turns.acquire(self._patience):
            raise StoreUnavailable("a transaction has held the database in memory for a long time")
        try:
            with driver_errors():
                yield self._writer.connection
        finally:
            turns.release()

    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(self._queries[query], values).fetchall()

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Go by another clock; see the protocol."""
        self._clock = clock

    def now(self) -> float:
        """Read the clock."""
        return self._clock()

    def commit(self, units: Sequence[Unit]) -> Committed:
        """Write a batch; see the protocol."""
        self._require_open()
        return self._writer.write(lambda connection: self._written(connection, units), is_news=not _is_routine(units))

    def _written(self, connection: Connection, units: Sequence[Unit]) -> Committed:
        now = self._clock()
        committed = SqliteAlone(connection, self._queries, now).write(units)
        if committed is not None:
            return committed
        ledger = Ledger(connection, self._queries, now)
        receipts = write_units(ledger, units)
        return Committed(receipts=receipts, news=frozenset(ledger.news), ready=ledger.ready)

    def _texts(self, texts: Iterable[str]) -> Any:
        return as_json(texts)

    def _bound_now(self) -> float | None:
        return self._clock()

    @contextmanager
    def transaction(self, isolation: str | None = None) -> Iterator[StoreTransaction]:
        """Lend a transaction. SQLite has one level, serializable, which serves for all."""
        if isolation is not None and isolation.lower() not in ISOLATION_LEVELS:
            raise ConfigurationError(f"unknown isolation level {isolation!r}: use one of {sorted(ISOLATION_LEVELS)}")
        self._require_open()
        transaction = SqliteTransaction(self._lend, self._writer, self._queries)
        try:
            yield transaction
        except BaseException as error:
            transaction.end(error)
            raise
        transaction.end(None)

    def _lend(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._writer.connection) if self.location.in_memory else self._transactions.use()

    def lock_worker(self, worker_id: str) -> WorkerLock:
        """Lock this worker's file."""
        if self.location.in_memory:
            return MemoryWorkerLock()
        return FileWorkerLock(self.location.beside(".workers"), worker_id)

    def listen(self, on_news: Callable[[frozenset[str] | None], None]) -> Listener:
        """Hear of other processes' commits."""
        self._require_open()
        if self.location.in_memory:
            return SilentListener()
        return WalListener(self.location.beside("-wal"), self._others_committed, on_news)

    def notify(self, news: Iterable[str], *, ready: bool) -> None:
        """Do nothing: the commit itself is heard."""

    def journal_safety(self) -> str:
        """Say how the database is protected against loss and damage, for `holdfast doctor`."""
        return journal_safety(in_memory=self.location.in_memory)

    def inspect(self) -> Inspection:
        """Look at the file; see the protocol."""
        return inspect(self.location, self._queries)

    def back_up(self, target: Path) -> int:
        """Copy the database to a new file; see the protocol."""
        return back_up(self.location, target)

    def _others_committed(self) -> bool:
        with self._reading() as connection:
            count = self._count_commits(connection)
        return self._writer.counts_others(count)

    def _count_commits(self, connection: Connection) -> int:
        [(count,)] = connection.execute(self._queries["commits"]).fetchall()
        return int(count)


def _is_routine(units: Sequence[Unit]) -> bool:
    """Tell whether a batch is nothing to wake other processes for: they would claim, too, and so wake one another."""
    for unit in units:
        for write in unit.writes:
            if type(write) not in _ROUTINE:
                return False
    return True

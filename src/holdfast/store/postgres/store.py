"""The PostgreSQL store: what many threads of one process, and many processes of many machines, share in one database.

Connections: one writes commits; one is kept for locks and news (see watch); one sends hints; two small pools serve
reads and user transactions.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.base import Conflict, Listener, StoreTransaction, WorkerLock
from holdfast.store.management_reads import ManagementReads
from holdfast.store.migrate import refuse_missing
from holdfast.store.overview import Inspection
from holdfast.store.overview_reads import OverviewReads
from holdfast.store.postgres.alone import PostgresAlone
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.commit import Commit, in_turns
from holdfast.store.postgres.connection import HINT_SETTINGS, USER_SETTINGS, WRITE_SETTINGS, Connector, Pool, Session
from holdfast.store.postgres.faults import is_server_lost, user_errors
from holdfast.store.postgres.handlers import HANDLERS
from holdfast.store.postgres.inspection import inspect
from holdfast.store.postgres.pipeline import Pipeline, Statements
from holdfast.store.postgres.schema import missing_migrations, prepare
from holdfast.store.postgres.sql import queries, text_array
from holdfast.store.postgres.transaction import ISOLATION_LEVELS, PostgresTransaction
from holdfast.store.postgres.watch import Subscription, Watch, payload
from holdfast.store.postgres.worker_lock import PostgresWorkerLock
from holdfast.store.queue_reads import QueueReads
from holdfast.store.schedule_reads import ScheduleReads
from holdfast.store.writes import Committed, Unit

log = logging.getLogger("holdfast.store.postgres")

READERS, TRANSACTIONS = 4, 8
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
CONFLICT_TRIES = 5
CONFLICT_PAUSE = 0.01


class PostgresStore(QueueReads, ManagementReads, ScheduleReads, OverviewReads):
    """See `holdfast.store.base.Store`."""

    dialect = "postgresql"
    commits_in_process = False

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None, schema: str = "holdfast") -> None:
        """Take a postgresql:// URL; nothing is connected yet.

        `clock` replaces the database's clock in tests. Raises `ConfigurationError`.
        """
        if not _SCHEMA.fullmatch(schema):
            raise ConfigurationError(f"the schema's name must be a plain one, of at most 40 characters: {schema!r}")
        self._connector = Connector.from_url(url)
        self._clock = clock
        self._schema = schema
        self._queries: Mapping[str, bytes] = queries(schema)
        self._statements = Statements(self._queries)
        self._opening = threading.Lock()
        self._is_open = False
        self._set_up()

    def _set_up(self) -> None:
        self._pid = os.getpid()
        self._writer = Session(self._connector, "committer", WRITE_SETTINGS)
        self._hints = Session(self._connector, "hints", HINT_SETTINGS)
        self._hinting = threading.Lock()
        self._readers = Pool(self._connector, "reads", READERS)
        self._transactions = Pool(self._connector, "transactions", TRANSACTIONS, USER_SETTINGS)
        self._watch = Watch(self._connector, self._queries, self._channel, self._is_own)

    @property
    def _channel(self) -> str:
        return f"holdfast:{self._schema}"

    def open(self, *, migrate: bool = True) -> None:
        """Connect and migrate; see the protocol."""
        self._set_up()  # what a former `close` closed stays so
        try:
            with self._writer.use() as connection:
                if migrate:
                    prepare(connection, self._queries, self._schema)
                else:
                    refuse_missing(missing_migrations(connection, self._queries, self._schema))
        except BaseException:
            self._writer.close()
            raise
        self._is_open = True

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._is_open = False
        if self._pid != os.getpid():
            return
        self._watch.stop()
        self._transactions.close()
        self._readers.close()
        self._hints.close()
        self._writer.close()

    def _require_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("this Holdfast store is closed")
        if self._pid != os.getpid():
            with self._opening:
                # Connections belong to the process that made them; libpq leaves an inherited one alone.
                if self._pid != os.getpid():
                    self._set_up()

    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        self._require_open()
        try:
            return self._read_once(query, values)
        except StoreUnavailable as error:
            if error.__cause__ is None or not is_server_lost(error.__cause__):
                raise
        # The connection had ended since it was last used. That tells nothing about the server, a new one does.
        return self._read_once(query, values)

    def _read_once(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._readers.use() as connection:
            return connection.execute(self._queries[query], values).fetchall()

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Go by another clock; see the protocol."""
        self._clock = clock

    def now(self) -> float:
        """Read the database's clock."""
        if self._clock is not None:
            return self._clock()
        [(now,)] = self._read("now")
        return float(now)

    def commit(self, units: Sequence[Unit]) -> Committed:
        """Write a batch; see the protocol."""
        self._require_open()
        turns = [self._commit_turn(turn) for turn in in_turns(units)]
        if len(turns) == 1:
            return turns[0]
        return Committed(
            receipts=[receipt for turn in turns for receipt in turn.receipts],
            news=frozenset().union(*(turn.news for turn in turns)),
            ready=any(turn.ready for turn in turns),
        )

    def _commit_turn(self, units: Sequence[Unit]) -> Committed:
        for tries in range(CONFLICT_TRIES):
            try:
                return self._try_commit(units)
            except Conflict as conflict:
                # It rolled back whole: others took the same rows in another order.
                log.debug("a commit is tried again: %s", conflict, extra={"action": "commit_conflict"})
                time.sleep(CONFLICT_PAUSE * tries)
            except StoreUnavailable as error:
                if error.__cause__ is not None and is_server_lost(error.__cause__):
                    # The readers' connections go to the same server, which may be a standby now.
                    self._readers.renew()
                raise
        raise StoreUnavailable(f"PostgreSQL refused a commit {CONFLICT_TRIES} times for deadlocks")

    def _try_commit(self, units: Sequence[Unit]) -> Committed:
        with self._writer.use() as connection:
            now = None if self._clock is None else self._clock()
            batch = Batch(Pipeline(connection), self._statements, now)
            return PostgresAlone(batch).write(units) or Commit(batch, units, HANDLERS).write()

    def _texts(self, texts: Iterable[str]) -> Any:
        return text_array(texts)

    def _bound_now(self) -> float | None:
        return None if self._clock is None else self._clock()

    @contextmanager
    def transaction(self, isolation: str | None = None) -> Iterator[StoreTransaction]:
        """Lend a transaction; see the protocol."""
        if isolation is not None and isolation.lower() not in ISOLATION_LEVELS:
            raise ConfigurationError(f"unknown isolation level {isolation!r}: use one of {sorted(ISOLATION_LEVELS)}")
        self._require_open()
        with self._transactions.lend() as connection:
            transaction = PostgresTransaction(connection, self._statements, isolation)
            try:
                with user_errors(connection):
                    yield transaction
            finally:
                transaction.end()

    def lock_worker(self, worker_id: str) -> WorkerLock:
        """Take this worker's lock."""
        self._require_open()
        return PostgresWorkerLock(self._watch, self._read, worker_id, schema=self._schema, clock=self._clock)

    def listen(self, on_news: Callable[[frozenset[str] | None], None]) -> Listener:
        """Hear of other processes' commits."""
        self._require_open()
        return Subscription(self._watch, on_news)

    def notify(self, news: Iterable[str], *, ready: bool) -> None:
        """Tell other processes."""
        self._require_open()
        text = payload(frozenset(news), ready=ready)
        # A connection of its own, and not part of any commit: NOTIFY takes a lock of the whole server.
        with self._hinting, self._hints.use() as connection:
            connection.execute(self._queries["notify"], {"channel": self._channel, "payload": text})

    def inspect(self) -> Inspection:
        """Look at the server; see the protocol."""
        return inspect(self._connector, self._queries, self._schema)

    def back_up(self, target: Path) -> int:
        """Refuse: PostgreSQL has its own tools for that."""
        raise ConfigurationError("PostgreSQL databases are backed up with pg_dump or the server's own tools")

    def _is_own(self, server_process: int) -> bool:
        return server_process == self._hints.server_process

"""Write transactions: whose turn it is, how long one waits for other processes, and when the log is checkpointed.

The committer and user transactions of one process take turns on a fair lock, so that SQLite's own lock is contended by
other processes only. States of a connection here: idle; begun (`begin` returned); and idle again after `commit` or
`rollback`, exactly one of which follows every `begin` that returned. Whoever is interrupted in between gives up.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from holdfast import failpoints
from holdfast.errors import StoreUnavailable
from holdfast.store.queries import load_queries
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.faults import breaks_connection, is_locked, raise_mapped
from holdfast.store.sqlite.location import Location
from holdfast.store.sqlite.turns import FairLock
from holdfast.store.sqlite.wal import LockFile, WalGauge, has_reset_bug

log = logging.getLogger("holdfast.store.sqlite")
T = TypeVar("T")

CHECKPOINT_PAGES = 2000
"""8 MiB of log: a checkpoint costs about as much as a hundred commits, so it should be rare."""
_LOOK_EVERY = 8
"""Commits, between looks at how long the log is."""
_FIRST_PAUSE, _LAST_PAUSE = 0.0002, 0.001
_YIELD_SECONDS, _YIELD_FOR = 0.0003, 0.1
"""SQLite's lock knows no queue. While other processes commit too, each leaves them a gap before it begins again."""
_COMPANY_SECONDS = 10.0
"""For how long after another process's commit the next one is expected."""


class Writer:
    """The right to write to one database, and the connection that the committer writes with."""

    def __init__(self, location: Location, connect: Callable[[], Connection], *, patience: float) -> None:
        self._location = location
        self._connect = connect
        self._patience = patience
        self._connection: Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._guard: LockFile | None = None
        self._gauge: WalGauge | None = None
        self._count_commit = load_queries("holdfast.store.sqlite")["count_commit"]
        self.turns = FairLock()
        self._counting = threading.Lock()
        self._known_commits = 0
        self._others_committed = False
        self._yield_until = 0.0
        self._company_until = 0.0
        self._commits_since_look = 0

    def open(self) -> Connection:
        """Connect for the committer. Raises `StoreUnavailable`."""
        self._identity = self._location.identity()
        if not self._location.in_memory:
            if has_reset_bug(sqlite3.sqlite_version_info) and self._guard is None:
                self._guard = LockFile(self._location.beside("-checkpoint.lock"))
            self._gauge = WalGauge(self._location.beside("-wal"), CHECKPOINT_PAGES)
        self._connection = self._connect()
        return self._connection

    @property
    def connection(self) -> Connection:
        """The committer's connection, made anew if the last one broke. Raises `StoreUnavailable`."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def write(self, work: Callable[[Connection], T], *, is_news: bool = True) -> T:
        """Do `work` in a transaction on the committer's connection and commit it. Raises `StoreUnavailable`.

        One that changes nothing is no news.
        """
        connection = self.connection
        has_turn = self.turns.is_mine  # by a transaction of user code, which is none of our business
        try:
            self.begin(connection)
            before = connection.total_changes
            done = work(connection)
            self.commit(connection, is_news=is_news and connection.total_changes != before)
        except BaseException as error:
            if not has_turn:
                self.give_up(connection)
            if breaks_connection(error):
                self._discard()
            raise_mapped(error)
            raise
        return done

    def begin(self, connection: Connection) -> None:
        """Wait for this process's turn, then for other processes; `StoreUnavailable` after `patience` seconds."""
        self.begin_with(lambda: connection)

    def begin_with(self, connect: Callable[[], Connection]) -> Connection:
        """Begin on a connection that is asked for once it is one's turn; see `begin`. After an error, `give_up`."""
        deadline = time.monotonic() + self._patience
        if not self.turns.acquire(self._patience):
            raise StoreUnavailable(f"a transaction of this process has held the database for {self._patience:g} s")
        if time.monotonic() < self._yield_until:
            time.sleep(_YIELD_SECONDS)
        self._refuse_another_file()
        if self._guard is not None:
            self._guard.share(deadline)
        try:
            connection = connect()
            if connection is self._connection or time.monotonic() < self._company_until:
                # SQLite's own waiting sleeps up to 0.1 s at a time, in which another's committer has had many turns.
                connection.wait_for_locks(False)
            begin_immediate(connection, deadline)
        except sqlite3.Error as error:
            raise_mapped(error)
            raise
        if self._gauge is not None:
            self._gauge.make_room()
        return connection

    def commit(self, connection: Connection, *, is_news: bool = True) -> None:
        """Commit; checkpoint if it was the committer's turn and the log is long. Raises what the driver raises.

        What is no news to other processes is not counted, and does not wake them.
        """
        failpoints.reached("commit.written")
        if self._location.in_memory:
            connection.execute("COMMIT")
            self._end_turn()
            return
        if is_news:
            self._commit_counted(connection)
        else:
            connection.execute("COMMIT")
        try:
            if connection is self._connection:
                self._checkpoint_if_due(connection)
        finally:
            self._end_turn()

    def _commit_counted(self, connection: Connection) -> None:
        [(count,)] = connection.execute(self._count_commit).fetchall()
        # Known before it can be seen, so that the listener never takes it for another process's.
        with self._counting:
            before, self._known_commits = self._known_commits, count
            if count != before + 1:
                self._others_committed = True
                now = time.monotonic()
                self._yield_until, self._company_until = now + _YIELD_FOR, now + _COMPANY_SECONDS
        try:
            connection.execute("COMMIT")
        except BaseException:
            # The number may go to another process now, whose commit must not be taken for this one's.
            with self._counting:
                self._known_commits = min(before, count - 1)
            raise

    def rollback(self, connection: Connection) -> None:
        """Roll back whatever is open; never raises."""
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self._end_turn()

    def give_up(self, connection: Connection | None) -> None:
        """Roll back and end this thread's turn, if it has one: after an error, or an interrupt at any place."""
        if self.turns.is_mine:
            if connection is None:
                self._end_turn()
            else:
                self.rollback(connection)

    def counts_others(self, count: int) -> bool:
        """Tell whether other processes committed since this was last asked; `count` is the commits of all by now."""
        with self._counting:
            heard = self._others_committed or count > self._known_commits
            self._others_committed, self._known_commits = False, max(count, self._known_commits)
        if heard:
            self._company_until = time.monotonic() + _COMPANY_SECONDS
        return heard

    def close(self) -> None:
        """Copy the log back if nobody else writes, and close the connection. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, StoreUnavailable):
                if not self._location.in_memory and (self._guard is None or self._guard.take()):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
        for file in (self._guard, self._gauge):
            if file is not None:
                file.close()
        self._guard = self._gauge = None

    def _refuse_another_file(self) -> None:
        if self._location.identity() != self._identity:
            raise StoreUnavailable(
                f"the database file {self._location.path} was replaced while this program had it open: "
                "nothing is written until the program is started again"
            )

    def _checkpoint_if_due(self, connection: Connection) -> None:
        self._commits_since_look += 1
        if self._gauge is None or self._commits_since_look < _LOOK_EVERY:
            return
        self._commits_since_look = 0
        try:
            if not self._gauge.is_long():
                return
            if self._guard is not None:
                self._guard.release()
                if not self._guard.take():
                    return
            [(_, frames, _)] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._gauge.copied(frames)
        except (sqlite3.Error, OSError) as error:
            # What was committed is in the log and stays there.
            log.warning("the log could not be copied into the database: %s", error, extra={"action": "checkpoint"})
            self._discard()

    def _discard(self) -> None:
        if self._connection is not None and not self._location.in_memory:
            self._connection.close()
            self._connection = None
        if self._gauge is not None:
            self._gauge.close()

    def _end_turn(self) -> None:
        if self._guard is not None:
            self._guard.release()
        self.turns.release()


def begin_immediate(connection: Connection, deadline: float) -> None:
    """Begin a write transaction; try again until `deadline` (monotonic) while another process has one."""
    pause = _FIRST_PAUSE
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, _LAST_PAUSE)

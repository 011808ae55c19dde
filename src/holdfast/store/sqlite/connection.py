"""One SQLite connection: how it is set up, and how user code and its libraries may use it.

Transactions are explicit everywhere: Python's implicit ones begin too late, after what was read to decide.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, Self

from holdfast.store.sqlite.faults import driver_errors
from holdfast.store.sqlite.forks import never_close_in_child
from holdfast.store.sqlite.location import Location

_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    # Checkpoints are the committer's alone: see holdfast.store.sqlite.wal.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
)
_DARWIN_PRAGMAS = ("PRAGMA fullfsync = 1", "PRAGMA checkpoint_fullfsync = 1")
"""There fsync alone does not reach the disk."""


class Connection(sqlite3.Connection):
    """A connection whose transaction can be lent to user code.

    While it is `lent`, the libraries that user code hands it to (SQLAlchemy, LangGraph's SqliteSaver) may call `commit`
    and `rollback` as they are used to. `commit` has no effect: Holdfast commits together with the checkpoint. A
    `rollback` with nothing written since the last `commit` has none either. Any other undoes everything, but leaves the
    transaction open, so that no later statement commits by itself; Holdfast's commit then refuses.
    """

    lent = False
    rolled_back = False
    """Whether user code undid something of its own."""
    waits = True
    """Whether a statement that meets another's lock waits."""
    _kept_changes = 0

    def wait_for_locks(self, wait: bool, /) -> None:  # noqa: FBT001 - the one thing that it sets
        """Let statements that meet another's lock wait for it, as SQLite does by itself, or fail at once."""
        if self.waits != wait:
            self.execute("PRAGMA busy_timeout = 5000" if wait else "PRAGMA busy_timeout = 0")
            self.waits = wait

    def lend(self) -> None:
        """Hand the open transaction to user code."""
        self.execute("SAVEPOINT holdfast_lent")
        self.lent, self.rolled_back, self._kept_changes = True, False, self.total_changes

    def take_back(self) -> None:
        """End the loan; the transaction stays as it is."""
        self.lent = False

    def commit(self) -> None:
        """Commit; keep what was written so far if the transaction is Holdfast's."""
        if self.lent:
            self._kept_changes = self.total_changes
        else:
            super().commit()

    def rollback(self) -> None:
        """Roll back; only to the beginning of the loan if the transaction is Holdfast's."""
        if not self.lent:
            super().rollback()
        elif self.total_changes != self._kept_changes:
            self.rolled_back = True
            self.execute("ROLLBACK TO holdfast_lent")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        # The inherited method does not ask the methods of a subclass.
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return False

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """Run statements, without the commit that sqlite3 does first if the transaction is Holdfast's."""
        if not self.lent:
            return super().executescript(sql_script)
        cursor = self.cursor()
        for statement in split_statements(sql_script):
            cursor.execute(statement)
        return cursor


def connect(location: Location, *, busy_seconds: float, read_only: bool = False) -> Connection:
    """Connect to an existing database. Raises `StoreUnavailable`."""
    with driver_errors():
        connection = sqlite3.connect(
            location.target,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
            cached_statements=512,
            uri=not location.in_memory,
        )
        never_close_in_child(connection)
        try:
            _set_up(connection, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _set_up(connection: Connection, *, read_only: bool) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    if sys.platform == "darwin":
        for pragma in _DARWIN_PRAGMAS:
            connection.execute(pragma)
    if read_only:
        connection.execute("PRAGMA query_only = 1")


def split_statements(script: str) -> Iterator[str]:
    """Split a script into its statements, triggers included."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \t\r\n;"):
                yield statement
            statement = ""
    if rest := statement.removesuffix(";").strip():
        yield rest

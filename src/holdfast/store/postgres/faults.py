"""What a driver error means: the one place where psycopg's errors become the store's.

A connection that breaks has no SQLSTATE, also where it breaks in COMMIT: its fate is unknown, and `StoreUnavailable`
says so to the caller, which sends the same again. Errors that no retry can mend (a value the database refuses, a table
that is not there) pass through as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

import psycopg

from holdfast.errors import StoreUnavailable
from holdfast.store.base import Conflict

_AWAY_CLASSES = ("08", "53", "57", "58")
"""Connection, resources (disk, memory, connections), operator intervention and timeouts, system errors."""
_AWAY_STATES = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Read-only (a fail-over happened), idle or long transaction ended by the server, lock timeout."""
_CONFLICT_STATES = frozenset({"40001", "40P01"})
_KEEPS_CONNECTION = frozenset({"55P03", "57014"})


class Fate(Enum):
    """What to do about an error."""

    AWAY = "wait for the database and try again"
    CONFLICT = "roll back and try again at once"
    FINAL = "tell the caller"


def fate(error: BaseException) -> Fate:
    """Tell what an error means."""
    driver = _driver_error(error)
    if driver is None:
        return Fate.FINAL
    state = driver.sqlstate
    if state is None:
        away = isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError)
        return Fate.AWAY if away else Fate.FINAL
    if state in _CONFLICT_STATES:
        return Fate.CONFLICT
    if state in _AWAY_STATES or state.startswith(_AWAY_CLASSES):
        return Fate.AWAY
    return Fate.FINAL


def is_server_lost(error: BaseException) -> bool:
    """Tell whether the connections to that server should be made anew: it is gone, or has become read-only."""
    driver = _driver_error(error)
    return driver is not None and fate(error) is Fate.AWAY and driver.sqlstate not in _KEEPS_CONNECTION


@contextmanager
def driver_errors(connection: psycopg.Connection) -> Iterator[None]:
    """Raise `StoreUnavailable` or `Conflict` for the driver's errors, and leave the connection idle or closed."""
    try:
        yield
    except BaseException as error:
        tidy(connection, error)
        raise_mapped(error)
        raise


@contextmanager
def user_errors(connection: psycopg.Connection) -> Iterator[None]:
    """Do what `driver_errors` does around user code, whose own limits (NOWAIT, a statement's timeout) stay its own.

    User code may have wrapped the error, so the causes count, and that the connection broke counts whatever was raised.
    """
    try:
        yield
    except (StoreUnavailable, Conflict):
        raise
    except Exception as error:
        if connection.broken:
            raise StoreUnavailable(f"the connection broke in a transaction: {_one_line(error)}") from error
        for cause in _causes(error):
            if cause.sqlstate not in _KEEPS_CONNECTION:
                raise_mapped(cause)
        raise


def raise_mapped(error: BaseException) -> None:
    """Raise the store's error for a driver's; return if there is none."""
    match fate(error):
        case Fate.AWAY:
            raise StoreUnavailable(f"PostgreSQL is not available: {_one_line(error)}") from error
        case Fate.CONFLICT:
            raise Conflict(_one_line(error)) from error
        case Fate.FINAL:
            return


def tidy(connection: psycopg.Connection, error: BaseException) -> None:
    """Roll back what the error left open; close the connection where that is not possible or it is no good any more."""
    idle = psycopg.pq.TransactionStatus.IDLE
    if not isinstance(error, Exception):
        # An interrupt came between any two calls of the driver: who knows what the server still answers.
        connection.close()
        return
    with suppress(psycopg.Error):
        if not connection.closed and connection.info.transaction_status != idle:
            connection.rollback()
    if is_server_lost(error) or connection.info.transaction_status != idle:
        connection.close()


def _driver_error(error: BaseException) -> psycopg.Error | None:
    return error if isinstance(error, psycopg.Error) else None


def _causes(error: BaseException) -> Iterator[psycopg.Error]:
    """Give the driver's errors among an error and its causes, as SQLAlchemy and `raise … from` link them."""
    seen: BaseException | None = error
    for _ in range(8):
        if isinstance(seen, psycopg.Error):
            yield seen
        if seen is None:
            return
        seen = seen.__cause__


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())

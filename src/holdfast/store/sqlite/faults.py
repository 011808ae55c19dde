"""What a driver error means: the one place where sqlite3's errors become the store's.

What may pass (locked, full, read-only, an I/O error) is `StoreUnavailable`: the caller waits and sends the same again.
Errors that no retry can mend (a value the database refuses, a damaged file) pass through as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.errors import StoreUnavailable

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
"""After these nobody knows what the connection believes: it is closed and made anew."""
_AWAY = _LOCKED | {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
}


def primary_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code; an error of others (SQLAlchemy's) counts as the driver's that it wraps."""
    for candidate in (error, getattr(error, "orig", None)):
        code = getattr(candidate, "sqlite_errorcode", None)
        if isinstance(candidate, sqlite3.Error) and code is not None:
            return int(code) & 0xFF
    return None


def is_locked(error: BaseException) -> bool:
    """Tell whether somebody else holds the lock that was asked for."""
    return primary_code(error) in _LOCKED


def breaks_connection(error: BaseException) -> bool:
    """Tell whether the connection that raised the error must not be used again."""
    return primary_code(error) in _BROKEN


@contextmanager
def driver_errors() -> Iterator[None]:
    """Raise `StoreUnavailable` for the driver's errors that may pass."""
    try:
        yield
    except sqlite3.Error as error:
        raise_mapped(error)
        raise


def raise_mapped(error: BaseException) -> None:
    """Raise the store's error for a driver's; return if there is none."""
    if primary_code(error) in _AWAY:
        raise StoreUnavailable(f"the SQLite database is not available: {error}") from error

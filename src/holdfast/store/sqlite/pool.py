"""A few connections for any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.faults import breaks_connection, raise_mapped


class Pool:
    """Up to `size` connections; the one used last is given first."""

    def __init__(self, connect: Callable[[], Connection], size: int, patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._free = threading.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Lend a connection to one thread. Raises `StoreUnavailable`, also for the driver's errors inside."""
        if not self._free.acquire(timeout=self._patience):
            raise StoreUnavailable("all connections to the SQLite database are busy")
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException as error:
                if breaks_connection(error) or (error.__cause__ and breaks_connection(error.__cause__)):
                    connection.close()
                else:
                    self._give_back(connection)
                raise_mapped(error)
                raise
            self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle now, and what is lent once it comes back. Idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        if self._closed:
            raise StoreUnavailable("this Holdfast store is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, connection: Connection) -> None:
        if self._closed or connection.in_transaction:
            connection.close()
        else:
            self._idle.append(connection)

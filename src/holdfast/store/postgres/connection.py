"""Connections: how each session is set up, the one that writes, and a small pool for those that many threads share.

A connection that fails is closed and made anew by whoever needs it next; nobody retries here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from holdfast.core.data import dataclass
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.postgres.faults import driver_errors, is_server_lost, raise_mapped, tidy
from holdfast.store.postgres.silence import EngineConnection

log = logging.getLogger("holdfast.store.postgres")

_CLIENT_DEFAULTS: Mapping[str, str | int] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_SERVER_KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""So that the server notices within half a minute that a machine is gone, and drops its locks."""

ENGINE_SETTINGS: Mapping[str, str] = {
    "TimeZone": "UTC",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    # The engine never pauses inside a transaction. A process that is stopped just there must not hold up the others:
    # well before their lock timeout the server ends its session, and its locks with it.
    "idle_in_transaction_session_timeout": "4s",
}
WRITE_SETTINGS: Mapping[str, str] = {
    **ENGINE_SETTINGS,
    # Its statements all look up rows by key. A plan made while the tables are small would read them whole, and is kept
    # for as long as the connection lives.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # For a commit that is one statement, without a BEGIN that could say so.
    "default_transaction_isolation": "read committed",
}
USER_SETTINGS: Mapping[str, str] = {"idle_in_transaction_session_timeout": "0"}
"""User code may think for as long as it likes inside its transaction; all else stays as its database has it."""
HINT_SETTINGS: Mapping[str, str] = {**ENGINE_SETTINGS, "synchronous_commit": "off"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Connector:
    """Makes connections to one database."""

    url: str

    @classmethod
    def from_url(cls, url: str) -> Connector:
        """Take a postgresql://, postgres:// or postgresql+psycopg:// URL. Raises `ConfigurationError`."""
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
            raise ConfigurationError(
                f"not a PostgreSQL URL (postgresql://user@host/database): its scheme is {scheme!r}"
            )
        connector = cls(url=f"postgresql://{rest}")
        try:
            conninfo_to_dict(connector.url)
        except psycopg.Error as error:
            # The driver's text may quote the URL, password included.
            raise ConfigurationError(f"the PostgreSQL URL can't be read ({type(error).__name__})") from None
        return connector

    def connect(self, purpose: str, settings: Mapping[str, str]) -> psycopg.Connection:
        """Connect, in autocommit mode. Raises `StoreUnavailable`."""
        given = conninfo_to_dict(self.url)
        parameters = {**_CLIENT_DEFAULTS, "application_name": f"holdfast {purpose}", **given, "client_encoding": "UTF8"}
        if "," in str(given.get("host", "")):
            parameters.setdefault("target_session_attrs", "read-write")  # after a fail-over, the new primary
        # How long a statement of user code takes is its own affair.
        kind = psycopg.Connection if settings is USER_SETTINGS else EngineConnection
        try:
            connection = kind.connect(**parameters, autocommit=True)  # type: ignore[arg-type]  # **dict
        except psycopg.Error as error:
            raise_mapped(error)
            raise
        with driver_errors(connection):
            _set_up(connection, settings)
        return connection


def behind_pooler(connection: psycopg.Connection) -> bool:
    """Tell whether a pooler hands this session's statements to server sessions of its own choice.

    It invents the process id that it tells its clients, so that it differs from the server's.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid


def _set_up(connection: psycopg.Connection, settings: Mapping[str, str]) -> None:
    if behind_pooler(connection):
        # What one sets there stays behind in a session that others get, prepared statements too.
        connection.prepare_threshold = None
        return
    if settings is not USER_SETTINGS:
        connection.prepare_threshold = 0
    wanted = {**_SERVER_KEEPALIVES, **settings}
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)",
        [list(wanted), list(wanted.values())],
    )


class Session:
    """One connection for one thread at a time, made when it is needed."""

    def __init__(self, connector: Connector, purpose: str, settings: Mapping[str, str] = ENGINE_SETTINGS) -> None:
        self._connector, self._purpose, self._settings = connector, purpose, settings
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection]:
        """Give the connection. Raises `StoreUnavailable`, `Conflict` for the driver's errors."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connector.connect(self._purpose, self._settings)
        with driver_errors(self._connection):
            yield self._connection

    @property
    def server_process(self) -> int | None:
        """The server's process that serves this session."""
        connection = self._connection
        return None if connection is None or connection.closed else connection.info.backend_pid

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Pool:
    """Up to `size` connections for any number of threads; the one used last is given first."""

    def __init__(
        self, connector: Connector, purpose: str, size: int, settings: Mapping[str, str] = ENGINE_SETTINGS
    ) -> None:
        self._connector, self._purpose, self._settings = connector, purpose, settings
        self._size = size
        self._idle: list[psycopg.Connection] = []
        self._lent = 0
        self._generation = 0
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def use(self, *, wait: float | None = 30.0) -> Iterator[psycopg.Connection]:
        """Lend a connection; wait at most `wait` seconds for one. Raises `StoreUnavailable`, `Conflict`."""
        with self.lend(wait=wait) as connection, driver_errors(connection):
            yield connection

    @contextmanager
    def lend(self, *, wait: float | None = None) -> Iterator[psycopg.Connection]:
        """Lend a connection, and take it back rolled back. The borrower sees to errors. Raises `StoreUnavailable`."""
        connection, generation = self._take(wait)
        try:
            yield connection
        except BaseException as error:
            tidy(connection, error)
            if is_server_lost(error.__cause__ or error):
                self.renew()
            raise
        finally:
            self._give_back(connection, generation)

    def renew(self) -> None:
        """Use none of the present connections again: the server behind them is gone, or is a standby now."""
        with self._changed:
            self._generation += 1
            stale, self._idle = self._idle, []
        for connection in stale:
            connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent once it comes back. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.renew()

    def _take(self, wait: float | None) -> tuple[psycopg.Connection, int]:
        deadline = None if wait is None else time.monotonic() + wait
        with self._changed:
            while self._lent >= self._size and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise StoreUnavailable(f"all {self._size} connections for {self._purpose} are busy")
                self._changed.wait(left)
            if self._closed:
                raise StoreUnavailable("this Holdfast store is closed")
            self._lent += 1
            generation = self._generation
            found = self._idle.pop() if self._idle else None
        if found is not None:
            return found, generation
        try:
            return self._connector.connect(self._purpose, self._settings), generation
        except BaseException:
            self._return(None)
            raise

    def _give_back(self, connection: psycopg.Connection, generation: int) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        usable = not connection.closed and connection.info.transaction_status == idle
        if usable and generation == self._generation and not self._closed:
            self._return(connection)
        else:
            connection.close()
            self._return(None)

    def _return(self, connection: psycopg.Connection | None) -> None:
        with self._changed:
            self._lent -= 1
            if connection is not None:
                self._idle.append(connection)
            self._changed.notify()

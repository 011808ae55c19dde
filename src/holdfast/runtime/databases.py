"""Where transactions run: the store's own database, or another one of the application's.

On the store's own database the checkpoint is a row of the journal. On another one it is a row of a small table there,
`holdfast_transactions`, from which the journal learns it afterwards. SQLAlchemy is needed for sessions and for other
databases only.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, Self

from holdfast.core.model import Checkpoint, Fence
from holdfast.core.replay import Operation
from holdfast.errors import MissingExtra, OutsideTransaction
from holdfast.store.base import Store, StoreTransaction


class SessionScope(Protocol):
    """What user code may use inside a transaction."""

    @property
    def connection(self) -> Any:
        """The driver's connection, which ignores `commit` and refuses `rollback`: the transaction ends by itself."""

    @property
    def session(self) -> Any:
        """A SQLAlchemy session, made when first asked for. Raises `MissingExtra`."""

    def finish(self) -> None:
        """Flush the session, so that the commit holds all that was put in it."""


current_scope: ContextVar[SessionScope | None] = ContextVar("holdfast_transaction", default=None)


def scope_here(verb: str) -> SessionScope:
    """Return the open transaction's scope. Raises `OutsideTransaction`."""
    scope = current_scope.get()
    if scope is None:
        raise OutsideTransaction(f"{verb} works only inside a function decorated with @transaction")
    return scope


class OpenTransaction(Protocol):
    """A transaction in progress, on whichever database."""

    @property
    def scope(self) -> SessionScope:
        """What user code sees of it."""

    def begin(self, fence: Fence | None, operation: Operation | None, *, again: bool) -> Checkpoint | None:
        """Begin; return the operation's recorded outcome if there is one. Without a fence nothing is recorded.

        `again`: an earlier try may have committed, although nobody was told.
        """

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Commit, with the checkpoint. Raises `StoreUnavailable` if its fate is unknown, `Conflict`, `Fenced`."""

    def rollback(self) -> None:
        """Roll back; never raises."""


class Database(Protocol):
    """A database that transactions run on."""

    keeps_journal: bool
    """Whether the checkpoint is a row of the journal itself."""

    def open(self) -> None:
        """Connect. Raises `ConfigurationError`, `StoreUnavailable`."""

    def close(self) -> None:
        """Close its connections."""

    def transaction(self, isolation: str | None) -> AbstractContextManager[OpenTransaction]:
        """Open a transaction; driver errors inside become `Conflict` or `StoreUnavailable` where they are that."""


class StoreDatabase:
    """The workflow database itself."""

    keeps_journal = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> None:
        """Do nothing: the store is opened by the engine."""

    def close(self) -> None:
        """Do nothing: the store is closed by the engine."""

    @contextmanager
    def transaction(self, isolation: str | None) -> Iterator[OpenTransaction]:
        """Open a transaction on a connection of the store's."""
        with self._store.transaction(isolation) as transaction:
            scope = DriverScope(transaction, self._store.dialect)
            try:
                yield _StoreTransaction(transaction, scope)
            finally:
                scope.close()


class _StoreTransaction:
    def __init__(self, transaction: StoreTransaction, scope: DriverScope) -> None:
        self._transaction = transaction
        self.scope = scope

    def begin(self, fence: Fence | None, operation: Operation | None, *, again: bool) -> Checkpoint | None:
        # What was recorded before this stay in memory is in the journal, which has no outcome of it.
        return self._transaction.begin(fence, operation.step_id if operation is not None and again else None)

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        self._transaction.commit(fence, checkpoint)

    def rollback(self) -> None:
        self.scope.close()
        self._transaction.rollback()


class DriverScope:
    """A driver's connection inside an open transaction, and a session on top of it."""

    def __init__(self, transaction: StoreTransaction, dialect: str) -> None:
        self._transaction = transaction
        self._dialect = dialect
        self._session: Any = None

    @functools.cached_property
    def connection(self) -> Any:
        return GuardedConnection(self._transaction.connection)

    @property
    def session(self) -> Any:
        if self._session is None:
            self._session = _session_on(GuardedConnection(self._transaction.connection, quiet=True), self._dialect)
        return self._session

    def finish(self) -> None:
        if self._session is not None:
            self._session.commit()

    def close(self) -> None:
        """Detach the session's objects; what was not flushed is dropped."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
            session.connection_to_close.close()


class GuardedConnection:
    """A driver's connection whose transaction ends with its checkpoint, not by what user code calls on it.

    `commit()` and `close()` do nothing, so that libraries which commit by habit can be given it. `rollback()` is
    refused: raise an exception to roll back.
    """

    def __init__(self, connection: Any, *, quiet: bool = False) -> None:
        self.__dict__["_connection"] = connection
        self.__dict__["_quiet"] = quiet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._connection, name, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return

    def commit(self) -> None:
        """Do nothing: the transaction commits with its checkpoint."""

    def close(self) -> None:
        """Do nothing: the connection belongs to the store."""

    def rollback(self) -> None:
        """Refuse; raise an exception to roll the transaction back."""
        if not self._quiet:
            raise OutsideTransaction(
                "a @transaction's connection can't be rolled back by hand: raise an exception instead"
            )


_URLS = {"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://"}


@functools.cache
def _sqlalchemy_engine(dialect: str) -> Any:
    """Make a SQLAlchemy engine that connects to whatever connection the running transaction has."""
    if importlib.util.find_spec("sqlalchemy") is None:
        raise MissingExtra("sql_session()", "sql")
    import sqlalchemy

    # Looking hstore's type up would ask the driver about a connection that is not quite its own.
    native = {"use_native_hstore": False} if dialect == "postgresql" else {}
    return sqlalchemy.create_engine(
        _URLS[dialect], creator=_connecting.get, poolclass=sqlalchemy.NullPool, pool_reset_on_return=None, **native
    )


_connecting: ContextVar[Any] = ContextVar("holdfast_connecting")


def _session_on(connection: GuardedConnection, dialect: str) -> Any:
    engine = _sqlalchemy_engine(dialect)
    from sqlalchemy.orm import Session

    token = _connecting.set(connection)
    try:
        bound = engine.connect()
    finally:
        _connecting.reset(token)
    session = Session(bind=bound, join_transaction_mode="create_savepoint")
    session.connection_to_close = bound  # type: ignore[attr-defined]  # kept beside what it belongs to
    return session

"""Transactions on another database than the store's: a small table there keeps their outcomes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from holdfast.core.model import Checkpoint, Fence, Kind
from holdfast.core.replay import Operation
from holdfast.errors import ConfigurationError, MissingExtra, StoreUnavailable
from holdfast.runtime.databases import GuardedConnection, OpenTransaction
from holdfast.store.base import Conflict

TABLE = "holdfast_transactions"
_RETRYABLE = frozenset({"40001", "40P01"})


class OtherDatabase:
    """One of the application's databases, reached through SQLAlchemy."""

    keeps_journal = False

    def __init__(self, name: str, url: str) -> None:
        if importlib.util.find_spec("sqlalchemy") is None:
            raise MissingExtra(f"the database {name!r} in Holdfast(databases=…)", "sql")
        self._name = name
        self._url = url
        self._engine: Any = None
        self._table: Any = None

    def open(self) -> None:
        """Connect and create the outcome table. Raises `ConfigurationError`, `StoreUnavailable`."""
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, OperationalError

        try:
            self._engine = sqlalchemy.create_engine(_with_driver(self._url))
        except ArgumentError as error:
            raise ConfigurationError(f"the URL of the database {self._name!r} can't be read: {error}") from None
        if self._engine.dialect.name == "sqlite":
            # Python's driver begins no transaction before a SAVEPOINT: its RELEASE would then be a COMMIT, before the
            # outcome is written.
            sqlalchemy.event.listen(self._engine, "connect", _begin_by_hand)
            sqlalchemy.event.listen(self._engine, "begin", _begin_immediately)
        self._table = sqlalchemy.Table(
            TABLE,
            sqlalchemy.MetaData(),
            sqlalchemy.Column("workflow_id", sqlalchemy.String(512), primary_key=True),
            sqlalchemy.Column("step_id", sqlalchemy.String(1024), primary_key=True),
            sqlalchemy.Column("output", sqlalchemy.Text),
            sqlalchemy.Column("finished_at", sqlalchemy.Double, nullable=False),
        )
        try:
            self._table.create(self._engine, checkfirst=True)
        except OperationalError as error:
            raise StoreUnavailable(f"the database {self._name!r} can't be reached: {error.orig}") from error

    def close(self) -> None:
        """Close its connections."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def transaction(self, isolation: str | None) -> Iterator[OpenTransaction]:
        """Open a transaction. Broken connections become `StoreUnavailable`, conflicts `Conflict`."""
        from sqlalchemy.exc import DBAPIError

        try:
            connection = self._engine.connect()
        except DBAPIError as error:
            raise StoreUnavailable(f"the database {self._name!r} can't be reached: {error.orig}") from error
        try:
            if isolation is not None:
                connection = connection.execution_options(isolation_level=isolation.upper())
            yield _OtherTransaction(connection, self._table)
        except DBAPIError as error:
            raise self._mapped(error, error.orig) from error
        except Exception as error:  # noqa: BLE001 - the driver's error is raised in place of SQLAlchemy's
            raise self._mapped(error, error) from error.__cause__
        finally:
            with suppress(DBAPIError):
                connection.close()

    def _mapped(self, error: Exception, original: Any) -> Exception:
        cause = error.__cause__
        invalidated = getattr(error, "connection_invalidated", False) or getattr(cause, "connection_invalidated", False)
        if invalidated or _is_locked(original):
            return StoreUnavailable(f"the database {self._name!r} was lost in a transaction: {original}")
        if getattr(original, "sqlstate", None) in _RETRYABLE:
            return Conflict(str(original))
        return error


class _OtherTransaction:
    def __init__(self, connection: Any, table: Any) -> None:
        self._connection = connection
        self._table = table
        self._transaction: Any = None
        self.scope = _AlchemyScope(connection)

    def begin(self, fence: Fence | None, operation: Operation | None, *, again: bool) -> Checkpoint | None:
        # Looked for each time: a dead process may have committed here, and recorded nothing in the journal.
        self._transaction = self._connection.begin()
        if fence is None or operation is None:
            return None
        columns = self._table.c
        row = self._connection.execute(
            self._table.select().where(columns.workflow_id == fence.workflow_id, columns.step_id == operation.step_id)
        ).first()
        if row is None:
            return None
        return Checkpoint(
            step_id=operation.step_id,
            branch=operation.branch,
            name=operation.name,
            kind=Kind.TRANSACTION,
            seq=0,
            digest=operation.digest,
            output=row.output,
            finished_at=row.finished_at,
        )

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        from sqlalchemy.exc import DBAPIError, IntegrityError

        if fence is not None and checkpoint is not None:
            try:
                self._connection.execute(
                    self._table.insert().values(
                        workflow_id=fence.workflow_id,
                        step_id=checkpoint.step_id,
                        output=checkpoint.output,
                        finished_at=checkpoint.finished_at,
                    )
                )
            except IntegrityError as error:
                # Another process, which took this workflow for its own, has committed the outcome: that one counts.
                raise Conflict("the transaction's outcome is recorded already") from error
        try:
            self._transaction.commit()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in _RETRYABLE:
                raise
            raise StoreUnavailable(f"nobody knows whether a commit went through: {error.orig}") from error

    def rollback(self) -> None:
        with suppress(Exception):
            self.scope.drop()
            self._transaction.rollback()


class _AlchemyScope:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._session: Any = None

    @property
    def connection(self) -> Any:
        return GuardedConnection(self._connection.connection.driver_connection)

    @property
    def session(self) -> Any:
        if self._session is None:
            from sqlalchemy.orm import Session

            self._session = Session(bind=self._connection, join_transaction_mode="create_savepoint")
        return self._session

    def finish(self) -> None:
        if self._session is not None:
            self._session.commit()

    def drop(self) -> None:
        if self._session is not None:
            self._session.close()


def _with_driver(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url


def _begin_by_hand(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediately(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_locked(error: Any) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))

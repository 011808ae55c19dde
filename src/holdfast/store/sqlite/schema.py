"""Creating and migrating the schema. Several processes may do so at once: one does, the others find it done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from holdfast.errors import ConfigurationError
from holdfast.store.migrate import load_migrations, pending
from holdfast.store.sqlite.connection import Connection, split_statements
from holdfast.store.sqlite.faults import driver_errors, is_locked
from holdfast.store.sqlite.writer import Writer

_PAUSE = 0.005


def migrate(
    writer: Writer,
    connection: Connection,
    queries: Mapping[str, str],
    clock: Callable[[], float],
    patience: float,
) -> None:
    """Switch to write-ahead logging and apply what is missing.

    Raises `SchemaTooNew`, before anything is changed, `ConfigurationError` and `StoreUnavailable`.
    """
    with driver_errors():
        migrations = load_migrations("holdfast.store.sqlite")
        if not pending(_version(connection, queries), migrations):
            return
        _use_wal(connection, time.monotonic() + patience)
        writer.begin(connection)
        try:
            connection.execute(queries["create_schema_table"])
            for migration in pending(_version(connection, queries), migrations):
                for statement in split_statements(migration.sql):
                    connection.execute(statement)
                values = {"version": migration.version, "name": migration.name, "now": clock()}
                connection.execute(queries["record_migration"], values)
            writer.commit(connection)
        except BaseException:
            writer.rollback(connection)
            raise


def _version(connection: Connection, queries: Mapping[str, str]) -> int:
    if not connection.execute(queries["has_schema_table"]).fetchall():
        return 0
    [(version,)] = connection.execute(queries["schema_version"]).fetchall()
    return int(version)


def _use_wal(connection: Connection, deadline: float) -> None:
    while True:
        try:
            [(mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except Exception as error:
            if not is_locked(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
            continue
        if mode in {"wal", "memory"}:
            return
        raise ConfigurationError(
            f"SQLite can't keep a write-ahead log here (journal mode {mode!r}): put the database on a local disk"
        )

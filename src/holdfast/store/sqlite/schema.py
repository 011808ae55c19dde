"""Creating and migrating the schema. Several processes may do so at once: one does, the others find it done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from holdfast import failpoints
from holdfast.errors import ConfigurationError
from holdfast.store.migrate import Migration, load_migrations, pending
from holdfast.store.sqlite.connection import Connection, split_statements
from holdfast.store.sqlite.faults import driver_errors, is_locked
from holdfast.store.sqlite.writer import Writer

_PAUSE = 0.005


def apply_migrations(
    writer: Writer,
    connection: Connection,
    queries: Mapping[str, str],
    clock: Callable[[], float],
    patience: float,
) -> None:
    """Switch to write-ahead logging and apply what is missing.

    Raises `SchemaTooNew`, before anything is changed, `ConfigurationError` and `StoreUnavailable`.
    """
    if not missing_migrations(connection, queries):
        return
    with driver_errors():
        _use_wal(connection, time.monotonic() + patience)
        try:
            writer.begin(connection)
            connection.execute(queries["create_schema_table"])
            missing = missing_migrations(connection, queries)
            for migration in missing:
                failpoints.reached("migration.before", migration.version)
                for statement in split_statements(migration.sql):
                    connection.execute(statement)
                values = {"version": migration.version, "name": migration.name, "now": clock()}
                connection.execute(queries["record_migration"], values)
                failpoints.reached("migration.after", migration.version)
            for migration in missing:
                compatibility = {"version": migration.version, "oldest_writer": migration.oldest_writer}
                connection.execute(queries["record_compatibility"], compatibility)
            writer.commit(connection)
        except BaseException:
            writer.give_up(connection)
            raise


def missing_migrations(connection: Connection, queries: Mapping[str, str]) -> tuple[Migration, ...]:
    """Return what the database still needs. Raises `SchemaTooNew`, `StoreUnavailable`."""
    migrations = load_migrations("holdfast.store.sqlite")
    with driver_errors():
        if not connection.execute(queries["has_schema_table"]).fetchall():
            return migrations
        [(version,)] = connection.execute(queries["schema_version"]).fetchall()

    def oldest_writer(known: int) -> int | None:
        with driver_errors():
            [(oldest,)] = connection.execute(queries["oldest_writer"], {"known": known}).fetchall()
        return None if oldest is None else int(oldest)

    return pending(version, migrations, oldest_writer)


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

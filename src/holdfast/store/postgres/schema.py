"""Creating and migrating the schema. Of several processes one does it, the others wait and find it done."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import psycopg

from holdfast import failpoints
from holdfast.errors import ConfigurationError
from holdfast.store.migrate import Migration, load_migrations, pending
from holdfast.store.postgres.sql import PACKAGE, lock_key, with_schema

log = logging.getLogger("holdfast.store.postgres")

OLDEST_SERVER = 120000


def prepare(connection: psycopg.Connection, queries: Mapping[str, bytes], schema: str) -> None:
    """Check the server and apply what is missing.

    Raises `SchemaTooNew`, before anything is changed, `ConfigurationError`, and what the driver raises.
    """
    if connection.info.server_version < OLDEST_SERVER:
        raise ConfigurationError(
            f"Holdfast needs PostgreSQL 12 or newer, not {connection.info.server_version // 10000}"
        )
    _warn_of_loss(connection, queries)
    try:
        with connection.transaction():
            _migrate(connection, queries, schema)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"this database user may not create or use the schema {schema!r}: {error}. Let its owner run "
            f"`CREATE SCHEMA {schema} AUTHORIZATION …`, or give another schema"
        ) from error


def _migrate(connection: psycopg.Connection, queries: Mapping[str, bytes], schema: str) -> None:
    connection.execute(queries["lock_migrations"], {"key": lock_key("migrations", schema)})
    ((has_schema, has_table),) = connection.execute(queries["schema_exists"], {"name": schema})
    if not has_schema:
        connection.execute(queries["create_schema"])
    if not has_table:
        connection.execute(queries["create_schema_table"])
    missing = missing_migrations(connection, queries, schema)
    for migration in missing:
        failpoints.reached("migration.before", migration.version)
        # Without parameters, so that one call takes all statements of the file.
        connection.execute(with_schema(migration.sql, schema), prepare=False)
        connection.execute(queries["record_migration"], {"version": migration.version, "name": migration.name})
        failpoints.reached("migration.after", migration.version)
    for migration in missing:
        compatibility = {"version": migration.version, "oldest_writer": migration.oldest_writer}
        connection.execute(queries["record_compatibility"], compatibility)


def missing_migrations(
    connection: psycopg.Connection, queries: Mapping[str, bytes], schema: str
) -> tuple[Migration, ...]:
    """Return what the database still needs. Raises `SchemaTooNew`, and what the driver raises."""
    ((_, has_table),) = connection.execute(queries["schema_exists"], {"name": schema})
    if not has_table:
        return load_migrations(PACKAGE)
    ((version,),) = connection.execute(queries["schema_version"])

    def oldest_writer(known: int) -> int | None:
        ((oldest,),) = connection.execute(queries["oldest_writer"], {"known": known})
        return None if oldest is None else int(oldest)

    return pending(version, load_migrations(PACKAGE), oldest_writer)


def _warn_of_loss(connection: psycopg.Connection, queries: Mapping[str, bytes]) -> None:
    ((syncs, waits),) = connection.execute(queries["durability"])
    if not syncs:
        log.warning(
            "this PostgreSQL server runs with fsync=off: a crash of its machine can destroy the database",
            extra={"action": "durability"},
        )
    elif not waits:
        log.warning(
            "this PostgreSQL server runs with synchronous_commit=off: a crash of it can lose what it acknowledged",
            extra={"action": "durability"},
        )

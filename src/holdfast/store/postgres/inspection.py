"""A look at a PostgreSQL server, for `holdfast doctor`. Changes nothing, and creates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg

from holdfast.store.migrate import load_migrations
from holdfast.store.overview import Fact, Inspection, Verdict
from holdfast.store.postgres.connection import ENGINE_SETTINGS, Connector, behind_pooler
from holdfast.store.postgres.faults import driver_errors
from holdfast.store.postgres.schema import OLDEST_SERVER
from holdfast.store.postgres.sql import PACKAGE

_FULL = 0.9
"""Of the connections that the server allows."""


def inspect(connector: Connector, queries: Mapping[str, bytes], schema: str) -> Inspection:
    """Look at the server and the schema. Raises `StoreUnavailable`."""
    with connector.connect("doctor", ENGINE_SETTINGS) as connection, driver_errors(connection):
        facts = [
            _version(connection),
            *_durability(connection, queries),
            _role(connection, queries),
            _pooler(connection),
            _connections(connection, queries),
            *_privileges(connection, queries, schema),
        ]
        try:
            found = _schema(connection, queries, schema)
        except psycopg.errors.InsufficientPrivilege:
            # The facts say so, and what to do about it.
            found = None
        return Inspection(
            schema=found,
            known_schema=len(load_migrations(PACKAGE)),
            facts=tuple(facts),
        )


def _schema(connection: psycopg.Connection, queries: Mapping[str, bytes], schema: str) -> int:
    ((_, has_table),) = connection.execute(queries["schema_exists"], {"name": schema})
    if not has_table:
        return 0
    ((version,),) = connection.execute(queries["schema_version"])
    return int(version)


def _version(connection: psycopg.Connection) -> Fact:
    number = connection.info.server_version
    value = f"{number // 10000}.{number % 10000}"
    if number < OLDEST_SERVER:
        return Fact(
            name="PostgreSQL", value=value, verdict=Verdict.WRONG, advice="Holdfast needs PostgreSQL 12 or newer"
        )
    return Fact(name="PostgreSQL", value=value)


def _durability(connection: psycopg.Connection, queries: Mapping[str, bytes]) -> Iterator[Fact]:
    ((syncs, waits),) = connection.execute(queries["durability"])
    if syncs:
        yield Fact(name="fsync", value="on")
    else:
        advice = "a crash of its machine can destroy the database: set fsync = on in postgresql.conf"
        yield Fact(name="fsync", value="off", verdict=Verdict.WRONG, advice=advice)
    if waits:
        yield Fact(name="synchronous_commit", value="on")
    else:
        advice = "a crash of the server can lose what it acknowledged: set synchronous_commit = on for this database"
        yield Fact(name="synchronous_commit", value="off", verdict=Verdict.WRONG, advice=advice)


def _role(connection: psycopg.Connection, queries: Mapping[str, bytes]) -> Fact:
    ((standby, read_only),) = connection.execute(queries["server_role"])
    if standby:
        advice = "workers wait until it is promoted: give the primary's address, or several hosts in the URL"
        return Fact(name="role", value="a standby: read only", verdict=Verdict.WRONG, advice=advice)
    if read_only:
        advice = "this user or database has default_transaction_read_only on"
        return Fact(name="role", value="read only", verdict=Verdict.WRONG, advice=advice)
    return Fact(name="role", value="primary")


def _pooler(connection: psycopg.Connection) -> Fact:
    if not behind_pooler(connection):
        return Fact(name="pooler", value="none, or one that keeps sessions apart")
    return Fact(
        name="pooler",
        value="transaction mode",
        verdict=Verdict.WARNING,
        advice="news come by polling once a second, and a killed process's work waits for its lease to end: "
        "connect workers to the server itself to have both at once",
    )


def _connections(connection: psycopg.Connection, queries: Mapping[str, bytes]) -> Fact:
    ((used, allowed),) = connection.execute(queries["connection_counts"])
    value = f"{used} of {allowed} used"
    if used < _FULL * allowed:
        return Fact(name="connections", value=value)
    advice = "each worker process takes up to 15: raise max_connections, or run fewer processes with more threads"
    return Fact(name="connections", value=value, verdict=Verdict.WARNING, advice=advice)


def _privileges(connection: psycopg.Connection, queries: Mapping[str, bytes], schema: str) -> Iterator[Fact]:
    ((has_schema, _),) = connection.execute(queries["schema_exists"], {"name": schema})
    query = "schema_privileges" if has_schema else "database_privileges"
    ((may_use, may_create),) = connection.execute(queries[query], {"name": schema})
    if may_use and may_create:
        yield Fact(name="privileges", value="may use and migrate the schema")
    elif may_use:
        yield Fact(
            name="privileges",
            value="may use the schema, not migrate it",
            verdict=Verdict.WARNING,
            advice="run `holdfast migrate` as the schema's owner before you start a newer version",
        )
    else:
        advice = f"let its owner run: GRANT USAGE, CREATE ON SCHEMA {schema} TO this user"
        yield Fact(name="privileges", value="may not use the schema", verdict=Verdict.WRONG, advice=advice)

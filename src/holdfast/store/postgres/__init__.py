"""The store for many machines: PostgreSQL, through psycopg."""

from __future__ import annotations

from holdfast.errors import MissingExtra

try:
    from holdfast.store.postgres.store import PostgresStore
except ImportError as error:
    if (error.name or "").partition(".")[0] != "psycopg":
        raise
    raise MissingExtra("PostgreSQL", "postgres") from error

__all__ = ["PostgresStore"]

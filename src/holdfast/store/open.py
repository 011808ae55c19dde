"""Choosing a store by URL."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.errors import ConfigurationError
from holdfast.store.base import Store
from holdfast.store.postgres.store import PostgresStore
from holdfast.store.sqlite.store import SqliteStore

_SCHEMES = {
    "sqlite": SqliteStore,
    "postgresql": PostgresStore,
    "postgres": PostgresStore,
    "postgresql+psycopg": PostgresStore,
}


def open_store(url: str, *, clock: Callable[[], float] | None = None) -> Store:
    """Return the store for a URL; nothing is connected yet.

    Raises `ConfigurationError` for a URL that names no store, `MissingExtra` for PostgreSQL without its driver.
    """
    scheme, separator, _ = url.partition("://")
    store = _SCHEMES.get(scheme) if separator else None
    if store is None:
        raise ConfigurationError(
            f"the database URL must begin with sqlite:///, sqlite://// or postgresql://, not {scheme[:40]!r}: "
            "for a file beside the program write sqlite:///holdfast.db"
        )
    return store(url, clock=clock)

"""Choosing a store by URL. Only the chosen one is imported: the other's driver may not be installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from holdfast.errors import ConfigurationError
from holdfast.store.base import Store

_SQLITE = ("holdfast.store.sqlite.store", "SqliteStore")
_POSTGRES = ("holdfast.store.postgres.store", "PostgresStore")
_SCHEMES = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
    "postgresql+psycopg": _POSTGRES,
}


def open_store(url: str, *, clock: Callable[[], float] | None = None) -> Store:
    """Return the store for a URL; nothing is connected yet.

    Raises `ConfigurationError` for a URL that names no store, `MissingExtra` for PostgreSQL without its driver.
    """
    scheme, separator, _ = url.partition("://")
    chosen = _SCHEMES.get(scheme) if separator else None
    if chosen is None:
        # Without a separator it may be anything, a password included.
        found = repr(scheme[:40]) if separator else "something without ://"
        raise ConfigurationError(
            f"the database URL must begin with sqlite:///, sqlite://// or postgresql://, not {found}: "
            "for a file beside the program write sqlite:///holdfast.db"
        )
    module, name = chosen
    return cast(Store, getattr(import_module(module), name)(url, clock=clock))

"""Each test runs on SQLite and on PostgreSQL; and, where it asks for `bench`, once more with every batch sent twice."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

import pytest

from holdfast.store.base import Store
from tests.conformance.kit import Bench, FakeClock

_STORES = {"sqlite": "SqliteStore", "postgres": "PostgresStore"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgres"])
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database_url(request: pytest.FixtureRequest, dialect: str) -> str:
    """The URL of a database of the test's own, in which nothing has happened yet."""
    url: str = request.getfixturevalue(f"{dialect}_url")
    return url


@pytest.fixture
def make_store(dialect: str, database_url: str) -> Callable[..., Store]:
    """Make a store on the test's own database; any number of them share it."""
    try:
        module = importlib.import_module(f"holdfast.store.{dialect}.store")
    except ModuleNotFoundError as error:
        pytest.skip(f"there is no {dialect} store here: {error}")
    store_type = getattr(module, _STORES[dialect])
    return lambda **options: store_type(database_url, **options)


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, dialect: str) -> str:
    """The URL of a database of the test's own without any table."""
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgres": "empty_postgres_url"}[dialect])
    return url


@pytest.fixture
def open_store(make_store: Callable[..., Store]) -> Iterator[Callable[..., Store]]:
    """Open a store, to be closed at the end of the test."""
    opened: list[Store] = []

    def open_one(**options: object) -> Store:
        store = make_store(**options)
        store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store], clock: FakeClock) -> Store:
    return open_store(clock=clock)


@pytest.fixture(params=[False, True], ids=["once", "resent"])
def bench(request: pytest.FixtureRequest, store: Store, clock: FakeClock, open_store: Callable[..., Store]) -> Bench:
    return Bench(store=store, clock=clock, reopen=lambda: open_store(clock=clock), resend=request.param)

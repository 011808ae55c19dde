"""Fixtures that every test may ask for: real databases, fresh for each test, and a real browser's path.

One PostgreSQL server serves the whole run, all xdist workers included: the first test that needs it starts
it, the process that began the run ends it. HOLDFAST_TEST_POSTGRES_URL names another server to use instead.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest
from psycopg import sql

from holdfast.store.postgres.store import PostgresStore
from tests.postgres_server import PostgresServer

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
"""Bytes that a run may need: databases, logs, browser profiles."""
_FOLDER_VARIABLE = "HOLDFAST_TEST_POSTGRES_FOLDER"
_URL_VARIABLE = "HOLDFAST_TEST_POSTGRES_URL"

# Two cores shared by servers and browsers make single examples slow at times; that is no failure.
hypothesis.settings.register_profile("holdfast", deadline=None, print_blob=True)
hypothesis.settings.load_profile("holdfast")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        # Workers inherit the environment, and so share the folders.
        _work_in_memory()
        os.environ[_FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="holdfast-postgres-")


def _work_in_memory() -> None:
    """Put temporary files where no disk slows them down, if there is room: no test cuts the power."""
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        PostgresServer(Path(os.environ.pop(_FOLDER_VARIABLE))).destroy()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which code blocks of the documentation were not run, and why."""
    reports: list[pytest.TestReport] = terminalreporter.getreports("passed")
    for report in reports:
        for name, value in report.user_properties if report.when == "call" else []:
            if name == "not run":
                terminalreporter.write_line(f"NOT RUN {value}")


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """The URL of a database whose user may create others, on a server all tests share: never restart it."""
    if given := os.environ.get(_URL_VARIABLE):
        return given
    server = PostgresServer(Path(os.environ[_FOLDER_VARIABLE]))
    server.ensure_running()
    return server.url


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server of the test's own, to stop, restart and break. It takes about two seconds."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="holdfast-postgres-")))
    try:
        server.ensure_running()
        yield server
    finally:
        server.destroy()


@pytest.fixture(scope="session")
def postgres_template(postgres_admin_url: str) -> Iterator[str]:
    """The name of a PostgreSQL database that holds Holdfast's tables: to copy it is much faster."""
    with _database(postgres_admin_url, f"holdfast_template_{secrets.token_hex(8)}") as url:
        store = PostgresStore(url)
        store.open()
        store.close()
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def postgres_url(postgres_admin_url: str, postgres_template: str) -> Iterator[str]:
    """The URL of a PostgreSQL database of the test's own, in which nothing has happened yet."""
    with _database(postgres_admin_url, f"holdfast_{secrets.token_hex(8)}", template=postgres_template) as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """The URL of a PostgreSQL database of the test's own, without any table."""
    with _database(postgres_admin_url, f"holdfast_{secrets.token_hex(8)}") as url:
        yield url


@contextmanager
def _database(admin_url: str, name: str, *, template: str = "template1") -> Iterator[str]:
    with psycopg.connect(admin_url, autocommit=True) as admin:
        copied = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        admin.execute(copied.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file of the test's own, that does not exist yet."""
    return f"sqlite:///{tmp_path / 'holdfast.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of the test's own: the test runs once on each kind of store."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of the test's own without any table: the test runs once on each kind of store."""
    fixtures = {"sqlite": "sqlite_url", "postgres": "empty_postgres_url"}
    url: str = request.getfixturevalue(fixtures[request.param])
    return url


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a real Chromium; the test is skipped where there is none, but fails in CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("HOLDFAST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = "no Chromium here: `make chromium` installs it as root, HOLDFAST_CHROMIUM names one"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found

"""Databases to measure on: a fresh one for every run, on a real disk, with real durability."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.postgres_server import PostgresServer

_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Databases:
    """Where databases are made: a folder for SQLite's files, a PostgreSQL server for the others."""

    def __init__(self, disk: Path, *, postgres_url: str = "") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir=disk))
        self._folder.chmod(0o755)
        self._server: PostgresServer | None = None
        self._admin_url = postgres_url
        self._kept: dict[tuple[str, int], str] = {}
        self._exits = ExitStack()

    def close(self) -> None:
        """Stop the server, if one was started, and remove all files."""
        self._exits.close()
        if self._server is not None:
            self._server.destroy()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def fresh(self, store: str) -> Iterator[str]:
        """Give the URL of an empty database, which is removed afterwards."""
        with self._sqlite() if store == "sqlite" else self._postgres() as url:
            yield url

    def kept(self, store: str, size: int, fill: Callable[[str], object]) -> str:
        """Return the URL of a database that is filled at first use, and stays until the end."""
        if (store, size) not in self._kept:
            url = self._exits.enter_context(self.fresh(store))
            fill(url)
            self._kept[store, size] = url
        return self._kept[store, size]

    @contextmanager
    def _sqlite(self) -> Iterator[str]:
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir()
        try:
            yield f"sqlite:///{folder.absolute() / 'benchmark.db'}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _postgres(self) -> Iterator[str]:
        name = f"holdfast_bench_{secrets.token_hex(8)}"
        admin_url = self.admin_url()
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
        finally:
            with psycopg.connect(admin_url, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def admin_url(self) -> str:
        """Return the server's URL; start one if none was given."""
        if not self._admin_url:
            folder = self._folder / "postgres"
            folder.mkdir()
            self._server = PostgresServer(folder, settings=_DURABLE)
            self._server.ensure_running()
            self._admin_url = self._server.url
        return self._admin_url

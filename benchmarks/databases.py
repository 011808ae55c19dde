"""Databases to measure on: a fresh one for every run, on a real disk, with real durability."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.postgres_server import PostgresServer

URL_VARIABLE = "HOLDFAST_BENCH_POSTGRES_URL"
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Databases:
    """Where databases are made: a folder for SQLite's files, a PostgreSQL server for the others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: PostgresServer | None = None
        self._admin_url = os.environ.get(URL_VARIABLE, "")

    def close(self) -> None:
        """Stop the server, if one was started, and remove all files."""
        if self._server is not None:
            self._server.destroy()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def fresh(self, store: str) -> Iterator[str]:
        """Give the URL of an empty database, which is removed afterwards."""
        with self._sqlite() if store == "sqlite" else self._postgres() as url:
            yield url

    @contextmanager
    def _sqlite(self) -> Iterator[str]:
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
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
        """Return the server's URL; start one if the environment names none."""
        if not self._admin_url:
            folder = self._folder / "postgres"
            folder.mkdir(parents=True, exist_ok=True)
            self._server = PostgresServer(folder, settings=_DURABLE)
            self._server.ensure_running()
            self._admin_url = self._server.url
        return self._admin_url

"""The database as a whole: `migrate`, `backup`, `doctor`, and what is never told of its URL."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from holdfast import Holdfast, options
from holdfast.cli.database import without_password
from holdfast.cli.exits import redacted
from holdfast.core.model import Fence, Status
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.writes import Create, Register, SetAside, Unit
from tests.cli.conftest import APP, Command
from tests.cli.programs import add
from tests.conformance.kit import new, worker
from tests.helpers import ROOT

PASSWORD = "hunter2-canary"  # a test's own


def facts(command: Command, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
    return {fact["name"]: fact for fact in command.json("doctor", *arguments, code=code)["facts"]}


def test_looking_at_a_database_that_is_not_there_creates_nothing(sqlite_url: str, tmp_path: Path) -> None:
    command = Command(sqlite_url)
    for arguments in (["list"], ["show", "w"], ["send", "w", "1"], ["approvals", "list"], ["migrate", "--check"]):
        command(*arguments, code=1 if arguments[0] == "migrate" else 6)
    assert facts(command, code=1)["database file"]["verdict"] == "wrong"
    assert list(tmp_path.iterdir()) == []


def test_migrate_brings_the_schema_up_once(empty_store_url: str) -> None:
    command = Command(empty_store_url)
    assert command.json("migrate", "--check", code=1)["pending"] > 0
    first = command.json("migrate")
    assert first["from"] == 0
    assert command.json("migrate") == {"from": first["to"], "to": first["to"], "pending": 0}
    command("migrate", "--check")


def test_an_old_schema_is_not_changed_by_looking_at_it(sqlite_url: str) -> None:
    command = Command(sqlite_url)
    command("migrate")
    path = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM holdfast_schema WHERE version > 1")
    connection.close()
    if open_store(sqlite_url).inspect().known_schema > 1:
        assert "run `holdfast migrate` first" in command("list", code=6)
        assert facts(command)["schema"]["verdict"] == "warning"


def test_doctor_finds_a_healthy_database_healthy(working: Holdfast, command: Command) -> None:
    found = facts(command, code=int(command.url.startswith("postgresql")))
    wrong = {name for name, fact in found.items() if fact["verdict"] == "wrong"}
    # The tests' server is run without fsync, for speed: doctor must say so.
    assert wrong == ({"fsync"} if command.url.startswith("postgresql") else set())
    assert found["workers"]["value"] == "1 alive"
    assert found["clock"]["verdict"] == "fine"


def test_doctor_tells_of_what_is_stuck(store: Store, command: Command) -> None:
    long_ago = store.now() - 7200
    store.commit([Unit(writes=(Register(worker=worker("w1"), lease_seconds=1000),))])
    for workflow_id, name in (("lost", "nobody_knows_it"), ("hangs", "add")):
        owner = None if workflow_id == "lost" else "w1"
        fence = Fence(workflow_id=workflow_id, epoch=1) if owner else None
        fresh = new(workflow_id, name=name, owner=owner, created_at=long_ago, wake_at=None if owner else long_ago)
        store.commit([Unit(writes=(Create(workflow=fresh),), fence=fence)])
    for status in (Status.BLOCKED, Status.DEAD):
        fence = Fence(workflow_id=status.value, epoch=1)
        store.commit([Unit(writes=(Create(workflow=new(status.value, owner="w1")),), fence=fence)])
        store.commit([Unit(writes=(SetAside(status=status, report="{}"),), fence=fence)])
    found = facts(command, "--app", APP, code=int(store.dialect == "postgresql"))
    assert found["blocked"]["value"] == "1: blocked"
    assert found["dead"]["value"] == "1: dead"
    assert found["stuck"]["value"].startswith("hangs (for 2h")
    assert "nobody_knows_it" in found["unknown name"]["value"]
    assert found["waiting for a worker"]["verdict"] == "warning"


def test_doctor_tells_of_workers_that_were_not_heard_of(store: Store, command: Command) -> None:
    store.commit([Unit(writes=(Register(worker=worker("gone"), lease_seconds=-60),))])
    found = facts(command, code=int(store.dialect == "postgresql"))["workers"]
    assert (found["verdict"], found["value"][:50]) == ("warning", "0 alive, 1 not heard of for longer than their leas")
    assert "start one" in found["advice"]


def test_doctor_finds_work_that_belongs_to_nobody(store: Store, command: Command) -> None:
    fence = Fence(workflow_id="stray", epoch=1)
    store.commit([Unit(writes=(Create(workflow=new("stray", owner="nobody")),), fence=fence)])
    found = facts(command, code=1)["running"]
    assert (found["verdict"], found["value"]) == ("wrong", "1 belong to workers that are gone: stray")


def test_doctor_sees_that_clocks_differ(store: Store, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr("holdfast.cli.doctor.time.time", lambda: right() + 90)
    monkeypatch.setattr(type(store), "now", lambda _: right())
    found = facts(command, code=int(store.dialect == "postgresql"))["clock"]
    assert (found["verdict"], found["value"]) == ("warning", "they differ by 1m 29s")


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("synchronous_commit = off", "synchronous_commit", "off"),
        ("default_transaction_read_only = on", "role", "read only"),
    ],
)
def test_doctor_sees_what_a_postgresql_database_is_set_to(
    postgres_url: str, setting: str, name: str, value: str
) -> None:
    database = urlsplit(postgres_url).path[1:]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL(f"ALTER DATABASE {{}} SET {setting}").format(sql.Identifier(database)))
    found = facts(Command(postgres_url), code=1)[name]
    assert (found["verdict"], found["value"]) == ("wrong", value)


@pytest.mark.parametrize(("grant", "verdict"), [("USAGE", "warning"), ("USAGE, CREATE", "fine")])
def test_doctor_sees_what_a_postgresql_user_may_do(postgres_url: str, grant: str, verdict: str) -> None:
    with clerk(postgres_url) as (url, admin, role):
        admin.execute(sql.SQL(f"GRANT {grant} ON SCHEMA holdfast TO {{}}").format(role))
        admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA holdfast TO {}").format(role))
        assert facts(Command(url), code=1)["privileges"]["verdict"] == verdict


def test_a_postgresql_user_who_may_not_use_the_schema_is_told_what_to_ask_for(postgres_url: str) -> None:
    with clerk(postgres_url) as (url, _, _):
        printed = Command(url)("doctor", code=1)
        assert "may not use the schema" in printed
        assert "GRANT USAGE, CREATE ON SCHEMA holdfast" in " ".join(printed.split())
        assert PASSWORD not in printed
        assert "`holdfast doctor` says what to grant" in Command(url)("list", code=6)


@contextmanager
def clerk(postgres_url: str) -> Iterator[tuple[str, psycopg.Connection, sql.Identifier]]:
    """Give a user of the server's who may do nothing yet: its URL, an administrator's connection, its name."""
    name = f"clerk_{secrets.token_hex(4)}"
    role = sql.Identifier(name)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(PASSWORD)))
        try:
            parts = urlsplit(postgres_url)
            host = parts.netloc.rpartition("@")[2]
            yield urlunsplit(parts._replace(netloc=f"{name}:{PASSWORD}@{host}")), admin, role
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_doctor_sees_files_that_others_may_read(sqlite_url: str, tmp_path: Path) -> None:
    command = Command(sqlite_url)
    command("migrate")
    assert facts(command)["permissions"]["verdict"] == "fine"
    (tmp_path / "holdfast.db").chmod(0o644)
    assert "holdfast.db (-rw-r--r--)" in facts(command)["permissions"]["value"]
    tmp_path.chmod(0o777)
    assert facts(command, code=1)["folder"]["verdict"] == "wrong"


def test_a_backup_is_one_checked_file_for_its_owner_alone(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with Holdfast(sqlite_url):
        options(id="w").call(add, 1)
        Command(sqlite_url)("backup", str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("copy.db-*"))
    assert "succeeded" in Command(f"sqlite:///{target}")("show", "w")
    assert "exists" in Command(sqlite_url)("backup", str(target), code=1)


def with_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or 'postgres'}:{PASSWORD}@{host}"))


def test_a_backup_of_postgresql_names_the_command_without_the_password(postgres_url: str) -> None:
    printed = Command(with_password(postgres_url))("backup", "shop.dump")
    assert "pg_dump --format=custom --file=shop.dump --dbname=postgresql://" in printed
    assert PASSWORD not in printed


URLS = [
    f"postgresql://ann:{PASSWORD}@127.0.0.1:1/shop",
    f"postgresql://ann:{PASSWORD}@127.0.0.1:1/shop?connect_timeout=x",
    f"postgresql:/ann:{PASSWORD}@127.0.0.1/shop",
    f"postgres//ann:{PASSWORD}@127.0.0.1/shop",
    f"mysql://ann:{PASSWORD}@127.0.0.1/shop",
    f"postgresql://127.0.0.1:1/shop?user=ann&password={PASSWORD}",
    f"sqlite:///ann:{PASSWORD}@nowhere/shop.db",
]


OTHERS = (["doctor"], ["list", "--json"], ["list", "--help"], ["migrate"])


@pytest.mark.parametrize(
    ("url", "arguments"), [*((url, ["list"]) for url in URLS), *((URLS[0], arguments) for arguments in OTHERS)]
)
def test_the_password_is_never_shown(url: str, arguments: list[str]) -> None:
    env = {**os.environ, "HOLDFAST_URL": url, "HOLDFAST_TRACEBACK": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert PASSWORD not in done.stdout + done.stderr
    assert (done.returncode == 0) is ("--help" in arguments)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:a%40b@host:5432/shop?password=c", "postgresql://ann@host:5432/shop"),
        ("postgresql://ann:p@ss@host/shop", "postgresql://ann@host/shop"),
        ("postgresql:///shop?password=c", "postgresql:///shop"),
        ("sqlite:///shop.db", "sqlite:///shop.db"),
        ("hunter2", "…"),
    ],
)
def test_a_url_is_shown_without_password_and_options(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_password_is_found_in_its_encoded_and_its_decoded_form() -> None:
    url = "postgresql://ann:p%40ss%2Fword@host/shop"
    told = redacted("could not log in with p@ss/word (p%40ss%2Fword) password='p@ss/word'", url)
    assert not re.search("ss", told.replace("password", ""))

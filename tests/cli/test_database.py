"""The database as a whole: `migrate`, `backup`, `doctor`, and what is never told of its URL."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

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

from __future__ import annotations

import pytest

from holdfast.errors import SchemaTooNew
from holdfast.store.migrate import Migration, load_migrations, pending

HISTORY = tuple(Migration(version=number, name=f"step_{number}", sql="") for number in (1, 2, 3))


@pytest.mark.parametrize(("version", "missing"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
def test_what_is_missing_is_pending_in_order(version: int, missing: list[int]) -> None:
    assert [migration.version for migration in pending(version, HISTORY)] == missing


@pytest.mark.parametrize("oldest_writer", [None, 4, 5])
def test_a_version_from_the_future_is_refused(oldest_writer: int | None) -> None:
    with pytest.raises(SchemaTooNew, match="schema 5, this version knows schemas up to 3"):
        pending(5, HISTORY, lambda _known: oldest_writer)


@pytest.mark.parametrize("oldest_writer", [1, 3])
def test_a_version_from_the_future_that_lets_this_library_write_needs_nothing(oldest_writer: int) -> None:
    assert pending(5, HISTORY, lambda _known: oldest_writer) == ()


@pytest.mark.parametrize(
    ("sql", "oldest"),
    [
        ("-- compatible: additive\nCREATE …", 1),
        ("-- compatible: from 2\nCREATE …", 2),
        ("-- why\nCREATE …", 4),
        ("-- why\n-- compatible: additive\nCREATE …", 4),
    ],
)
def test_a_migration_says_in_its_first_line_who_may_go_on_beside_it(sql: str, oldest: int) -> None:
    assert Migration(version=4, name="four", sql=sql).oldest_writer == oldest


def test_a_migration_can_not_ask_for_a_newer_one() -> None:
    with pytest.raises(ValueError, match="can't be compatible from 5"):
        _ = Migration(version=4, name="four", sql="-- compatible: from 5\n").oldest_writer


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_migrations_of_a_store_are_numbered_from_one(dialect: str) -> None:
    migrations = load_migrations(f"holdfast.store.{dialect}")
    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_every_migration_but_the_first_says_who_may_go_on_beside_it(dialect: str) -> None:
    later = load_migrations(f"holdfast.store.{dialect}")[1:]
    assert [migration.name for migration in later if not migration.sql.startswith("-- compatible: ")] == []


def test_both_databases_let_the_same_libraries_go_on() -> None:
    sqlite, postgres = (load_migrations(f"holdfast.store.{dialect}") for dialect in ("sqlite", "postgres"))
    assert [each.oldest_writer for each in sqlite] == [each.oldest_writer for each in postgres]

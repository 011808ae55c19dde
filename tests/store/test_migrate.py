from __future__ import annotations

import pytest

from holdfast.errors import SchemaTooNew
from holdfast.store.migrate import Migration, load_migrations, pending

HISTORY = tuple(Migration(version=number, name=f"step_{number}", sql="") for number in (1, 2, 3))


@pytest.mark.parametrize(("version", "missing"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
def test_what_is_missing_is_pending_in_order(version: int, missing: list[int]) -> None:
    assert [migration.version for migration in pending(version, HISTORY)] == missing


def test_a_version_from_the_future_is_refused() -> None:
    with pytest.raises(SchemaTooNew, match="schema 4, this version knows schemas up to 3"):
        pending(4, HISTORY)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_migrations_of_a_store_are_numbered_from_one(dialect: str) -> None:
    migrations = load_migrations(f"holdfast.store.{dialect}")
    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))

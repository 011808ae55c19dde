"""Which migrations a database still needs. How they are applied, and under what lock, is the store's matter.

Migrations are files `NNNN_what.sql` in a store's `migrations` folder: numbered from 1 without gaps, forward only, each
applied in one transaction together with its line in `holdfast_schema`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from holdfast.errors import SchemaTooNew
from holdfast.store.queries import sql_files

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One step of the schema's history."""

    version: int
    name: str
    sql: str


@cache
def load_migrations(package: str) -> tuple[Migration, ...]:
    """Load a store's migrations in order. Raises ValueError for a bad file name or a gap in the numbers."""
    found = []
    for file, sql in sql_files(package, "migrations"):
        match = _FILE.fullmatch(file)
        if match is None:
            raise ValueError(f"{package}: {file} is not named NNNN_what.sql")
        found.append(Migration(version=int(match[1]), name=match[2], sql=sql))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migrations are not numbered from 1 without gaps")
    return tuple(found)


def pending(version: int, migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Return what a database at `version` (0: empty) still needs. Raises `SchemaTooNew`."""
    if version > len(migrations):
        raise SchemaTooNew(version, len(migrations))
    return migrations[version:]

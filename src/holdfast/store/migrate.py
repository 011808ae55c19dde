"""Which migrations a database still needs. How they are applied, and under what lock, is the store's matter.

Migrations are files `NNNN_what.sql` in a store's `migrations` folder: numbered from 1 without gaps, forward only, each
applied in one transaction together with its line in `holdfast_schema`. The first line of a file says which libraries
may go on beside it, for the time in which old and new processes share the database:

    -- compatible: additive     every one that could before: older code neither sees nor misses what is added
    -- compatible: from 4       those that know schema 4, which added what older code lacks

Without it only libraries that know the migration itself may: the others are refused when they open the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from holdfast.core.data import dataclass
from holdfast.errors import ConfigurationError, SchemaTooNew
from holdfast.store.queries import sql_files

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_COMPATIBLE = re.compile(r"-- compatible: (?:(additive)|from (\d+))\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One step of the schema's history."""

    version: int
    name: str
    sql: str

    @property
    def oldest_writer(self) -> int:
        """The oldest schema whose libraries may go on writing beside this one. Raises ValueError if it is newer."""
        header = _COMPATIBLE.match(self.sql)
        if header is None:
            return self.version
        oldest = 1 if header[1] else int(header[2])
        if not 1 <= oldest <= self.version:
            raise ValueError(f"migration {self.version} can't be compatible from {oldest}")
        return oldest


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


def pending(
    version: int, migrations: tuple[Migration, ...], oldest_writer: Callable[[int], int | None] = lambda _known: None
) -> tuple[Migration, ...]:
    """Return what a database at `version` (0: empty) still needs; nothing if it is newer and lets this library go on.

    `oldest_writer` is asked for the strictest of the migrations above the one given; None: one of them lets no older
    library write. Raises `SchemaTooNew`.
    """
    known = len(migrations)
    if version > known:
        oldest = oldest_writer(known)
        if oldest is None or oldest > known:
            raise SchemaTooNew(version, known)
    return migrations[version:]


def refuse_missing(missing: tuple[Migration, ...]) -> None:
    """Raise `ConfigurationError` if a database that is not to be migrated needs it."""
    if missing:
        names = ", ".join(f"{migration.version:04} {migration.name}" for migration in missing)
        raise ConfigurationError(
            f"this database lacks migrations that this version of Holdfast needs ({names}): let a program with this "
            "version launch on it, or migrate it; additive migrations may come before the programs that need them"
        )

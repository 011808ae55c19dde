"""A look at an SQLite database and its files, for `holdfast doctor`. Changes nothing, and creates nothing."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from holdfast.store.migrate import load_migrations
from holdfast.store.overview import Fact, Inspection, Verdict
from holdfast.store.sqlite.connection import Connection, connect
from holdfast.store.sqlite.faults import driver_errors
from holdfast.store.sqlite.location import NETWORK_FILE_SYSTEMS, OLDEST_SQLITE, Location, file_system
from holdfast.store.sqlite.wal import has_reset_bug, journal_safety

_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
_LONG_LOG = 256 * 1024 * 1024


def inspect(location: Location, queries: Mapping[str, str]) -> Inspection:
    """Look at the file and what surrounds it. Raises `StoreUnavailable`."""
    known = len(load_migrations("holdfast.store.sqlite"))
    facts = [_library(in_memory=location.in_memory)]
    if location.path is None:
        return Inspection(schema=0, known_schema=known, facts=tuple(facts))
    if not location.path.exists():
        missing = Fact(
            name="database file",
            value=f"{location.path} is not there",
            verdict=Verdict.WRONG,
            advice="`holdfast migrate` creates it, and so does the first launch of the application",
        )
        return Inspection(schema=0, known_schema=known, facts=(*facts, missing))
    with driver_errors(), closing(connect(location, busy_seconds=5.0, read_only=True)) as connection:
        schema = _schema(connection, queries)
        facts += [_journal_mode(connection), _synchronous(connection), _size(connection)]
    facts += [*_files(location, location.path), _place(location.path)]
    return Inspection(schema=schema, known_schema=known, facts=tuple(facts))


def back_up(location: Location, target: Path) -> int:
    """Copy the database with SQLite's online backup while others write to it; return the copy's size in bytes.

    The target must not exist. Raises `StoreUnavailable`, `OSError`.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with driver_errors(), closing(connect(location, busy_seconds=30.0, read_only=True)) as source:
            with closing(sqlite3.connect(target)) as copy:
                # All pages in one go: a copy in portions begins anew whenever another process writes in between.
                source.backup(copy)
                # The copy is one file: without a log beside it that somebody might forget.
                copy.execute("PRAGMA journal_mode = DELETE")
                [(answer,)] = copy.execute("PRAGMA quick_check(1)").fetchall()
            if answer != "ok":
                raise sqlite3.DatabaseError(f"the copy is damaged: {answer}")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def _library(*, in_memory: bool) -> Fact:
    version = sqlite3.sqlite_version_info
    if version < OLDEST_SQLITE:
        verdict, advice = Verdict.WRONG, "Holdfast needs SQLite 3.37: use a newer Python"
    elif has_reset_bug(version):
        verdict, advice = Verdict.WARNING, "a Python with SQLite 3.51.3, 3.50.7 or 3.44.6 does without the lock file"
    else:
        verdict, advice = Verdict.FINE, ""
    return Fact(name="SQLite", value=journal_safety(in_memory=in_memory), verdict=verdict, advice=advice)


def _schema(connection: Connection, queries: Mapping[str, str]) -> int:
    if not connection.execute(queries["has_schema_table"]).fetchall():
        return 0
    [(version,)] = connection.execute(queries["schema_version"]).fetchall()
    return int(version)


def _journal_mode(connection: Connection) -> Fact:
    [(mode,)] = connection.execute("PRAGMA journal_mode").fetchall()
    if mode == "wal":
        return Fact(name="journal mode", value="wal")
    advice = "the next launch switches to wal; nothing else should change it"
    return Fact(name="journal mode", value=str(mode), verdict=Verdict.WARNING, advice=advice)


def _synchronous(connection: Connection) -> Fact:
    """Tell what Holdfast's own connections use: the setting is each connection's, not the file's."""
    [(level,)] = connection.execute("PRAGMA synchronous").fetchall()
    if level >= 2:  # noqa: PLR2004 - FULL
        return Fact(name="synchronous", value=_SYNCHRONOUS.get(level, str(level)))
    advice = "commits may be lost in a power failure"
    return Fact(name="synchronous", value=_SYNCHRONOUS[level], verdict=Verdict.WRONG, advice=advice)


def _size(connection: Connection) -> Fact:
    [(pages,)] = connection.execute("PRAGMA page_count").fetchall()
    [(page_size,)] = connection.execute("PRAGMA page_size").fetchall()
    return Fact(name="size", value=f"{pages * page_size / 1024 / 1024:.1f} MiB")


def _files(location: Location, path: Path) -> Iterator[Fact]:
    files = [path, location.beside("-wal"), location.beside("-shm")]
    open_to_others = [
        f"{file.name} ({stat.filemode(file.stat().st_mode)})"
        for file in files
        if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_to_others:
        yield Fact(
            name="permissions",
            value=f"other users may open {', '.join(open_to_others)}",
            verdict=Verdict.WARNING,
            advice=f"chmod 600 {path}*, unless a group shares it on purpose",
        )
    else:
        yield Fact(name="permissions", value="only the owner can open the files")
    if path.parent.stat().st_mode & stat.S_IWOTH and not path.parent.stat().st_mode & stat.S_ISVTX:
        yield Fact(
            name="folder",
            value=f"anybody may replace files in {path.parent}",
            verdict=Verdict.WRONG,
            advice=f"chmod o-w {path.parent}",
        )
    log = files[1]
    if log.exists() and log.stat().st_size > _LONG_LOG:
        yield Fact(
            name="write-ahead log",
            value=f"{log.stat().st_size / 1024 / 1024:.0f} MiB",
            verdict=Verdict.WARNING,
            advice="a reader that keeps a transaction open holds it: look for long transactions of other programs",
        )


def _place(path: Path) -> Fact:
    kind = file_system(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        advice = "SQLite can't rely on its locks: move the file to a local disk, or use PostgreSQL"
        return Fact(name="file system", value=kind or "", verdict=Verdict.WRONG, advice=advice)
    return Fact(name="file system", value=kind or "unknown")

"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from benchmarks.databases import Databases
from benchmarks.environments import Environments

_NAMED = {"dbos": ("dbos", "sqlalchemy", "psycopg"), "absurd": ("absurd-sdk", "psycopg")}
_BUSY = 0.3
"""Of each core, by others, from which on figures are doubtful."""


def facts(databases: Databases, environments: Environments, load: float) -> dict[str, str]:
    """Describe machine and versions; `load` is the load average from before anything was measured."""
    cores = os.cpu_count() or 1
    busy = "; other programs ran beside, so absolute figures are too high" if load > _BUSY * cores else ""
    return {
        "measured": datetime.now(tz=UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {cores} cores, {_memory()}, {platform.system()} {platform.release()}",
        "load before": f"{load:.1f}{busy}",
        "Python": platform.python_version(),
        "SQLite": f"{sqlite3.sqlite_version}, WAL, synchronous=FULL",
        "PostgreSQL": f"{_postgres(databases)}, fsync=on, synchronous_commit=on",
        "Holdfast": f"{version('holdfast')}, psycopg {version('psycopg')}",
        **dict(_peers(environments)),
    }


def _peers(environments: Environments) -> Iterator[tuple[str, str]]:
    for name, packages in _NAMED.items():
        if Path(environments.python(name)).exists():
            versions = environments.versions(name)
            main, *others = packages
            yield main, ", ".join([versions[main], *(f"{other} {versions[other]}" for other in others)])


def _postgres(databases: Databases) -> str:
    with psycopg.connect(databases.admin_url()) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "?"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GB"

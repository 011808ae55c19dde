"""The real connections behind the simulated ones: used again by later ones, also of later seeds.

To open a connection and to prepare the engine's statements, with a trigger on each table, costs a seed a third of its
time. So a connection that a simulated process closes, or dies with, is rolled back and put aside; and the file keeps
its place from seed to seed, only its pages are put back to those that every seed begins with.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.simulation.template import Note

_READ_ONLY = "PRAGMA query_only"


class Wire:
    """One real connection."""

    __slots__ = ("notes", "real", "settings")

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real
        self.notes: list[Note] = []
        """The rows that its open transaction has changed."""
        self.settings: dict[str, str] = {}
        real.create_function("simulated_note", -1, self._note)

    def _note(self, *row: Any) -> None:
        self.notes.append(row)

    def set(self, pragma: str) -> sqlite3.Cursor:
        """Make a setting ("PRAGMA name = value"), unless that is how it is."""
        name, _, value = pragma.partition(" = ")
        if self.settings.get(name) == value:
            return self.real.cursor()
        self.settings[name] = value
        return self.real.execute(pragma)


class Wires:
    """All real connections to the one file."""

    def __init__(self, template: Path) -> None:
        self._template = sqlite3.connect(template)
        self._idle: dict[bool, list[Wire]] = {False: [], True: []}
        """Those that can write, and those that only read: to change that would have all statements prepared anew."""
        self._all: list[Wire] = []
        self._first: sqlite3.Connection | None = None
        self.path = template.with_name("simulated.db")
        self.path.write_bytes(template.read_bytes())
        [(self._version,)] = self._template.execute("PRAGMA schema_version").fetchall()

    def take(self, connect: Callable[[], sqlite3.Connection]) -> Wire:
        """Return one that nobody uses, or a new one."""
        idle = self._idle[False]
        return idle.pop() if idle else self._new(connect)

    def only_to_read(self, wire: Wire, connect: Callable[[], sqlite3.Connection]) -> Wire:
        """Return one with the settings of `wire`, which is put aside, that can't write."""
        idle = self._idle[True]
        found = idle.pop() if idle else self._new(connect)
        for name, value in {**wire.settings, _READ_ONLY: "1"}.items():
            found.set(f"{name} = {value}")
        self.put_aside(wire)
        return found

    def _new(self, connect: Callable[[], sqlite3.Connection]) -> Wire:
        wire = Wire(connect())
        self._all.append(wire)
        return wire

    def put_aside(self, wire: Wire) -> None:
        """Do what closing does to what is open, and keep the connection."""
        if wire.real.in_transaction:
            wire.real.execute("ROLLBACK")
        wire.notes = []
        self._idle[_READ_ONLY in wire.settings].append(wire)

    def begin_anew(self) -> None:
        """Put the file back to what every seed begins with; nobody uses a connection now.

        The copy counts as a change of the schema, after which all statements would be prepared anew; but the tables and
        their pages are the same, so the old number is put back.
        """
        if self._first is None:
            self._first = sqlite3.connect(self.path, isolation_level=None)
            self._first.execute("PRAGMA wal_autocheckpoint = 0")
            return
        shutil.rmtree(self.path.with_name(self.path.name + ".workers"), ignore_errors=True)
        self._template.backup(self._first)
        self._first.execute(f"PRAGMA schema_version = {self._version}")
        [(busy, _, _)] = self._first.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        if busy:
            raise RuntimeError("a connection of the former seed still reads or writes")

    def close(self) -> None:
        """Close them all."""
        for wire in self._all:
            with suppress(sqlite3.Error):
                wire.real.close()
        if self._first is not None:
            self._first.close()
        self._template.close()

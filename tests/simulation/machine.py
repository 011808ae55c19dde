"""One worker's process."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import suppress

from holdfast import Holdfast
from tests.simulation.database import FaultyConnection, SimulatedStore
from tests.simulation.scheduler import Process


class Machine(Process):
    """A worker's process: one incarnation of a program that uses Holdfast."""

    def __init__(self, name: str, monotonic_offset: float) -> None:
        super().__init__(name, monotonic_offset)
        self.app: Holdfast | None = None
        self.store: SimulatedStore | None = None
        self.connections: list[FaultyConnection] = []
        self.minted: set[str] = set()
        self.active: Counter[str] = Counter()
        """The kinds of operations that its workflows are in."""
        self.left_at: dict[str, float] = {}
        self.hung = False
        self.disturbed_at = -1e9
        """When it was paused or cut off, or came back from that."""
        self.launched = False
        self.was_killed = False
        """A workflow that it ran took it down."""
        self.cut_off_at_claim = False
        """It is cut off as soon as its worker claims."""
        self.expected: dict[str, int] = {}

    def is_writing(self) -> bool:
        """Tell whether it holds the write lock: nobody can go on without a process that hangs with it."""
        for connection in self.connections:
            with suppress(sqlite3.ProgrammingError):
                if connection.in_transaction:
                    return True
        return False

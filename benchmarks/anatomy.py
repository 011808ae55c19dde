"""Where the time of one step goes on SQLite, in units of the floor: a plain one-row commit.

Each variant adds one thing to the one before. All are run in turn, over and over, so that a slow moment meets all of
them alike; medians are shown. Run as `python -m benchmarks.anatomy`.
"""

from __future__ import annotations

import queue
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from holdfast import Holdfast, step, workflow
from holdfast.store.queries import load_queries

ROUNDS = 1000


@step
def nothing(number: int) -> int:
    return number


@workflow
def steps(count: int) -> int:
    for number in range(count):
        nothing(number)
    return count


class Raw:
    """The statements of a step's commit, by hand."""

    def __init__(self, path: Path) -> None:
        self.queries = load_queries("holdfast.store.sqlite")
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE floor (value)")
        self.connection.execute(
            "INSERT INTO holdfast_workflows (id, name, status, epoch) VALUES ('w', 'w', 'running', 1)"
        )
        self.connection.execute("PRAGMA synchronous = FULL")
        self._count = 0

    def floor(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("INSERT INTO floor VALUES (1)")
        self.connection.execute("COMMIT")

    def checkpoint(self, *, count: bool = False) -> None:
        self._count += 1
        self.connection.execute("BEGIN IMMEDIATE")
        row = ("w", f"s#{self._count}", "", "s", "step", self._count, "0" * 16, "1", None, 1, None, 1.0, 2.0, "w", 1)
        self.connection.execute(self.queries["record_alone"], row)
        if count:
            self.connection.execute(self.queries["count_commit"]).fetchall()
        self.connection.execute("COMMIT")


class Handoff:
    """Another thread that does nothing but answer."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[threading.Lock] = queue.SimpleQueue()
        threading.Thread(target=self._answer, daemon=True).start()

    def there_and_back(self) -> None:
        answered = threading.Lock()
        answered.acquire()
        self._asked.put(answered)
        answered.acquire()

    def _answer(self) -> None:
        while True:
            self._asked.get().release()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Holdfast(f"sqlite:///{folder}/holdfast.db"):
        raw, handoff = Raw(Path(folder) / "holdfast.db"), Handoff()
        steps(10)
        variants: dict[str, Callable[[], object]] = {
            "floor: a plain commit of one row": raw.floor,
            "the checkpoint's row instead, and the look at the fence": raw.checkpoint,
            "and the count of all processes' commits": lambda: raw.checkpoint(count=True),
            "(to another thread and back, for comparison)": handoff.there_and_back,
        }
        times: dict[str, list[float]] = {name: [] for name in variants}
        per_step: list[float] = []
        for _ in range(ROUNDS):
            for name, run in variants.items():
                began = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - began)
        for _ in range(ROUNDS // 20):
            began = time.perf_counter()
            steps(21)
            whole = time.perf_counter() - began
            began = time.perf_counter()
            steps(1)
            per_step.append((whole - (time.perf_counter() - began)) / 20)
        floor = statistics.median(times["floor: a plain commit of one row"])
        times["a whole step of Holdfast"] = per_step
        for name, taken in times.items():
            print(f"{statistics.median(taken) / floor:6.2f}  {name}")
        print(f"floor: {floor * 1e6:.0f} µs")


if __name__ == "__main__":
    main()

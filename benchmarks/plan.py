"""What is measured: the workloads, who takes part, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

STORES = ("sqlite", "postgres")
MODES = ("sync", "async")
EITHER = ""
"""The mode of what does not depend on how functions are written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A program that runs workloads."""

    name: str
    label: str
    module: str
    environment: str | None = None
    """Its own virtual environment; None is the one that runs this."""
    stores: tuple[str, ...] = STORES
    size: int = 0
    """What its driver is told as `size`, unless the workload says another."""


HOLDFAST = Contender(name="holdfast", label="Holdfast", module="benchmarks.drivers.holdfast")
FLOOR = Contender(name="floor", label="floor", module="benchmarks.drivers.floor")
DBOS = Contender(name="dbos", label="DBOS", module="benchmarks.drivers.dbos", environment="dbos")
DBOS_WAL = Contender(
    name="dbos-wal",
    label="DBOS, file set to WAL",
    module="benchmarks.drivers.dbos",
    environment="dbos",
    stores=("sqlite",),
    size=1,
)
ABSURD = Contender(
    name="absurd", label="Absurd", module="benchmarks.drivers.absurd", environment="absurd", stores=("postgres",)
)
CONTENDERS = {each.name: each for each in (HOLDFAST, FLOOR, DBOS, DBOS_WAL, ABSURD)}

ENVIRONMENTS = {"dbos": ("dbos", "aiosqlite"), "absurd": ("absurd-sdk", "absurdctl"), "plot": ("matplotlib",)}
"""Packages, each newest, by environment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """The number by which contenders are compared."""

    name: str
    unit: str
    fewer_is_better: bool = False


RATE = Figure(name="per_second", unit="a second")
LATENCY = Figure(name="p50_ms", unit="ms (median)", fewer_is_better=True)


def took(name: str, unit: str) -> Figure:
    return Figure(name=name, unit=unit, fewer_is_better=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One line of work, as all contenders that can do it are told it."""

    id: str
    """The number in the list of workloads, and a letter where it has parts."""
    title: str
    figure: Figure
    counts: dict[str, int]
    """Who takes part, with how many of whatever is counted. Rates and medians do not depend on it much."""
    driver: str = ""
    """What drivers call it; by default its id."""
    size: int | None = None
    finished: int | None = None
    """So many finished workflows are in the database already."""
    also: tuple[Figure, ...] = ()
    """Further figures to show."""
    modes: tuple[str, ...] = MODES
    full_only: bool = False
    """Takes so long that it must be asked for."""
    quick: dict[str, int] = field(default_factory=dict)
    """The smoke test's counts, where a fiftieth would be wrong."""

    @property
    def number(self) -> int:
        return int("".join(filter(str.isdigit, self.id)))


P99 = took("p99_ms", "ms (p99)")
CPU = took("cpu_us", "µs of CPU each")

WORKLOADS = (
    Workload(
        id="1",
        title="one-step workflow alone",
        figure=LATENCY,
        also=(P99, CPU),
        counts={"holdfast": 1000, "floor": 1000, "dbos": 150, "dbos-wal": 150, "absurd": 150},
    ),
    Workload(
        id="2",
        title="steps in one workflow, one after another",
        figure=RATE,
        also=(CPU,),
        counts={"holdfast": 2000, "floor": 2000, "dbos": 300, "dbos-wal": 300, "absurd": 300},
    ),
    Workload(
        id="3",
        title="one-step workflows, all at once",
        figure=RATE,
        also=(CPU,),
        counts={"holdfast": 10_000, "floor": 2000, "dbos": 500, "dbos-wal": 500, "absurd": 500},
    ),
    Workload(
        id="4",
        title="ten-step workflows, all at once",
        figure=RATE,
        also=(CPU,),
        counts={"holdfast": 1000, "floor": 300, "dbos": 50, "dbos-wal": 50},
    ),
    Workload(
        id="5a",
        title="transactions with one row, in one workflow",
        figure=RATE,
        also=(CPU,),
        counts={"holdfast": 1000, "floor": 2000, "dbos": 100, "dbos-wal": 100},
    ),
    Workload(
        id="5b",
        title="transactions with one row, in 16 workflows at once",
        figure=RATE,
        also=(CPU,),
        counts={"holdfast": 1600, "floor": 2000, "dbos": 160, "dbos-wal": 160},
        quick={"holdfast": 32},
    ),
    Workload(
        id="6a",
        title="from send to recv, in one process",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 200, "floor": 1000, "dbos": 5, "dbos-wal": 5, "absurd": 10},
    ),
    Workload(
        id="6b",
        title="from send to recv, across two processes",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 200, "floor": 1000, "dbos": 5, "dbos-wal": 5, "absurd": 10},
    ),
    Workload(
        id="7",
        title="from start in one process to execution in another",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 100},
    ),
    Workload(
        id="8",
        title="recovery of workflows that SIGKILL interrupted half-way",
        figure=took("seconds", "s until all are done"),
        also=(took("first_seconds", "s until the first"),),
        counts={"holdfast": 10_000},
    ),
    Workload(
        id="9",
        title="workflows that wait for a message for a week",
        figure=took("bytes_each", "bytes of memory each"),
        also=(took("seconds_to_wait", "s until all wait"), took("seconds_to_wake", "s until all woke and ended")),
        counts={"holdfast": 10_000},
    ),
    Workload(
        id="9f",
        title="workflows that wait for a message for a week",
        figure=took("bytes_each", "bytes of memory each"),
        also=(took("seconds_to_wait", "s until all wait"), took("seconds_to_wake", "s until all woke and ended")),
        counts={"holdfast": 100_000},
        driver="9",
        full_only=True,
    ),
    Workload(
        id="10a",
        title="workload 3 in an empty database",
        figure=RATE,
        counts={"holdfast": 10_000},
        driver="3",
    ),
    Workload(
        id="10b",
        title="workload 3 beside a million finished workflows",
        figure=RATE,
        counts={"holdfast": 10_000},
        driver="3",
        finished=1_000_000,
    ),
    Workload(
        id="10c",
        title="workload 3 beside ten million finished workflows",
        figure=RATE,
        counts={"holdfast": 10_000},
        driver="3",
        finished=10_000_000,
        full_only=True,
    ),
    Workload(
        id="10d",
        title="recovery of one workflow with a long journal",
        figure=took("seconds", "s until it is done"),
        counts={"holdfast": 10_000},
    ),
    Workload(
        id="11a",
        title="one-step workflow, payloads of 1 kB",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 500, "floor": 500},
        driver="11",
        size=1000,
    ),
    Workload(
        id="11b",
        title="one-step workflow, payloads of 100 kB",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 100, "floor": 100},
        driver="11",
        size=100_000,
    ),
    Workload(
        id="11c",
        title="one-step workflow, payloads of 10 MB",
        figure=LATENCY,
        also=(P99,),
        counts={"holdfast": 3, "floor": 3},
        driver="11",
        size=10_000_000,
    ),
    Workload(
        id="12a",
        title="import holdfast",
        figure=took("import_ms", "ms more than an empty program"),
        also=(took("launch_ms", "ms to launch on an existing database"),),
        counts={"holdfast": 1},
        modes=(EITHER,),
    ),
    Workload(
        id="12b",
        title="idle worker",
        figure=took("queries_per_minute", "queries a minute"),
        also=(took("cpu_percent", "% of a core"),),
        counts={"holdfast": 20},
        quick={"holdfast": 1},
        modes=("sync",),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One run of a driver, but for the database."""

    workload: Workload
    contender: Contender
    store: str
    mode: str
    count: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.workload.id, self.store, self.contender.name, self.mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What of all this is to be run."""

    numbers: frozenset[int] | None = None
    stores: tuple[str, ...] = STORES
    contenders: frozenset[str] = frozenset(CONTENDERS)
    full: bool = False
    quick: bool = False
    scale: float = 1.0

    def workloads(self) -> list[Workload]:
        """Return the chosen workloads."""
        return [
            each
            for each in WORKLOADS
            if (self.full or not each.full_only) and (self.numbers is None or each.number in self.numbers)
        ]

    def groups(self) -> Iterator[list[Case]]:
        """Yield the cases that are run side by side, in alternating order: those of one number on one store."""
        for number in sorted({each.number for each in self.workloads()}):
            for store in self.stores:
                cases = [
                    case
                    for workload in self.workloads()
                    if workload.number == number
                    for case in self._cases(workload, store)
                ]
                if cases:
                    yield cases

    def _cases(self, workload: Workload, store: str) -> Iterator[Case]:
        for name, count in workload.counts.items():
            contender = CONTENDERS[name]
            if name not in self.contenders or store not in contender.stores:
                continue
            for mode in (EITHER,) if contender is FLOOR else workload.modes:
                yield Case(
                    workload=workload,
                    contender=contender,
                    store=store,
                    mode=mode,
                    count=self._count(workload, name, count),
                )

    def finished(self, workload: Workload) -> int:
        """Return how many finished workflows the database is to hold beforehand."""
        return min(workload.finished or 0, 1000) if self.quick else workload.finished or 0

    def size(self, case: Case) -> int:
        """Return what the driver is told as `size`."""
        size = case.contender.size if case.workload.size is None else case.workload.size
        return min(size, 200_000) if self.quick else size

    def _count(self, workload: Workload, contender: str, count: int) -> int:
        if self.quick:
            return workload.quick.get(contender, max(1, count // 100))
        return max(1, round(count * self.scale))

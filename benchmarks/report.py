"""The page with the tables: `benchmarks/RESULTS.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from benchmarks.plan import CONTENDERS, FLOOR, HOLDFAST, STORES, WORKLOADS, Figure, Workload
from benchmarks.results import Key, Results, shown
from benchmarks.targets import lines

_HEAD = """\
# What durable execution costs

Written by `make bench`. Every figure is the median of its rounds. In each round all contenders ran the same work one
after another, in alternating order, each in a process of its own on a fresh database; ratios are of the same round, and
their median is shown. Ratios carry over to other machines, the rest only roughly.

- **floor**: a plain loop of one-row commits in the same driver, on the same database, with the same durability:
  two commits for a workflow of one step, one for a step. It does nothing else, and nothing at once.
- **of the floor**: the speed as a part of the floor's. Where many workflows share a commit it goes beyond 1.
- **Holdfast is**: how many times as fast as this contender Holdfast is, with functions of the same kind.
- **count**: how many each run did. The peers do fewer where they take long; rates and medians hardly depend on it.
- **CPU each**: the processor time of the contender's process, the PostgreSQL server's not counted. It hardly depends on
  what else the machine does.
- **memory**: peak resident memory of the contender's processes, its Python included; the PostgreSQL server's is not.
- DBOS's SQLite file is used as shipped, and once more set to WAL beforehand. Absurd works on PostgreSQL only; alone,
  its tasks are worked off by the process that spawned them, for its worker looks for work four times a second.
"""
_PLOT = "\n![Holdfast beside its peers](../docs/images/benchmarks.svg)\n"


def page(results: Results, facts: Mapping[str, str]) -> str:
    """Return the page."""
    parts = [_HEAD, _PLOT, _machine(facts), _targets(results)]
    parts += [_section(results, workload) for workload in WORKLOADS if _is_measured(results, workload)]
    return "\n".join(parts)


def _is_measured(results: Results, workload: Workload) -> bool:
    return any(results.keys(workload.id, store) for store in STORES)


def _machine(facts: Mapping[str, str]) -> str:
    return "## Measured on\n\n" + _table(("", ""), facts.items())


def _targets(results: Results) -> str:
    rows = [
        (line.target.text, line.store, line.mode, line.limit, line.measured, "met" if line.met else "**missed**")
        for line in lines(results)
    ]
    return "## Targets\n\n" + _table(("workload", "store", "functions", "target", "measured", ""), rows)


def _section(results: Results, workload: Workload) -> str:
    head = ("store", "contender", "functions", "count", workload.figure.unit)
    further = [figure.unit for figure in workload.also]
    rows = [_row(results, workload, key) for store in STORES for key in results.keys(workload.id, store)]
    columns = (*head, *further, "of the floor", "Holdfast is", "memory, MB")
    return f"## {workload.id}: {workload.title}\n\n" + _table(columns, rows)


def _row(results: Results, workload: Workload, key: Key) -> Iterator[str]:
    _, store, name, mode = key
    yield store
    yield CONTENDERS[name].label
    yield mode or "-"
    yield f"{results.count(key):,}"
    for figure in (workload.figure, *workload.also):
        yield _figure(results, key, figure)
    yield "" if name == FLOOR.name else _times(results.against_floor(workload, key), "")
    yield (
        "" if name in {FLOOR.name, HOLDFAST.name} else _times(results.holdfast_against(workload, key), " times as fast")
    )
    yield shown(results.median(key, "peak_mb"), 2)


def _figure(results: Results, key: Key, figure: Figure) -> str:
    return shown(results.median(key, figure.name))


def _times(value: float | None, unit: str) -> str:
    return "" if value is None else f"{shown(value, 2)}{unit}"


def _table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    written = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in written)

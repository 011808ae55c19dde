"""The benchmarks run to their end, in tiny sizes and without the peers. How fast is no matter here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.databases import Databases
from benchmarks.environments import Environments
from benchmarks.panels import panels
from benchmarks.plan import EITHER, WORKLOADS, Case, Choice
from benchmarks.results import Results, Run
from benchmarks.runner import Runner
from benchmarks.targets import lines

OURS = frozenset({"holdfast", "floor"})
IN_SQLITE = sorted({workload.number for workload in WORKLOADS})
IN_POSTGRES = [5, 10]
"""What takes other ways through the drivers there."""


@pytest.fixture
def databases(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Databases]:
    store, _, _ = request.node.callspec.params["part"]
    url = request.getfixturevalue("postgres_admin_url") if store == "postgres" else ""
    found = Databases(tmp_path, postgres_url=url)
    yield found
    found.close()


@pytest.mark.parametrize(
    "part",
    [
        *(("sqlite", "async", number) for number in IN_SQLITE),
        *(("postgres", "sync", number) for number in IN_POSTGRES),
    ],
    ids=lambda part: "-".join(map(str, part)),
)
def test_a_workload_runs_to_its_end_and_reports_its_figures(
    part: tuple[str, str, int], databases: Databases, tmp_path: Path
) -> None:
    store, mode, number = part
    choice = Choice(numbers=frozenset({number}), stores=(store,), contenders=OURS, quick=True)
    runner = Runner(choice, databases=databases, environments=Environments(tmp_path), rounds=1)
    (group,) = choice.groups()
    for case in group:
        if case.mode in {mode, EITHER} or case.workload.modes == ("sync",):
            figures = runner.run_case(case)
            expected = {"peak_mb", case.workload.figure.name, *(each.name for each in case.workload.also)}
            assert expected <= figures.keys()


def made_up(case: Case, number: int) -> Run:
    """A run twice as fast in each further round, Holdfast four times as fast as the floor in each."""
    speed = 2.0**number * (4.0 if case.contender.name == "holdfast" else 1.0)
    names = ("p50_ms", "p99_ms", "per_second", "cpu_us", "peak_mb", case.workload.figure.name)
    return Run.of(case, number, {name: 1 / speed if name.endswith("_ms") else speed for name in names})


@pytest.fixture
def results() -> Results:
    return Results(made_up(case, number) for group in Choice().groups() for case in group for number in range(3))


def test_ratios_are_taken_within_a_round_so_that_drift_cancels(results: Results) -> None:
    rate = next(workload for workload in WORKLOADS if workload.id == "2")
    latency = next(workload for workload in WORKLOADS if workload.id == "1")
    assert results.against_floor(rate, ("2", "sqlite", "holdfast", "sync")) == 4
    assert results.against_floor(latency, ("1", "sqlite", "holdfast", "sync")) == 4
    assert results.holdfast_against(rate, ("2", "sqlite", "dbos", "async")) == 4


def test_results_are_the_same_after_they_were_saved(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    assert list(Results.load(tmp_path / "results.json")) == list(results)


def test_the_page_names_every_workload_and_judges_every_target(results: Results) -> None:
    page = report.page(results, {"machine": "none"})
    for workload in Choice().workloads():
        assert workload.title in page
    assert page.count("| met |") + page.count("| **missed** |") == len(list(lines(results)))


def test_the_plot_shows_all_contenders(results: Results) -> None:
    shown = {bar["contender"] for panel in panels(results) for bar in panel["bars"]}
    assert shown == {"Holdfast", "floor", "DBOS", "DBOS, file set to WAL", "Absurd"}


def test_contenders_of_one_workload_and_store_form_one_group() -> None:
    groups = list(Choice().groups())
    assert len(groups) == len({(case.workload.number, case.store) for group in groups for case in group})

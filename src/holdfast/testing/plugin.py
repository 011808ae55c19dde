"""The pytest plugin: fixtures that come with `pip install holdfast[testing]`.

def test_the_reminder_comes_after_a_day(holdfast_app, time_machine):
handle = holdfast_app.start(remind, "order 7")
time_machine.advance(days=1)
assert handle.result() == "reminded"
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.api.app import Holdfast
from holdfast.core.model import Status, WorkflowFilter
from holdfast.core.options import Config
from holdfast.testing.time_machine import TimeMachine

QUICK = Config(suspend_after=0.02, heartbeat=0.5, lease=10.0, poll=0.5, shutdown_timeout=2.0)
_STANDING = (Status.BLOCKED, Status.DEAD)


@pytest.fixture
def holdfast_options() -> dict[str, Any]:
    """Return keyword arguments for `Holdfast(…)`: override it in a module or a conftest."""
    return {}


@pytest.fixture
def time_machine(request: pytest.FixtureRequest) -> TimeMachine:
    """Return the clock of `holdfast_app`."""
    machine: TimeMachine = request.getfixturevalue("_holdfast_and_clock")[1]
    return machine


@pytest.fixture
def holdfast_app(request: pytest.FixtureRequest) -> Holdfast:
    """Return a launched application on an SQLite file of the test's own, which leaves memory and looks around quickly.

    At the end of the test it is closed. A workflow that was left blocked or dead fails the test, with the report of
    what was wrong, unless the test has looked at it: a mark `@pytest.mark.holdfast_allow_blocked` says so.
    """
    app: Holdfast = request.getfixturevalue("_holdfast_and_clock")[0]
    return app


@pytest.fixture
def _holdfast_and_clock(
    tmp_path: Path, holdfast_options: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[tuple[Holdfast, TimeMachine]]:
    app = Holdfast(f"sqlite:///{tmp_path / 'holdfast.db'}", **{"config": QUICK, **holdfast_options})
    machine = TimeMachine(app)
    with app:
        yield app, machine
        left = [] if request.node.get_closest_marker("holdfast_allow_blocked") else _left_standing(app)
    if left:
        pytest.fail("workflows were left that do not go on by themselves:\n" + "\n".join(left), pytrace=False)


def _left_standing(app: Holdfast) -> list[str]:
    records = app.list_workflows(WorkflowFilter(status=_STANDING))
    return [f"  {each.workflow_id} ({each.name}) is {each.status}: {each.report}" for each in records]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "holdfast_allow_blocked: a workflow may be left blocked or dead in the test's holdfast_app"
    )

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast import Holdfast
from tests.cli.conftest import APP, Command
from tests.cli.programs import add


@pytest.fixture
def hourly(working: Holdfast) -> str:
    """A schedule that ticks every hour."""
    working.schedules.create("hourly", add, every=3600, kwargs={"left": 1})
    return "hourly"


def test_list_and_show_tell_when_a_schedule_ticks_next(hourly: str, command: Command) -> None:
    assert "every 1h 0m" in command("schedules", "list")
    [listed] = command.json("schedules", "list")["schedules"]
    assert (listed["name"], listed["every"], listed["workflow"]) == ("hourly", 3600, "add")
    shown = command.json("schedules", "show", hourly)
    assert len(shown["next_runs"]) == 5
    assert shown["next_runs"][0] in command("schedules", "show", hourly)


def test_a_paused_schedule_has_no_next_tick_until_it_is_resumed(hourly: str, command: Command) -> None:
    assert command.json("schedules", "pause", hourly)["paused"] is True
    assert "paused" in command("schedules", "list")
    assert command.json("schedules", "show", hourly)["next_runs"] == []
    assert command.json("schedules", "resume", hourly)["next_at"] is not None


def test_remove_asks_first_and_leaves_the_workflows(hourly: str, command: Command) -> None:
    assert "add --yes" in command("schedules", "remove", hourly, code=2)
    command("schedules", "remove", hourly, "--yes")
    assert command.json("schedules", "list")["schedules"] == []


def test_backfill_starts_past_ticks_once(hourly: str, command: Command) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    span = ("--from", str(hour - timedelta(hours=3)), "--to", str(hour), "--app", APP)
    assert len(command.json("schedules", "backfill", hourly, *span)["started"]) == 3
    assert command.json("schedules", "backfill", hourly, *span)["started"] == []


@pytest.mark.parametrize("verb", [["show"], ["pause"], ["resume"], ["remove", "--yes"]])
def test_an_unknown_schedule_has_its_own_exit_code(command: Command, verb: list[str]) -> None:
    command("schedules", *verb, "nobody", code=3)

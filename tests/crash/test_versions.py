"""Processes with different versions of one program, side by side on one database."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Config, Holdfast, Status, Verdict, VersionCount, send, step, workflow
from tests.engine.changing import forget
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

CONFIG = Config(suspend_after=0.1, heartbeat=0.2, lease=2.0, poll=0.5, shutdown_timeout=1.0)
PROGRAM = """
import sys, threading
from holdfast import Config, Holdfast, recv, start, step, workflow

URL, VERSION, RULE, COUNT = sys.argv[1:]

@step
def pay(amount: int) -> str:
    return f"paid {amount} by version {VERSION}"

@step
def check(amount: int) -> str:
    return f"checked by version {VERSION}"

@workflow(name="refunds", version=VERSION, on_new_version=RULE)
def refunds(amount: int) -> list[str]:
    done = [check(amount)] if VERSION != "1" else []
    done.append(pay(amount))
    recv("go")
    return [*done, f"ended by version {VERSION}"]

config = Config(suspend_after=0.1, heartbeat=0.2, lease=2.0, poll=0.5, shutdown_timeout=1.0)
with Holdfast(URL, config=config):
    for number in range(int(COUNT)):
        print("started", start(refunds, number).id, flush=True)
    print("launched", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program in a file, as deployed ones are."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


def process(program: Path, url: str, version: str, rule: str = "pin", count: int = 0) -> ScriptProcess:
    return ScriptProcess(program, arguments=[url, version, rule, str(count)])


def started(running: ScriptProcess) -> list[str]:
    running.wait_for_line("launched")
    return [line.split()[1] for line in running.output.splitlines() if line.startswith("started")]


def wait_until_suspended(app: Holdfast, workflow_ids: list[str]) -> None:
    eventually(lambda: {app.get_workflow(each).status for each in workflow_ids} == {Status.SUSPENDED}, timeout=30)


def tell_all(app: Holdfast, workflow_ids: list[str]) -> None:
    wait_until_suspended(app, workflow_ids)
    for workflow_id in workflow_ids:
        send(workflow_id, "now", topic="go")


def test_pinned_workflows_are_each_ended_by_a_process_with_their_version(store_url: str, program: Path) -> None:
    with (
        Holdfast(store_url, config=CONFIG) as app,
        process(program, store_url, "1", count=4) as old,
        process(program, store_url, "2", count=4) as new,
    ):
        old_ids, new_ids = started(old), started(new)
        tell_all(app, old_ids + new_ids)
        for ids, version in ((old_ids, "1"), (new_ids, "2")):
            for workflow_id in ids:
                assert app.retrieve(workflow_id).result(timeout=30)[-1] == f"ended by version {version}"


def test_pinned_workflows_wait_until_a_process_with_their_version_is_there_again(store_url: str, program: Path) -> None:
    with Holdfast(store_url, config=CONFIG) as app:
        with process(program, store_url, "1", count=3) as old:
            old_ids = started(old)
            wait_until_suspended(app, old_ids)
            old.kill()
        with process(program, store_url, "2", count=1) as new:
            [new_id] = started(new)
            tell_all(app, [*old_ids, new_id])
            assert app.retrieve(new_id).result(timeout=30)[-1] == "ended by version 2"
            eventually(lambda: "workflows named 'refunds' wait for a worker that has version 1" in new.output)
            assert {app.get_workflow(each).status for each in old_ids} == {Status.ENQUEUED}
            counted = [each for each in app.store.unfinished_versions() if each.name == "refunds"]
            assert counted == [
                VersionCount(name="refunds", version="1", enqueued=3, suspended=0, running=0, set_aside=0)
            ]
            with process(program, store_url, "1"):
                ends = [app.retrieve(each).result(timeout=30)[-1] for each in old_ids]
            assert ends == ["ended by version 1"] * 3


def test_workflows_that_are_not_pinned_are_resumed_by_a_process_with_another_version(
    store_url: str, program: Path
) -> None:
    with Holdfast(store_url, config=CONFIG) as app:
        with process(program, store_url, "1", "resume", count=2) as old:
            old_ids = started(old)
            wait_until_suspended(app, old_ids)
            old.kill()
        with process(program, store_url, "2", "resume"):
            for number, workflow_id in enumerate(old_ids):
                send(workflow_id, "now", topic="go")
                assert app.retrieve(workflow_id).result(timeout=30) == [
                    "checked by version 2",
                    f"paid {number} by version 1",
                    "ended by version 2",
                ]


def test_what_another_process_recorded_is_checked_before_a_deploy(store_url: str, program: Path) -> None:
    with process(program, store_url, "1", "resume", count=3) as old:
        old_ids = started(old)
        with Holdfast(store_url, config=CONFIG) as app:
            wait_until_suspended(app, old_ids)
        old.kill()

    @step(name="charge")
    def charge(amount: int) -> str:
        raise AssertionError("a check runs no step")

    def changed(amount: int) -> list[str]:
        return [charge(amount)]

    app = Holdfast(store_url)
    assert app.check().counts == {Verdict.UNKNOWN: 3}
    try:
        workflow(name="refunds", version="1")(changed)
        report = app.check()
        assert report.counts == {Verdict.BLOCKED: 3}
        assert {finding.workflow_id for finding in report.findings} == set(old_ids)
        forget("refunds")
        workflow(name="refunds", version="2")(changed)
        assert app.check().counts == {Verdict.NEW_STEPS: 3}
    finally:
        forget("refunds")

"""Real worker processes: signals, crashes, idleness, probes."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast import Handle, Holdfast, Status
from tests.cli.conftest import Command
from tests.helpers import ROOT, ScriptProcess, eventually

APP = "tests.cli.programs:app"
PROGRAM = "from holdfast.cli.entry import main; main()"
PYTHONPATH = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
OUR_OWN = re.compile(r"process \d+ of \d+ has pid (\d+)")


@contextmanager
def worker(url: str, *arguments: str, ready: bool = True) -> Iterator[ScriptProcess]:
    """Run `holdfast worker` until the end of the block, or its own."""
    env = {"HOLDFAST_URL": url, "PYTHONPATH": PYTHONPATH}
    with ScriptProcess(PROGRAM, arguments=["worker", APP, "--json", *arguments], env=env) as process:
        if ready:
            eventually(lambda: "worker_ready" in process.output, timeout=30)
        yield process


def said(process: ScriptProcess) -> list[dict[str, str]]:
    return [json.loads(line) for line in process.output.splitlines()]


def status(command: Command, workflow_id: str) -> str:
    return str(command.json("show", workflow_id)["status"])


def start(command: Command, name: str, workflow_id: str, *pairs: str) -> None:
    arguments = [word for pair in pairs for word in ("-a", pair)]
    command("start", name, "--id", workflow_id, "--app", "tests.cli.programs:make_app", *arguments)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_steps_end_and_gives_the_rest_back(
    command: Command, tmp_path: Path, number: signal.Signals
) -> None:
    marks = tmp_path / "marks"
    start(command, "writes", "w", f"path={marks}", "seconds=1")
    start(command, "waits", "later", "topic=box")
    with worker(command.url) as process:
        eventually(marks.exists)
        os.kill(process.pid, number)
        process.finish(timeout=30)
        assert marks.read_text().split() == ["begun", "ended"]
        assert said(process)[-1]["message"] == "worker ended"
    assert status(command, "w") in {"succeeded", "enqueued"}
    assert status(command, "later") in {"suspended", "enqueued"}
    with worker(command.url, "--exit-when-idle", "--idle-after=0.2") as process:
        process.finish(timeout=30)
    assert status(command, "w") == "succeeded"
    assert marks.read_text().split() == ["begun", "ended"]


def test_a_step_that_takes_too_long_does_not_keep_the_worker_from_ending(command: Command, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    start(command, "writes", "w", f"path={marks}", "seconds=100")
    with worker(command.url, "--shutdown-timeout=0.2") as process:
        eventually(marks.exists)
        os.kill(process.pid, signal.SIGTERM)
        process.finish(timeout=30)
    assert status(command, "w") == "enqueued"


def test_a_second_signal_ends_a_worker_at_once(command: Command, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    start(command, "writes", "w", f"path={marks}", "seconds=100")
    with worker(command.url, "--shutdown-timeout=100") as process:
        eventually(marks.exists)
        os.kill(process.pid, signal.SIGTERM)
        eventually(lambda: "worker_closing" in process.output)
        os.kill(process.pid, signal.SIGTERM)
        with pytest.raises(AssertionError, match="exit code 130"):
            process.finish(timeout=30)


@pytest.mark.crash
def test_a_killed_child_is_replaced_and_its_work_goes_on(command: Command, tmp_path: Path) -> None:
    start(command, "kills", "k", f"path={tmp_path / 'died'}")
    with worker(command.url, "--processes=2") as process:
        eventually(lambda: status(command, "k") == "succeeded", timeout=60)
        assert "was killed by SIGKILL" in process.output
        eventually(lambda: len(OUR_OWN.findall(process.output)) == 3, timeout=30)
        os.kill(process.pid, signal.SIGTERM)
        process.finish(timeout=30)
        children = [int(pid) for pid in OUR_OWN.findall(process.output)]
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


@pytest.mark.crash
def test_children_stop_by_themselves_when_their_parent_is_killed(command: Command) -> None:
    with worker(command.url, "--processes=2") as process:
        eventually(lambda: process.output.count("worker_ready") == 2, timeout=30)
        children = [int(pid) for pid in OUR_OWN.findall(process.output)]
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not any(Path(f"/proc/{pid}/fd/0").exists() for pid in children), timeout=30)
        eventually(lambda: process.output.count("worker ended") == 2)


def test_exit_when_idle_ends_once_nothing_is_due_or_running(command: Command) -> None:
    start(command, "sleeps", "short", "seconds=1")
    start(command, "asleeps", "ashort", "seconds=1")
    start(command, "sleeps", "long", "seconds=3600")
    with worker(command.url, "--exit-when-idle", "--idle-after=1.5") as process:
        process.finish(timeout=60)
    assert [status(command, each) for each in ("short", "ashort", "long")] == ["succeeded", "succeeded", "suspended"]


def test_several_processes_end_when_idle_and_are_not_started_again(command: Command) -> None:
    start(command, "add", "a", "left=1")
    with worker(command.url, "--exit-when-idle", "--idle-after=0.3", "--processes=2") as process:
        process.finish(timeout=60)
        assert len(OUR_OWN.findall(process.output)) == 2
    assert status(command, "a") == "succeeded"


@pytest.mark.parametrize("more", [[], ["--processes=2"]])
def test_a_program_that_can_not_start_is_not_started_again(command: Command, more: list[str]) -> None:
    env = {"HOLDFAST_URL": command.url, "PYTHONPATH": PYTHONPATH}
    with ScriptProcess(PROGRAM, arguments=["worker", "tests.cli.nowhere:app", *more], env=env) as process:
        with pytest.raises(AssertionError, match="exit code 6"):
            process.finish(timeout=60)
        assert "there is no module" in process.output


def test_reload_starts_anew_when_the_program_changes(command: Command, tmp_path: Path) -> None:
    program = tmp_path / "reloaded.py"
    text = "import os\nfrom holdfast import Holdfast, workflow\napp = Holdfast(os.environ['HOLDFAST_URL'])\n"
    program.write_text(f"{text}syntax error")
    env = {"HOLDFAST_URL": command.url, "PYTHONPATH": PYTHONPATH}
    arguments = ["worker", "reloaded:app", "--reload"]
    with ScriptProcess(PROGRAM, arguments=arguments, env=env, cwd=tmp_path) as process:
        eventually(lambda: "waiting for the program to change" in process.output, timeout=30)
        program.write_text(text)
        eventually(lambda: "runs 0 kinds of workflows" in process.output, timeout=30)
        program.write_text(f"{text}\n@workflow\ndef one() -> None: ...\n")
        eventually(lambda: "runs 1 kinds of workflows" in process.output, timeout=30)
        os.kill(process.pid, signal.SIGINT)
        process.finish(timeout=30)


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_endpoint_tells_probes_and_prometheus_how_the_worker_is(command: Command) -> None:
    start(command, "add", "a", "left=1")
    start(command, "waits", "w", "topic=never")
    with worker(command.url, "--http=127.0.0.1:0") as process:
        eventually(lambda: status(command, "a") == "succeeded")
        eventually(lambda: status(command, "w") == "suspended")
        address = re.findall(r"http://127\.0\.0\.1:\d+", process.output)[0]
        assert fetch(f"{address}/healthz")[0] == 200
        assert fetch(f"{address}/readyz")[0] == 200
        code, metrics = fetch(f"{address}/metrics")
        assert code == 200
        assert 'holdfast_workflows{status="suspended"} 1.0' in metrics
        assert "holdfast_workers 1.0" in metrics
        assert 'holdfast_commit_seconds_bucket{le="+Inf"}' in metrics
        assert fetch(f"{address}/else")[0] == 404


def test_a_handle_in_another_process_hears_of_what_a_worker_did(command: Command, working: Holdfast) -> None:
    start(command, "waits", "w", "topic=box")
    command("send", "w", '"hello"', "--topic", "box")
    handle: Handle[str] = working.retrieve("w")
    assert handle.result(timeout=30) == "hello"
    assert handle.status() is Status.SUCCEEDED

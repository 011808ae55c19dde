"""A process that is too busy for its heartbeat loses its work, as a stopped one does, and nothing of it counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast import Holdfast
from tests.chaos.busy_programs import CONFIG
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

PROGRAM = "from tests.chaos.busy_programs import main; main()"


@pytest.mark.parametrize("fixture", ["postgres_url", pytest.param("sqlite_url", marks=pytest.mark.chaos)])
def test_a_process_whose_c_code_keeps_the_interpreter_is_taken_over_and_its_late_result_refused(
    request: pytest.FixtureRequest, fixture: str, tmp_path: Path
) -> None:
    url = request.getfixturevalue(fixture)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ScriptProcess(PROGRAM, arguments=[url], env={"FIFO": str(fifo)}) as process:
        process.wait_for_line("holding")
        with Holdfast(url, config=CONFIG) as app:
            busy = app.get_workflow("busy").owner
            mine = [os.getpid()] * 2
            assert app.retrieve("busy").result(timeout=30) == mine
            # Its late outcome is handed in now, under the epoch that it lost.
            fifo.open("wb").close()
            # What it logs may come before that or after.
            assert f"result {mine}" in process.finish().splitlines()
            assert app.get_workflow("busy").epoch > 1
            assert [check.output for check in app.get_journal("busy")] == [str(os.getpid())] * 2
            eventually(lambda: busy not in {each.worker_id for each in app.store.workers()})

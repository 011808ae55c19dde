"""Many processes that do the same at the same time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.store.open import open_store
from tests.chaos.oracle import audit, check_integrity, create_ledger
from tests.chaos.programs import CONFIG, environment
from tests.helpers import ScriptProcess

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

TOGETHER = """
import pathlib, sys, time
from holdfast import Holdfast, options
from holdfast.testing.failpoints import from_environment
from tests.chaos.programs import CONFIG, chaos_refund
from_environment()
print("ready", flush=True)
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.001)
with Holdfast(sys.argv[1], config=CONFIG):
    handles = [options(id=f"one-{number}").start(chaos_refund, f"one-{number}") for number in range(5)]
    for handle in handles:
        print("result", handle.result(timeout=60), flush=True)
"""


def test_of_many_processes_that_start_one_id_at_once_each_gets_the_one_result(store_url: str, tmp_path: Path) -> None:
    effects, go = tmp_path / "effects", tmp_path / "go"
    effects.touch()
    create_ledger(store_url)
    with Holdfast(store_url, config=CONFIG), ExitStack() as stack:
        env = environment(store_url, effects)
        processes = [
            stack.enter_context(ScriptProcess(TOGETHER, arguments=[store_url, str(go)], env=env)) for _ in range(8)
        ]
        for process in processes:
            process.wait_for_line("ready")
        go.touch()
        for process in processes:
            assert process.finish().count("result ['first', 'second']") == 5
    assert audit(store_url, {f"one-{number}" for number in range(5)}, effects) == 5


def test_processes_killed_while_they_make_the_schema_leave_one_that_works(empty_store_url: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ExitStack() as stack:
        processes = []
        for number in range(12):
            kill = f"migration.{'after' if number % 2 else 'before'}=kill@{number // 3 + 1}"
            env = {"HOLDFAST_TESTING": "1", "HOLDFAST_FAILPOINTS": kill, **environment(empty_store_url, tmp_path / "e")}
            arguments = [empty_store_url, str(go)]
            processes.append(stack.enter_context(ScriptProcess(TOGETHER, arguments=arguments, env=env)))
        for process in processes:
            process.wait_for_line("ready")
        go.touch()
    check_integrity(empty_store_url)
    store = open_store(empty_store_url)
    store.open()
    inspection = store.inspect()
    store.close()
    assert inspection.schema == inspection.known_schema


def test_many_processes_on_one_sqlite_file_hear_nothing_of_its_locks(sqlite_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(sqlite_url)
    program = "import sys; from tests.chaos.programs import main; main()"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                ScriptProcess(program, arguments=[sqlite_url, f"p{number}", "20"], env=environment(sqlite_url, effects))
            )
            for number in range(8)
        ]
        said = [process.finish(timeout=120) for process in processes]
    assert not [each for each in said if "locked" in each or "Traceback" in each]
    assert audit(sqlite_url, {f"p{process}-{number}" for process in range(8) for number in range(20)}, effects) == 160

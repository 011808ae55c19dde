from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.sqlite.worker_lock import FileWorkerLock
from tests.conformance.kit import worker
from tests.helpers import ScriptProcess, eventually

FORKING = """
import os, sys, time
from pathlib import Path
from holdfast.store.sqlite.worker_lock import FileWorkerLock
lock = FileWorkerLock(Path(sys.argv[1]), "parent")
child = os.fork()
if child == 0:
    os.setsid()
    print("forked", os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_held_lock_is_not_free_and_one_given_up_is(tmp_path: Path) -> None:
    mine, other = FileWorkerLock(tmp_path, "mine"), FileWorkerLock(tmp_path, "other")
    assert not mine.is_free(worker("other"))
    assert not mine.is_free(worker("mine"))
    other.release()
    other.release()
    assert mine.is_free(worker("other"))
    assert mine.is_free(worker("never"))
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "left.lock").touch()
    mine = FileWorkerLock(tmp_path, "mine")
    assert mine.is_free(worker("left"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.lock"]
    mine.release()


def test_a_worker_id_is_taken_once(tmp_path: Path) -> None:
    mine = FileWorkerLock(tmp_path, "mine")
    with pytest.raises(ConfigurationError, match="worker ids are unique"):
        FileWorkerLock(tmp_path, "mine")
    mine.release()
    FileWorkerLock(tmp_path, "mine").release()


def test_a_worker_id_with_a_path_in_it_stays_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    lock = FileWorkerLock(folder, "../../escape me")
    assert [path.parent for path in tmp_path.rglob("*.lock")] == [folder]
    lock.release()


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    mine = FileWorkerLock(tmp_path, "mine")
    with ScriptProcess(FORKING, arguments=[str(tmp_path)]) as process:
        child = int(process.wait_for_line("forked").split()[1])
        assert not mine.is_free(worker("parent"))
        os.kill(process.pid, 9)
        try:
            eventually(lambda: mine.is_free(worker("parent")))
        finally:
            os.kill(child, 9)
    mine.release()


def test_a_store_keeps_its_workers_locks_beside_the_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    lock = store.lock_worker("w1")
    assert (tmp_path / "a.db.workers" / "w1.lock").exists()
    lock.release()
    store.close()


def test_in_memory_nobody_can_tell() -> None:
    lock = SqliteStore("sqlite://").lock_worker("w1")
    assert lock.is_free(worker("w2")) is None
    lock.release()

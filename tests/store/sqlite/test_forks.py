from __future__ import annotations

from pathlib import Path

from holdfast.core.model import WorkflowFilter
from holdfast.store.sqlite.store import SqliteStore
from tests.helpers import ScriptProcess

FORKING = """
import gc, os, sys
from holdfast.store.writes import Create, Unit
from holdfast.store.sqlite.store import SqliteStore
from tests.conformance.kit import new

def create(name):
    receipts = store.commit([Unit(writes=(Create(workflow=new(name)),))]).receipts
    assert receipts[0].accepted

store = SqliteStore(sys.argv[1])
store.open()
create("before")
transaction = store.transaction()
lent = transaction.__enter__()
lent.begin(None, None)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        # The parent is in the middle of a write transaction: what it opened must not be touched, nor closed at the end.
        assert store.get_workflow("before") is not None
        lent = transaction = None
        gc.collect()
        create(f"child-{number}")
        store.close()
        print("child done", flush=True)
        sys.exit(0)
    children.append(child)
lent.connection.execute("CREATE TABLE app (x)")
lent.commit(None, None)
transaction.__exit__(None, None, None)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
create("after")
store.close()
print("parent done", flush=True)
"""


def test_a_forked_process_works_with_connections_of_its_own(tmp_path: Path) -> None:
    with ScriptProcess(FORKING, arguments=[str(tmp_path / "a.db")]) as process:
        said = process.finish()
    assert said.count("child done") == 3
    assert "parent done" in said
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    found = {each.workflow_id for each in store.list_workflows(WorkflowFilter())}
    assert found == {"before", "after", "child-0", "child-1", "child-2"}
    assert store._writer.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store.close()

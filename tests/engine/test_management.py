"""Looking at workflows and changing many of them, from inside an application and from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import (
    Admin,
    Client,
    Holdfast,
    Status,
    WorkflowFilter,
    aset_attributes,
    options,
    recv,
    retrieve,
    run_step,
    send,
    set_attributes,
    set_event,
    start,
    step,
    workflow,
    write_stream,
)
from holdfast.errors import UsageError, WorkflowIdConflict, WorkflowNotFound
from tests.engine.conftest import QUICK
from tests.helpers import eventually

ran: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


@workflow(name="management.quick")
def quick(number: int) -> int:
    set_attributes(number=number, even=number % 2 == 0)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


@workflow(name="management.waits")
def waits(text: str) -> str:
    set_event("ready", text)
    write_stream("s", text)
    run_step("note", lambda: ran.append(text))
    return text + str(recv())


@pytest.fixture(params=["app", "client"])
def admin(request: pytest.FixtureRequest, app: Holdfast, store_url: str) -> Iterator[Admin]:
    """The same management, from the worker and from outside."""
    if request.param == "app":
        yield app.admin
    else:
        with Client(store_url) as client:
            yield client.admin


def suspended(workflow_id: str, text: str = "x") -> None:
    handle = options(id=workflow_id).start(waits, text)
    eventually(lambda: handle.status() is Status.SUSPENDED)


# Attributes


def test_attributes_are_set_once_and_replayed(app: Holdfast) -> None:
    @workflow
    def changes() -> str:
        set_attributes(stage="first", customer=7)
        said = recv()
        set_attributes(stage=said, customer=None)
        return str(recv())

    handle = options(id="one").start(changes)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    assert app.admin.show("one").attributes == {"stage": "first", "customer": 7}
    send("one", "second")
    eventually(lambda: app.admin.show("one").attributes == {"stage": "second"})
    eventually(lambda: handle.status() is Status.SUSPENDED)
    # Replayed from the beginning, and still what was set last.
    send("one", "end")
    assert handle.result(timeout=10) == "end"
    assert app.admin.show("one").attributes == {"stage": "second"}
    [found] = app.admin.list(WorkflowFilter(attributes={"stage": "second"}))
    assert found.workflow_id == "one"


async def test_attributes_are_set_in_coroutines_and_steps(store_url: str) -> None:
    @step
    async def in_a_step() -> None:
        await aset_attributes(inside=True)

    @workflow
    async def sets() -> None:
        await aset_attributes(outside=1.5)
        await in_a_step()

    async with Holdfast(store_url, config=QUICK) as app:
        handle = await options(id="one").astart(sets)
        await handle
        assert (await app.admin.ashow("one")).attributes == {"inside": True, "outside": 1.5}


def test_what_is_no_attribute_fails_where_it_is_set(app: Holdfast) -> None:
    @workflow
    def wrong() -> None:
        set_attributes(items=[1])  # type: ignore[arg-type]  # that is the point

    with pytest.raises(UsageError, match="must be a text, number or bool, not list"):
        start(wrong).result(timeout=10)


# Looking


def test_lists_page_and_filter(admin: Admin) -> None:
    for number in range(7):
        options(id=f"n{number}").start(quick, number).result(timeout=10)
    where = WorkflowFilter(attributes={"even": True}, limit=3)
    page = admin.list(where)
    assert [each.workflow_id for each in page] == ["n6", "n4", "n2"]
    assert [each.workflow_id for each in admin.list(where.after(page[-1]))] == ["n0"]
    assert [each.workflow_id for each in admin.each(where)] == ["n6", "n4", "n2", "n0"]


def test_counts_are_summed_by_what_is_asked_for(app: Holdfast) -> None:
    for number in (1, 2, -1):
        handle = start(quick, number)
        eventually(lambda handle=handle: handle.status().is_terminal)  # type: ignore[misc]  # bound at once
    suspended("one")
    admin = app.admin
    assert [(each.status, each.count) for each in admin.count("status")] == [
        (Status.SUCCEEDED, 2),
        (Status.FAILED, 1),
        (Status.SUSPENDED, 1),
    ]
    assert [(each.name, each.count) for each in admin.count("name")] == [
        ("management.quick", 3),
        ("management.waits", 1),
    ]
    [everything] = admin.count()
    assert (everything.count, everything.oldest_at) == (4, app.get_workflow("one").created_at)
    with pytest.raises(UsageError):
        admin.count("version")  # type: ignore[arg-type]  # that is the point


def test_show_tells_all_of_one(app: Holdfast) -> None:
    @workflow
    def parent() -> int:
        return quick(3)

    handle = options(id="one").start(parent)
    handle.result(timeout=10)
    details = app.admin.show("one")
    assert details.record == app.get_workflow("one")
    assert [each.kind.value for each in details.journal] == ["child"]
    assert [each.workflow_id for each in details.children] == ["one/management.quick#1"]
    assert (details.approvals, details.lineage, details.forks) == ((), None, ())
    with pytest.raises(WorkflowNotFound):
        app.admin.show("none")


# Changing


def test_cancel_by_id_and_by_filter(app: Holdfast) -> None:
    for name in ("a1", "a2", "b1"):
        suspended(name)
    options(id="done").start(quick, 1).result(timeout=10)
    admin = app.admin
    assert admin.cancel(WorkflowFilter(id_prefix="a"), dry_run=True).workflow_ids == ("a2", "a1")
    assert app.get_workflow("a1").cancel_at is None
    changed = admin.cancel(WorkflowFilter(id_prefix="a"), limit=1)
    assert (changed.workflow_ids, changed.more) == (("a2",), True)
    changed = admin.cancel(["a1", "done"])
    assert changed.workflow_ids == ("a1",)
    assert changed.kept == {"done": "it is succeeded"}
    for name in ("a1", "a2"):
        eventually(lambda name=name: retrieve(name).status() is Status.CANCELLED)  # type: ignore[misc]  # bound at once
    assert retrieve("b1").status() is Status.SUSPENDED
    with pytest.raises(WorkflowNotFound):
        admin.cancel(["b1", "none"])
    assert app.get_workflow("b1").cancel_at is None


def test_cancel_without_children_leaves_them(app: Holdfast) -> None:
    @workflow
    def parent() -> None:
        options(id="child").start(waits, "x")
        recv()

    handle = options(id="parent").start(parent)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    app.admin.cancel("parent", children=False)
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert app.get_workflow("child").cancel_at is None
    app.admin.cancel("child")
    eventually(lambda: retrieve("child").status() is Status.CANCELLED)


def test_resume_by_filter(app: Holdfast) -> None:
    broken = True

    @workflow
    def changing() -> str:
        run_step("a" if broken else "b", lambda: 1)
        recv()
        return "done"

    handles = [options(id=f"w{number}").start(changing) for number in range(2)]
    for handle in handles:
        eventually(lambda handle=handle: handle.status() is Status.SUSPENDED)  # type: ignore[misc]  # bound at once
    broken = False
    for handle in handles:
        send(handle.id, "go")
        eventually(lambda handle=handle: handle.status() is Status.BLOCKED)  # type: ignore[misc]  # bound at once
    broken = True
    changed = app.admin.resume(WorkflowFilter(name=app.get_workflow("w0").name))
    assert set(changed.workflow_ids) == {"w0", "w1"}
    for handle in handles:
        assert handle.result(timeout=10) == "done"
    assert app.admin.resume("w0").kept == {"w0": "it is succeeded"}


def test_delete_says_what_it_keeps(app: Holdfast) -> None:
    suspended("live")
    options(id="done").start(quick, 1).result(timeout=10)
    admin = app.admin
    assert admin.delete(["live", "done"], dry_run=True).workflow_ids == ("done",)
    changed = admin.delete(["live", "done"])
    assert (changed.workflow_ids, changed.kept) == (("done",), {"live": "it is suspended"})
    with pytest.raises(WorkflowNotFound):
        app.get_workflow("done")
    with pytest.raises(WorkflowNotFound):
        retrieve("done").result(timeout=10)
    with pytest.raises(WorkflowNotFound):
        admin.delete("done")
    assert options(id="done").start(quick, 2).result(timeout=10) == 2


def test_who_asks_for_the_result_of_a_deleted_workflow_is_told(app: Holdfast) -> None:
    @workflow
    def asks() -> str:
        handle = retrieve("target")
        recv()
        try:
            return str(handle.result())
        except WorkflowNotFound:
            return "gone"

    options(id="target").start(quick, 1).result(timeout=10)
    asking = start(asks)
    app.admin.delete("target")
    send(asking.id, "go on")
    assert asking.result(timeout=10) == "gone"


def test_what_ended_long_ago_is_deleted(app: Holdfast) -> None:
    for number in (1, 2, -1):
        handle = options(id=f"n{number}").start(quick, number)
        eventually(lambda handle=handle: handle.status().is_terminal)  # type: ignore[misc]  # bound at once
    suspended("live")
    admin = app.admin
    assert admin.delete_older_than(3600) == 0
    assert admin.delete_older_than(0, dry_run=True) == 3
    assert admin.delete_older_than(0, status=["succeeded"], limit=1) == 1
    assert admin.delete_older_than(0) == 2
    assert [each.workflow_id for each in admin.list()] == ["live"]
    with pytest.raises(UsageError):
        admin.delete_older_than(0, status=["running"])


# Moving


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgres", "postgres to sqlite"])
def moving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Holdfast, str]]:
    """A launched application on one kind of database, and the URL of another database."""
    here, there = (
        f"sqlite:///{tmp_path}/{place}.db" if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
        for place, kind in zip(("here", "there"), str(request.param).split(" to "), strict=True)
    )
    with Holdfast(here, config=QUICK) as app:
        yield app, there


ODD = "a\x00b\ud800 ä"


def test_a_finished_workflow_moves_there_and_back(moving: tuple[Holdfast, str]) -> None:
    app, there = moving
    handle = options(id="one").start(waits, ODD)
    send("one", ODD)
    send("one", "never received")
    assert handle.result(timeout=10) == ODD + ODD
    document = app.admin.export("one")
    assert document.isascii()
    with Client(there) as client:
        assert client.admin.import_(document).workflow_ids == ("one",)
        assert client.retrieve("one").result(timeout=10) == ODD + ODD
        assert client.get_event("one", "ready") == ODD
        assert list(client.read_stream("one", "s")) == [(0, ODD)]
        back = client.admin.export("one")
        assert client.admin.show("one").journal == app.admin.show("one").journal
    before = app.store.contents("one")
    app.admin.delete("one")
    assert app.admin.import_(back).workflow_ids == ("one",)
    assert app.store.contents("one") == before
    assert "same records" in app.admin.import_(document).kept["one"]


def test_a_workflow_that_waits_moves_and_goes_on_when_it_is_resumed(moving: tuple[Holdfast, str]) -> None:
    app, there = moving
    suspended("one", ODD)
    document = app.admin.export("one")
    app.close()
    with Holdfast(there, config=QUICK) as other:
        assert other.admin.import_(document).workflow_ids == ("one",)
        record = other.get_workflow("one")
        assert record.status is Status.BLOCKED
        assert json.loads(record.report or "")["reason"] == "imported while it was suspended"
        other.admin.resume("one")
        send("one", "!")
        assert retrieve("one").result(timeout=10) == ODD + "!"
        assert ran == [ODD]


def test_what_has_not_begun_has_all_its_time_where_it_moves_to(moving: tuple[Holdfast, str]) -> None:
    app, there = moving
    options(id="one", delay=3600, timeout=7200).start(waits, "x")
    document = app.admin.export("one")
    app.close()
    with Holdfast(there, config=QUICK) as other:
        other.admin.import_(document)
        assert other.get_workflow("one").deadline_at is None
        other.admin.resume("one")
        eventually(lambda: other.get_workflow("one").status is Status.SUSPENDED)
        begun = other.get_workflow("one")
        assert (begun.deadline_at or 0) >= begun.created_at + 7200


def test_an_export_of_an_earlier_release_is_taken_in(moving: tuple[Holdfast, str]) -> None:
    app, there = moving
    options(id="one").start(quick, 1).result(timeout=10)
    document = json.loads(app.admin.export("one"))
    for added_since in ("timeout", "partition"):
        del document["workflows"][0]["workflow"][added_since]
    with Client(there) as client:
        assert client.admin.import_(json.dumps(document)).workflow_ids == ("one",)


def test_children_move_with_their_parent(moving: tuple[Holdfast, str]) -> None:
    app, there = moving

    @workflow
    def parent() -> int:
        return quick(3)

    options(id="one").start(parent).result(timeout=10)
    document = app.admin.export("one", children=True)
    with Client(there) as client:
        client.admin.import_(document)
        assert [each.workflow_id for each in client.admin.show("one").children] == ["one/management.quick#1"]


def test_an_import_writes_nothing_over_another_workflow(moving: tuple[Holdfast, str]) -> None:
    app, there = moving
    for name in ("one", "two"):
        options(id=name).start(quick, 1).result(timeout=10)
    first, second = (json.loads(app.admin.export(name)) for name in ("one", "two"))
    second["workflows"] += first["workflows"]
    with Client(there) as client:
        client.admin.import_(json.dumps(first))
        second["workflows"][1]["workflow"]["output"] = "2"
        with pytest.raises(WorkflowIdConflict):
            client.admin.import_(json.dumps(second))
        assert [each.workflow_id for each in client.admin.list()] == ["one"]
        with pytest.raises(UsageError):
            client.admin.import_("{}")

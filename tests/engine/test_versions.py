"""Workflows whose code has changed: resumed by the names of their steps, kept for their version, or told apart."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import Any

import pytest

from holdfast import (
    Config,
    Holdfast,
    Kind,
    Status,
    VersionCount,
    agather,
    arecv,
    asend,
    astart,
    gather,
    patched,
    recv,
    send,
    step,
    workflow,
)
from holdfast.api.registry import registry
from holdfast.errors import AlreadyRegistered, ConfigurationError, UsageError
from holdfast.runtime.committer import Ticket
from holdfast.store.writes import Unit
from tests.engine.changing import bodies, deploy, do_async, go, journal, named, suspended
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually


@pytest.fixture(autouse=True)
def _no_bodies() -> None:
    bodies.clear()


def first_a_then_b() -> list[str]:
    done = [named("a"), named("b")]
    recv("go")
    return [*done, named("c")]


def first_b_then_new() -> list[str]:
    done = [named("b"), named("new")]
    recv("go")
    return [*done, named("c")]


def test_another_version_runs_what_is_new_finds_what_has_moved_and_reports_what_is_left(
    app: Holdfast, caplog: pytest.LogCaptureFixture
) -> None:
    workflow_id = suspended(app, deploy(first_a_then_b))
    deploy(first_b_then_new)
    assert go(app, workflow_id) == ["b", "new", "c"]
    assert bodies == ["a", "b", "new", "c"]
    [unasked] = [each for each in journal(app, workflow_id, Kind.VERSION) if each.step_id == "$unasked"]
    assert json.loads(unasked.output or "") == ["a#1"]
    told = [record for record in caplog.records if getattr(record, "action", "") == "unasked_steps"]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "a#1" in told[0].getMessage()


def test_the_workflow_keeps_the_version_it_was_started_under_and_its_journal_names_the_others(app: Holdfast) -> None:
    workflow_id = suspended(app, deploy(first_a_then_b, version="1"))
    deploy(first_b_then_new, version="2")
    go(app, workflow_id)
    assert app.get_workflow(workflow_id).version == "1"
    marks = [each.step_id for each in journal(app, workflow_id, Kind.VERSION)]
    assert marks == ["$version[2]", "$unasked"]


def test_the_first_version_goes_on_after_another_was_rolled_back(app: Holdfast) -> None:
    def old() -> list[str]:
        done = [named("a")]
        recv("first")
        done.append(named("b"))
        recv("go")
        return done

    def new() -> list[str]:
        done = [named("a")]
        recv("first")
        done.append(named("new"))
        recv("go")
        return done

    workflow_id = suspended(app, deploy(old))
    deploy(new)
    send(workflow_id, "now", topic="first")
    eventually(lambda: "new" in bodies and app.get_workflow(workflow_id).status is Status.SUSPENDED)
    deploy(old)
    assert go(app, workflow_id) == ["a", "b"]
    assert bodies == ["a", "new", "b"]


# Patches


def unpatched() -> list[str]:
    done = [named("a"), named("b")]
    recv("go")
    return [*done, named("c")]


def patched_before_b() -> list[str]:
    done = [named("a"), named("b2") if patched("second b") else named("b")]
    recv("go")
    return [*done, named("c2") if patched("second b") else named("c")]


def patched_at_the_end() -> list[str]:
    done = [named("a"), named("b")]
    recv("go")
    return [*done, named("c2") if patched("another c") else named("c")]


VERSIONING = [pytest.param({}, id="by fingerprint"), pytest.param({"version": "1"}, id="one version")]


@pytest.mark.parametrize("options", VERSIONING)
def test_a_patch_applies_to_what_begins_with_it_and_is_replayed(app: Holdfast, options: dict[str, Any]) -> None:
    workflow_id = suspended(app, deploy(patched_before_b, **options))
    assert go(app, workflow_id) == ["a", "b2", "c2"]
    assert bodies == ["a", "b2", "c2"]
    assert [each.step_id for each in journal(app, workflow_id, Kind.PATCH)] == ["$patch[second b]"]


@pytest.mark.parametrize("options", VERSIONING)
def test_a_patch_does_not_apply_where_the_old_path_was_recorded(app: Holdfast, options: dict[str, Any]) -> None:
    workflow_id = suspended(app, deploy(unpatched, **options))
    deploy(patched_before_b, **options)
    assert go(app, workflow_id) == ["a", "b", "c"]
    assert bodies == ["a", "b", "c"]


@pytest.mark.parametrize("options", VERSIONING)
def test_a_patch_applies_where_the_journal_ends(app: Holdfast, options: dict[str, Any]) -> None:
    workflow_id = suspended(app, deploy(unpatched, **options))
    deploy(patched_at_the_end, **options)
    assert go(app, workflow_id) == ["a", "b", "c2"]
    assert bodies == ["a", "b", "c2"]


def test_a_patch_whose_guard_is_gone_is_replayed_without_it(app: Holdfast) -> None:
    def only_the_new_path() -> list[str]:
        done = [named("a"), named("b2")]
        recv("go")
        return [*done, named("c2")]

    workflow_id = suspended(app, deploy(patched_before_b, version="1"))
    deploy(only_the_new_path, version="1")
    assert go(app, workflow_id) == ["a", "b2", "c2"]


def test_a_patch_before_a_wait_that_has_begun_with_a_time_limit_does_not_apply(app: Holdfast) -> None:
    def waits() -> list[str]:
        recv("go", timeout=60)
        return []

    def patched_before_the_wait() -> list[str]:
        done = [named("new")] if patched("do it first") else []
        recv("go", timeout=60)
        return done

    workflow_id = suspended(app, deploy(waits, version="1"))
    deploy(patched_before_the_wait, version="1")
    assert go(app, workflow_id) == []


def test_each_branch_is_asked_for_itself_and_opens_others_that_follow_it(app: Holdfast) -> None:
    def one(what: str) -> str:
        return named(what)

    def old() -> list[str]:
        done = gather(lambda: one("x"), lambda: "")
        recv("go")
        return done

    def new_one(what: str) -> str:
        inner = gather(lambda: named(what + "2") if patched("inner") else named(what))
        return inner[0] if patched("inner") else "impossible"

    def new() -> list[str]:
        done = gather(lambda: named("x2") if patched("p") else named("x"), lambda: new_one("y"))
        recv("go")
        return done

    workflow_id = suspended(app, deploy(old, version="1"))
    deploy(new, version="1")
    assert go(app, workflow_id) == ["x", "y2"]
    found = {each.step_id: each.output for each in journal(app, workflow_id, Kind.PATCH)}
    assert found == {
        "gather#1/$patch[p]": "false",
        "gather#2/gather#1/$patch[inner]": "true",
        "gather#2/$patch[inner]": "true",
    }


def test_a_branch_that_is_opened_after_an_answer_follows_it(app: Holdfast) -> None:
    def old() -> list[str]:
        done = [named("a")]
        recv("go")
        return done + gather(lambda: named("x"), lambda: named("y"))

    def new() -> list[str]:
        done = [named("a2") if patched("p") else named("a")]
        recv("go")
        return done + gather(lambda: named("x2") if patched("p") else named("x"), lambda: named("y"))

    workflow_id = suspended(app, deploy(old, version="1"))
    deploy(new, version="1")
    assert go(app, workflow_id) == ["a", "x", "y"]


def test_what_was_recorded_within_branches_counts_for_the_branch_that_opens_them(app: Holdfast) -> None:
    def old() -> list[str]:
        done = gather(lambda: named("x"), lambda: named("y"))
        recv("go")
        return done

    def new() -> list[str]:
        more = patched("more")
        done = gather(lambda: named("x2") if patched("more") else named("x"), lambda: named("y"))
        recv("go")
        return [*done, named("more")] if more else done

    workflow_id = suspended(app, deploy(old, version="1"))
    deploy(new, version="1")
    assert go(app, workflow_id) == ["x", "y"]


def test_a_patch_is_written_with_what_is_written_anyway(app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain() -> list[str]:
        return [named("a")]

    def guarded() -> list[str]:
        return [named("a")] if patched("p") else []

    submitted: list[Unit] = []
    submit = app.engine.committer.submit

    def noting(unit: Unit, *, awaited: bool = False) -> Ticket:
        submitted.append(unit)
        return submit(unit, awaited=awaited)

    monkeypatch.setattr(app.engine.committer, "submit", noting)

    def units_of(code: Callable[[], list[str]]) -> int:
        submitted.clear()
        assert deploy(code)() == ["a"]
        return sum(unit.fence is not None for unit in submitted)

    assert units_of(guarded) == units_of(plain) > 0


async def test_a_coroutine_is_patched_and_resumed_the_same_way(store_url: str) -> None:
    async def old() -> list[str]:
        done = [await do_async("a"), *await agather(do_async("x"), do_async("y"))]
        await arecv("go")
        return done

    async def new() -> list[str]:
        first = await do_async("a2") if patched("p") else await do_async("a")
        done = [first, *await agather(do_async("x"), do_async("y"))]
        await arecv("go")
        return [*done, await do_async("b")] if patched("q") else done

    async with Holdfast(store_url, config=QUICK) as app:
        handle = await astart(deploy(old))
        await aeventually(lambda: app.get_workflow(handle.id).status is Status.SUSPENDED)
        deploy(new)
        await asend(handle.id, "now", topic="go")
        assert await handle.aresult(timeout=20) == ["a", "x", "y", "b"]
    assert sorted(bodies) == ["a", "b", "x", "y"]


def test_a_patch_applies_outside_a_workflow() -> None:
    assert patched("p")


def test_a_patch_inside_a_step_is_an_error(app: Holdfast) -> None:
    @step
    def asks() -> bool:
        return patched("p")

    def code() -> list[str]:
        with pytest.raises(UsageError, match="inside step"):
            asks()
        return []

    deploy(code)()


# Pinned versions


def pinned_a() -> list[str]:
    recv("go")
    return [named("old")]


def pinned_b() -> list[str]:
    recv("go")
    return [named("new")]


def other_version(app: Holdfast) -> list[VersionCount]:
    return [each for each in app.waiting_for_version() if each.name == "changing"]


@pytest.mark.parametrize(
    ("config", "options"),
    [
        pytest.param(QUICK, {"on_new_version": "pin"}, id="by decorator"),
        pytest.param(replace(QUICK, on_new_version="pin"), {}, id="by configuration"),
    ],
)
def test_a_pinned_workflow_waits_for_a_worker_with_its_version(
    store_url: str, config: Config, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(store_url, config=config) as app:
        workflow_id = suspended(app, deploy(pinned_a, version="1", **options))
        new = deploy(pinned_b, version="2", **options)
        assert other_version(app) == [
            VersionCount(name="changing", version="1", enqueued=0, suspended=1, running=0, set_aside=0)
        ]
        send(workflow_id, "now", topic="go")
        eventually(lambda: [each for each in caplog.records if getattr(each, "action", "") == "other_version"])
        assert app.get_workflow(workflow_id).status is Status.ENQUEUED
        assert go(app, suspended(app, new)) == ["new"]
        workflow(name="changing", version="1", **options)(pinned_a)
        app.engine.hub.work.set()
        assert app.retrieve(workflow_id).result(timeout=20) == ["old"]
        assert other_version(app) == []


def test_a_pinned_workflow_that_says_resume_is_resumed(store_url: str) -> None:
    with Holdfast(store_url, config=replace(QUICK, on_new_version="pin")) as app:
        workflow_id = suspended(app, deploy(pinned_a, version="1", on_new_version="resume"))
        deploy(pinned_b, version="2", on_new_version="resume")
        assert go(app, workflow_id) == ["new"]


def test_versions_beside_one_another_go_on_with_their_own_code(app: Holdfast) -> None:
    old_id = suspended(app, deploy(pinned_a, version="1"))
    new_id = suspended(app, workflow(name="changing", version="2")(pinned_b))
    assert go(app, old_id) == ["old"]
    assert go(app, new_id) == ["new"]
    for workflow_id in (old_id, new_id):
        assert journal(app, workflow_id, Kind.VERSION) == []


def test_a_newer_function_beside_an_older_one_that_states_its_version_is_the_newest(app: Holdfast) -> None:
    deploy(pinned_a, version="1")
    workflow(name="changing")(pinned_b)
    newest = registry.workflow("changing")
    assert newest is not None
    assert newest.function is pinned_b
    older = registry.workflow("changing", "1")
    assert older is not None
    assert older.function is pinned_a


def test_two_functions_of_one_name_that_state_no_version_are_refused() -> None:
    deploy(pinned_a)
    elsewhere = FunctionType(pinned_b.__code__.replace(co_filename="elsewhere.py"), globals())
    elsewhere.__module__ = "elsewhere"
    with pytest.raises(AlreadyRegistered, match="give it the version"):
        workflow(name="changing")(elsewhere)


def test_two_functions_of_one_name_and_version_are_refused() -> None:
    deploy(pinned_a, version="1")
    elsewhere = FunctionType(pinned_b.__code__.replace(co_filename="elsewhere.py"), globals())
    elsewhere.__module__ = "elsewhere"
    with pytest.raises(AlreadyRegistered, match="changing"):
        workflow(name="changing", version="1")(elsewhere)


@pytest.mark.parametrize("options", [{"on_new_version": "keep"}, {"version": ""}, {"version": "a\nb"}])
def test_a_bad_option_is_refused_where_it_is_given(options: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, UsageError)):
        workflow(**options)


def test_a_bad_rule_for_new_versions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="on_new_version"):
        Config(on_new_version="keep")  # type: ignore[arg-type]  # what is tested

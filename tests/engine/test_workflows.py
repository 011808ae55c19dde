"""Workflows: called, started, found again by id, and how they end."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from holdfast import (
    Config,
    Handle,
    Holdfast,
    Kind,
    Status,
    WorkflowFilter,
    astart,
    options,
    retrieve,
    start,
    step,
    workflow,
    workflow_id,
)
from holdfast.api.decorators import definition_of
from holdfast.core.model import Outcome
from holdfast.core.options import StartOptions
from holdfast.errors import (
    BlockingCallOnEventLoop,
    ConfigurationError,
    NotLaunched,
    PayloadError,
    ResultTimeout,
    WorkflowFailed,
    WorkflowIdConflict,
    WorkflowNotFound,
)
from holdfast.runtime import starting
from holdfast.runtime.effects import drive
from holdfast.store.writes import Committed, Unit
from tests.engine.conftest import QUICK
from tests.helpers import eventually

calls: list[object] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


@step
def double(number: int) -> int:
    """Double a number."""
    calls.append(number)
    return 2 * number


@workflow
def quadruple(number: int) -> int:
    """Double a number twice."""
    return double(double(number))


@workflow
def lists() -> list[int]:
    return [1]


@workflow
async def aquadruple(number: int) -> int:
    return await adouble(await adouble(number))


@step
async def adouble(number: int) -> int:
    calls.append(number)
    return 2 * number


@workflow
def parent(number: int) -> int:
    return quadruple(number) + start(quadruple, number).result()


@workflow
async def aparent(number: int) -> int:
    handle = await astart(aquadruple, number)
    return await aquadruple(number) + await handle


class Declined(Exception):
    """A failure of the application's own, with a field."""

    def __init__(self, code: int) -> None:
        super().__init__(f"declined with code {code}")
        self.code = code


@workflow
def failing(code: int) -> None:
    raise Declined(code)


@workflow
def needs_a_set_of_functions(value: object) -> object:
    return value


def test_a_decorated_function_keeps_its_signature_docstring_and_colour() -> None:
    assert quadruple.__name__ == "quadruple"
    assert quadruple.__doc__ == "Double a number twice."
    assert list(inspect.signature(quadruple).parameters) == ["number"]
    assert not inspect.iscoroutinefunction(quadruple)
    assert inspect.iscoroutinefunction(aquadruple)
    assert inspect.isfunction(quadruple)


def test_without_an_application_a_workflow_is_a_plain_call() -> None:
    assert quadruple(3) == 12


def test_a_plain_call_runs_durably_and_returns_the_result(app: Holdfast) -> None:
    assert quadruple(3) == 12
    (record,) = app.list_workflows()
    assert (record.name, record.status, record.output) == ("quadruple", Status.SUCCEEDED, "12")
    journal = app.get_journal(record.workflow_id)
    assert [(c.step_id, c.kind, c.output) for c in journal] == [
        ("double#1", Kind.STEP, "6"),
        ("double#2", Kind.STEP, "12"),
    ]


def test_a_workflow_of_n_steps_costs_n_plus_one_commits(app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[Sequence[Unit]] = []
    commit = app.store.commit

    def counted(units: Sequence[Unit]) -> Committed:
        if any(unit.fence is not None for unit in units):
            batches.append(units)
        return commit(units)

    monkeypatch.setattr(app.store, "commit", counted)
    quadruple(3)
    assert len(batches) == 2 + 1


def test_start_returns_a_handle_before_the_end(app: Holdfast) -> None:
    handle = start(quadruple, 4)
    assert isinstance(handle, Handle)
    assert handle.result(timeout=10) == 16
    assert handle.status() is Status.SUCCEEDED
    assert retrieve(handle.id).result() == 16


async def test_asyncio_programs_call_start_and_await(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK):
        assert await aquadruple(3) == 12
        handle = await astart(aquadruple, 4)
        assert await handle == 16
        handle = await astart(quadruple, 5)
        assert await handle == 20
        assert await options(id="six").call(aquadruple, 6) == 24
        assert await retrieve("six") == 24


def test_an_async_workflow_can_be_started_from_a_blocking_program(app: Holdfast) -> None:
    assert start(aquadruple, 2).result(timeout=10) == 8


def test_the_same_id_is_the_same_workflow(app: Holdfast) -> None:
    first = options(id="refund-1").start(quadruple, 1)
    assert first.result() == 4
    again = options(id="refund-1").start(quadruple, 1)
    assert again.id == first.id
    assert again.result() == 4
    assert options(id="refund-1").call(quadruple, 1) == 4
    assert calls == [1, 2]


def test_the_same_id_for_another_input_or_function_is_a_conflict(app: Holdfast) -> None:
    options(id="refund-1").start(quadruple, 1).result()
    with pytest.raises(WorkflowIdConflict, match="refund-1"):
        options(id="refund-1").start(quadruple, 2)
    with pytest.raises(WorkflowIdConflict, match="failing"):
        options(id="refund-1").call(failing, 1)


def test_children_are_called_and_started(app: Holdfast) -> None:
    assert parent(2) == 16
    records = {record.workflow_id: record for record in app.list_workflows()}
    top = next(record for record in records.values() if record.name == "parent")
    children = [record for record in records.values() if record.parent_id == top.workflow_id]
    assert sorted(child.workflow_id for child in children) == [
        f"{top.workflow_id}/quadruple#1",
        f"{top.workflow_id}/quadruple#2",
    ]
    kinds = [(c.kind, c.name) for c in app.get_journal(top.workflow_id)]
    assert kinds == [(Kind.CHILD, "quadruple"), (Kind.START, "quadruple"), (Kind.RESULT, "result")]


async def test_async_children_are_called_and_started(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK):
        assert await aparent(2) == 16


def test_a_failure_is_recorded_and_raised_to_all_who_ask(app: Holdfast) -> None:
    with pytest.raises(Declined, match="declined with code 7"):
        failing(7)
    handle = options(id="f").start(failing, 8)
    with pytest.raises(Declined) as caught:
        handle.result(timeout=10)
    assert caught.value.code == 8
    assert handle.status() is Status.FAILED


def test_a_failure_of_a_type_this_program_does_not_have_is_told_in_words(app: Holdfast) -> None:
    @workflow
    def raises_a_passing_type() -> None:
        passing = type("Passing", (Exception,), {})
        raise passing("gone with the program")

    handle = start(raises_a_passing_type)
    with pytest.raises(Exception, match="gone with the program") as caught:
        handle.result(timeout=10)
    assert isinstance(caught.value, WorkflowFailed) or type(caught.value).__name__ == "Passing"


def test_an_argument_that_cannot_come_back_is_refused_before_anything_is_written(app: Holdfast) -> None:
    with pytest.raises(PayloadError, match="needs_a_set_of_functions"):
        start(needs_a_set_of_functions, {"a": [print]})
    assert app.list_workflows() == []


def test_a_result_that_cannot_come_back_fails_the_workflow_by_name(app: Holdfast) -> None:
    @workflow
    def returns_a_function() -> object:
        return print

    with pytest.raises(PayloadError, match="returns_a_function"):
        returns_a_function()


def test_results_can_be_waited_for_with_a_limit(app: Holdfast) -> None:
    from holdfast import recv

    @workflow
    def waits_for_ever() -> None:
        recv()

    handle = start(waits_for_ever)
    with pytest.raises(ResultTimeout, match=handle.id):
        handle.result(timeout=0.2)
    handle.cancel()


def test_an_unknown_id_is_an_error_that_names_it(app: Holdfast) -> None:
    with pytest.raises(WorkflowNotFound, match="nobody"):
        retrieve("nobody").status()
    with pytest.raises(WorkflowNotFound, match="nobody"):
        retrieve("nobody").result()


def test_verbs_without_an_application_say_how_to_get_one() -> None:
    with pytest.raises(NotLaunched, match="with Holdfast"):
        start(quadruple, 1)


def test_only_workflows_can_be_started(app: Holdfast) -> None:
    with pytest.raises(ConfigurationError, match="@workflow"):
        start(double, 1)


async def test_a_blocking_verb_on_an_event_loop_names_its_twin(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK):
        with pytest.raises(BlockingCallOnEventLoop, match="astart"):
            start(quadruple, 1)
        with pytest.raises(BlockingCallOnEventLoop, match="astart"):
            quadruple(1)
        with pytest.raises(BlockingCallOnEventLoop, match="await handle"):
            retrieve("x").result()


def test_workflows_are_listed_by_filter(app: Holdfast) -> None:
    quadruple(1)
    options(id="named").call(quadruple, 2)
    with pytest.raises(Declined):
        failing(1)
    assert len(app.list_workflows()) == 3
    assert [r.workflow_id for r in app.list_workflows(WorkflowFilter(id_prefix="nam"))] == ["named"]
    assert [r.name for r in app.list_workflows(WorkflowFilter(status=(Status.FAILED,)))] == ["failing"]


class Greeter:
    """Workflows as methods."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    @workflow
    def greet(self, name: str) -> str:
        return f"{self.greeting}, {self.polish(name)}"

    @step
    def polish(self, name: str) -> str:
        return name.title()

    @staticmethod
    @workflow
    def shout(name: str) -> str:
        return name.upper()

    @classmethod
    @workflow
    def kind_of(cls, name: str) -> str:
        return f"{cls.__name__} {name}"


def test_methods_of_every_sort_are_workflows(app: Holdfast) -> None:
    greeter = Greeter("Hello")
    app.register(greeter, name="polite")
    assert greeter.greet("ada") == "Hello, Ada"
    assert start(greeter.greet, "bob").result(timeout=10) == "Hello, Bob"
    assert Greeter.shout("ada") == "ADA"
    assert Greeter.kind_of("x") == "Greeter x"


def test_an_instance_without_a_name_is_refused_with_the_way_out(app: Holdfast) -> None:
    with pytest.raises(ConfigurationError, match=r"app\.register"):
        Greeter("Hi").greet("ada")


def test_the_running_workflow_knows_its_id(app: Holdfast) -> None:
    @workflow
    def who_am_i() -> str:
        return workflow_id()

    assert options(id="me").call(who_am_i) == "me"


def test_an_application_can_be_launched_again_after_it_was_closed(store_url: str) -> None:
    app = Holdfast(store_url, config=QUICK)
    for number in (1, 2):
        with app:
            assert app.options(id="the same").call(quadruple, 1) == 4, number
            assert app.get_workflow("the same").epoch == 1


def test_a_delayed_workflow_starts_when_it_is_due_not_when_somebody_happens_to_look(store_url: str) -> None:
    with Holdfast(store_url, config=Config(poll=100)) as app:
        assert quadruple(1) == 4  # by now the worker has looked, and waits
        assert app.options(delay=0.2).start(quadruple, 1).result(timeout=20) == 4


def test_the_result_of_a_workflow_that_ran_here_needs_no_query(app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    store = app.engine.store
    asked: list[object] = []
    outcomes = store.outcomes

    def noted(workflow_ids: Sequence[str]) -> dict[str, Outcome]:
        asked.append(workflow_ids)
        return outcomes(workflow_ids)

    monkeypatch.setattr(store, "outcomes", noted)
    handles = [start(quadruple, number) for number in range(20)]
    assert [handle.result() for handle in handles] == [4 * number for number in range(20)]
    assert not asked
    remembered = handles[3].id
    del handles
    # Nobody has kept its place: the database knows.
    assert Handle(remembered).result() == 12
    assert asked


def test_a_workflow_that_ended_before_its_handle_was_made_needs_no_query_either(
    app: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = drive(starting.start(app.engine, starting.Call(definition_of(quadruple), (3,), {}), StartOptions()))
    eventually(lambda: not app.engine.running)
    asked: list[object] = []
    monkeypatch.setattr(app.engine.store, "outcomes", asked.append)
    assert Handle.of(started, int, app.engine).result() == 12
    assert not asked


def test_each_result_is_a_value_of_its_own(app: Holdfast) -> None:
    handle = start(lists)
    handle.result().append(2)
    assert handle.result() == [1]

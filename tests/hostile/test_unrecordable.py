"""Values and errors whose own code fails when it is asked anything: told, recorded, and of no matter to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from holdfast import Holdfast, Status, options, send, step, transaction, workflow
from holdfast.errors import HoldfastError, PayloadError

attempts: list[str] = []


class Refuses:
    """Raises whatever it is asked."""

    def _no(self, *_: object) -> NoReturn:
        raise RuntimeError("do not look at me")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __reduce_ex__ = _no


class RefusesAsError(Exception):
    """An error that can neither be shown nor made again by its type."""

    def __init__(self, one: object, two: object, *, three: object) -> None:
        super().__init__(one, two)
        self.three = three

    def __str__(self) -> str:
        raise RuntimeError("do not print me")

    __repr__ = __str__

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("do not copy me")


def unprintable() -> RefusesAsError:
    return RefusesAsError(Refuses(), 2, three=Refuses())


@step
def odd_result() -> Any:
    attempts.append("result")
    return Refuses()


@step(retries=2, backoff=0.001)
def odd_error() -> None:
    attempts.append("error")
    raise unprintable()


@transaction
def odd_transaction(*, fails: bool) -> Any:
    attempts.append("transaction")
    if fails:
        raise unprintable()
    return Refuses()


@step
def odd_takes(value: object) -> int:
    attempts.append("argument")
    return 1


@workflow
def odd_workflow(what: str) -> str:
    actions: dict[str, Callable[[], object]] = {
        "result": odd_result,
        "error": odd_error,
        "transaction": lambda: odd_transaction(fails=False),
        "failing transaction": lambda: odd_transaction(fails=True),
        "argument": lambda: odd_takes(Refuses()),
        "message": lambda: send("nobody", Refuses(), topic="t"),
    }
    try:
        actions[what]()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return type(error).__name__
    return "nothing"


@workflow
def odd_fails() -> None:
    raise unprintable()


@workflow
def odd_gives() -> Any:
    return Refuses()


@workflow
def odd_takes_it(value: object) -> None:
    attempts.append("workflow")


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    attempts.clear()
    with Holdfast(store_url) as launched:
        yield launched


CASES = [
    ("result", "PayloadError", 1),
    ("error", "RefusesAsError", 3),
    ("transaction", "PayloadError", 1),
    ("failing transaction", "RefusesAsError", 1),
    # What a step takes is not recorded, it need only be the same again.
    ("argument", "nothing", 1),
    ("message", "PayloadError", 0),
]


@pytest.mark.parametrize(("what", "error", "bodies"), CASES)
def test_what_refuses_to_be_looked_at_is_an_error_at_its_place_and_its_outcome_is_kept(
    app: Holdfast, what: str, error: str, bodies: int
) -> None:
    assert options(id="odd").start(odd_workflow, what).result(30) == error
    assert len(attempts) == bodies
    # The journal reads, and a second look at the workflow runs nothing.
    assert all((check.error is None) is (error == "nothing") for check in app.get_journal("odd"))
    assert len(app.get_journal("odd")) == (bodies > 0)


def test_an_argument_that_refuses_to_be_looked_at_starts_nothing(app: Holdfast) -> None:
    with pytest.raises(PayloadError):
        options(id="odd").start(odd_takes_it, Refuses())
    assert attempts == []
    assert app.list_workflows() == []


def test_a_workflow_whose_own_error_can_not_be_shown_has_failed_and_says_so(app: Holdfast) -> None:
    handle = options(id="odd").start(odd_fails)
    with pytest.raises((RefusesAsError, HoldfastError)):
        handle.result(30)
    assert handle.status() is Status.FAILED
    with pytest.raises((RefusesAsError, HoldfastError)):
        app.retrieve("odd").result(30)
    with pytest.raises(PayloadError):
        options(id="gives").start(odd_gives).result(30)
    assert options(id="well").start(odd_workflow, "error").result(30) == "RefusesAsError"

"""What a type checker knows of decorated functions and handles.

`make types` is the test: mypy holds every `assert_type`, and reports each `type: ignore` that hides no error.
Nothing here is run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from holdfast import Handle, astart, map, run_step, start, step, transaction, workflow


@step(retries=5, timeout=30)
def pay_back(order_id: int, *, reason: str = "") -> str:
    return f"{order_id} {reason}"


@step
async def ask_model(prompt: str) -> list[str]:
    return [prompt]


@transaction
def find_price(order_id: int) -> float | None:
    return float(order_id)


@workflow
def refund(order_id: int) -> str:
    assert_type(find_price(order_id), float | None)
    return pay_back(order_id, reason="broken")


@workflow(name="chat", suspend=False)
async def chat(prompt: str) -> list[str]:
    return await ask_model(prompt)


class Desk:
    @staticmethod
    @step
    def opening(day: str) -> int:
        return len(day)

    @classmethod
    @step
    def named(cls, name: str) -> str:
        return cls.__name__ + name

    @workflow
    def serve(self, customer: str) -> bool:
        return bool(customer)


def decorated_functions_keep_their_types() -> None:
    as_it_was: Callable[[int], str] = refund
    assert_type(as_it_was(1), str)
    assert_type(refund(1), str)
    assert assert_type(chat("hello"), Coroutine[Any, Any, list[str]]) is not None
    assert_type(Desk.opening("Monday"), int)
    assert_type(Desk.named("x"), str)
    assert_type(Desk().serve("Ada"), bool)


def wrong_arguments_are_found() -> None:
    refund("1")  # type: ignore[arg-type] # an order's number is no text
    pay_back(1, "broken")  # type: ignore[call-arg] # the reason is keyword-only
    start(refund, "1")  # type: ignore[call-overload] # as in a plain call
    Desk().serve(1)  # type: ignore[arg-type] # as in a plain call


async def handles_know_their_result() -> None:
    assert_type(start(refund, 1), Handle[str])
    assert_type(start(chat, "hello"), Handle[list[str]])
    assert_type(start(Desk().serve, "Ada"), Handle[bool])
    assert_type(start(refund, 1).result(timeout=5), str)
    handle = await astart(chat, "hello")
    assert_type(handle, Handle[list[str]])
    assert_type(await handle, list[str])


def undecorated_functions_are_steps_with_their_types() -> None:
    assert_type(run_step("double", len, "text"), int)
    assert_type(map(pay_back, [1, 2]), list[str])

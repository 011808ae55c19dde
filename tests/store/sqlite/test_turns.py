from __future__ import annotations

import threading

from holdfast.store.sqlite.turns import FairLock
from tests.helpers import eventually


def test_turns_are_given_in_the_order_of_asking() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    order: list[int] = []

    def take(number: int) -> None:
        assert lock.acquire(10)
        order.append(number)
        lock.release()

    threads = []
    for number in range(5):
        thread = threading.Thread(target=take, args=(number,))
        threads.append(thread)
        thread.start()
        eventually(lambda wanted=number + 1: len(lock._waiting) == wanted)  # type: ignore[misc]  # mypy does not infer a lambda with a default
    lock.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_asks_again_at_once_waits_for_those_who_asked_before() -> None:
    lock = FairLock()
    lock.acquire(1)
    order: list[str] = []

    def take() -> None:
        lock.acquire(10)
        order.append("other")
        lock.release()

    other = threading.Thread(target=take)
    other.start()
    eventually(lambda: len(lock._waiting) == 1)
    lock.release()
    lock.acquire(10)
    order.append("again")
    lock.release()
    other.join()
    assert order == ["other", "again"]


def test_who_gives_up_waiting_is_passed_over() -> None:
    lock = FairLock()
    lock.acquire(1)
    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0)
    assert lock.is_mine
    lock.release()
    assert not lock.is_mine

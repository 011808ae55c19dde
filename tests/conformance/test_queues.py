"""Queues: who is let in, how many, in whose turn; what has a key; what a queue tells of itself."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.model import Fence, Status
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.errors import ConfigurationError
from holdfast.store.base import Store
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.writes import Claim, Create, Finish, Progressed, Release, Resume, TakeOver, Unit
from tests.conformance.kit import START, Bench, FakeClock, for_message, new


def declare(bench: Bench, name: str = "mail", **limits: Any) -> None:
    bench.write(DeclareQueue(queue=Queue(name, **limits)))


def enqueue(bench: Bench, *workflow_ids: str, queue: str = "mail", **fields: Any) -> None:
    for workflow_id in workflow_ids:
        bench.start(workflow_id, owner=None, queue=queue, **fields)


def let_in(bench: Bench, worker_id: str = "w1", queue_limit: int = 10, **fields: Any) -> list[str]:
    return bench.claim(worker_id, queue_limit=queue_limit, **fields)


def fence(bench: Bench, workflow_id: str) -> Fence:
    return Fence(workflow_id=workflow_id, epoch=bench.get(workflow_id).epoch)


def end(bench: Bench, *workflow_ids: str) -> None:
    for workflow_id in workflow_ids:
        bench.finish(fence(bench, workflow_id))


def state(bench: Bench, name: str = "mail") -> QueueState:
    return {each.queue.name: each for each in bench.store.queues()}[name]


def test_what_is_in_a_queue_is_taken_only_by_who_asks_for_queues(bench: Bench) -> None:
    declare(bench)
    enqueue(bench, "one")
    assert bench.last.ready
    bench.start("plain", owner=None)
    assert bench.claim(queue_limit=0) == ["plain"]
    assert let_in(bench, queues=("other",)) == []
    assert let_in(bench, queues=("mail",)) == ["one"]
    found = bench.get("one")
    assert (found.status, found.owner, found.epoch, found.queue) == (Status.RUNNING, "w1", 1, "mail")


def test_no_more_than_the_limit_run_at_once_whoever_claims(bench: Bench) -> None:
    declare(bench, concurrency=2)
    enqueue(bench, "1", "2", "3", "4")
    assert let_in(bench, "w1") == ["1", "2"]
    assert let_in(bench, "w2") == []
    end(bench, "1")
    assert bench.last.ready
    assert let_in(bench, "w2") == ["3"]
    assert let_in(bench, "w1") == []


def test_no_more_than_the_limit_run_at_once_in_one_worker(bench: Bench) -> None:
    declare(bench, concurrency=3, worker_concurrency=2)
    enqueue(bench, "1", "2", "3", "4")
    assert let_in(bench, "w1") == ["1", "2"]
    assert let_in(bench, "w2") == ["3"]
    end(bench, "1")
    assert let_in(bench, "w2") == ["4"]


@pytest.mark.parametrize("leave", ["suspend", "block", "release"])
def test_a_place_is_free_once_its_workflow_is_in_memory_no_more(bench: Bench, leave: str) -> None:
    declare(bench, concurrency=1)
    enqueue(bench, "1", "2")
    assert let_in(bench) == ["1"]
    if leave == "suspend":
        bench.sleep(fence(bench, "1"), for_message("1"))
    elif leave == "block":
        bench.block(fence(bench, "1"))
    else:
        bench.write(Release(), fence=fence(bench, "1"))
    assert bench.last.ready
    assert let_in(bench) == ["1" if leave == "release" else "2"]


def test_a_suspended_one_keeps_its_place_if_the_queue_says_so(bench: Bench) -> None:
    declare(bench, concurrency=1, hold_while_suspended=True)
    enqueue(bench, "1", "2")
    assert let_in(bench) == ["1"]
    bench.sleep(fence(bench, "1"), for_message("1"))
    assert let_in(bench) == []
    bench.tell("1")
    assert let_in(bench) == ["1"]
    assert let_in(bench) == []
    end(bench, "1")
    assert let_in(bench) == ["2"]


def test_a_woken_one_needs_a_place_and_goes_before_new_ones(bench: Bench) -> None:
    declare(bench, concurrency=1)
    enqueue(bench, "1", "2", "3")
    assert let_in(bench) == ["1"]
    bench.sleep(fence(bench, "1"), wake_at=START + 5)
    assert let_in(bench) == ["2"]
    bench.clock.advance(10)
    assert let_in(bench) == []
    end(bench, "2")
    assert let_in(bench) == ["1"]


def test_a_dead_workers_places_are_taken_over_not_doubled(bench: Bench) -> None:
    declare(bench, concurrency=1)
    bench.register("w1", "w2")
    enqueue(bench, "1", "2")
    assert let_in(bench, "w1") == ["1"]
    assert let_in(bench, "w2") == []
    bench.ask(TakeOver(worker_id="w1", crash_limit=3))
    assert let_in(bench, "w2") == ["1"]
    assert let_in(bench, "w2") == []


def test_one_suspect_at_a_time_comes_back_from_queues(bench: Bench) -> None:
    declare(bench)
    bench.register("w1", "w2")
    enqueue(bench, "1", "2", "3")
    let_in(bench, "w1", queue_limit=2)
    bench.ask(TakeOver(worker_id="w1", crash_limit=3))
    assert let_in(bench, "w2", accused_from=1) == ["3"]
    assert let_in(bench, "w2") == ["1"]
    assert let_in(bench, "w2") == []
    bench.write(Progressed(), fence=fence(bench, "1"))
    assert let_in(bench, "w2") == ["2"]


def test_accused_ones_that_come_back_to_their_queues_wait_for_a_claim_of_their_own(bench: Bench) -> None:
    declare(bench)
    bench.register("w1", "w2")
    enqueue(bench, "1", "2")
    let_in(bench, "w1", queue_limit=1)
    assert not bench.store.accused_wait(["refund"], 1)
    bench.ask(TakeOver(worker_id="w1", crash_limit=3))
    assert bench.store.accused_wait(["refund"], 1)
    assert let_in(bench, "w2", queue_limit=2, accused_from=1) == ["2"]
    assert let_in(bench, "w2", queue_limit=2, accused_from=1, accused=True) == ["1"]
    assert not bench.store.accused_wait(["refund"], 1)


def test_what_became_dead_leaves_its_place_and_lines_up_anew_when_resumed(bench: Bench) -> None:
    declare(bench, concurrency=1, hold_while_suspended=True)
    bench.register("w1", "w2")
    enqueue(bench, "1", "2")
    let_in(bench, "w1")
    bench.ask(TakeOver(worker_id="w1", crash_limit=1))
    assert bench.last.ready
    assert let_in(bench, "w2") == ["2"]
    bench.ask(Resume(workflow_id="1"))
    assert let_in(bench, "w2") == []
    end(bench, "2")
    assert let_in(bench, "w2") == ["1"]


def test_a_rate_holds_over_any_window(bench: Bench) -> None:
    declare(bench, rate=Rate(2, 10))
    enqueue(bench, "1", "2", "3", "4", "5")
    assert let_in(bench, queue_limit=1) == ["1"]
    bench.clock.advance(6)
    assert let_in(bench) == ["2"]
    end(bench, "1", "2")
    assert let_in(bench) == []
    assert bench.store.next_due_in_queues(["refund"], None, after=bench.clock.now) == START + 10
    bench.clock.advance(3.9)
    assert let_in(bench) == []
    bench.clock.advance(0.1)
    assert let_in(bench) == ["3"]
    bench.clock.advance(5)
    assert let_in(bench) == []
    bench.clock.advance(1)
    assert let_in(bench) == ["4"]


def test_going_on_is_no_start_for_a_rate(bench: Bench) -> None:
    declare(bench, rate=Rate(1, 10))
    enqueue(bench, "1", "2")
    assert let_in(bench) == ["1"]
    bench.write(Release(), fence=fence(bench, "1"))
    assert let_in(bench) == ["1"]
    bench.clock.advance(10)
    assert let_in(bench) == ["2"]


def test_partitions_take_turns_however_long_one_is(bench: Bench) -> None:
    declare(bench)
    enqueue(bench, *(f"a{number}" for number in range(6)), partition="a")
    enqueue(bench, "b0", "b1", partition="b")
    enqueue(bench, "c0", partition="c")
    assert let_in(bench, queue_limit=4) == ["a0", "b0", "c0", "a1"]
    assert let_in(bench, queue_limit=1) == ["b1"]
    assert let_in(bench, queue_limit=9) == ["a2", "a3", "a4", "a5"]


def test_turns_go_on_where_they_stopped_and_a_newcomer_has_one(bench: Bench) -> None:
    declare(bench, concurrency=1)
    for partition in ("a", "b", "d"):
        enqueue(bench, f"{partition}0", f"{partition}1", partition=partition)
    order = []
    for number in range(7):
        [one] = let_in(bench)
        order.append(one)
        end(bench, one)
        if number == 1:
            enqueue(bench, "c0", partition="c")
    assert order == ["a0", "b0", "c0", "d0", "a1", "b1", "d1"]


def test_a_partition_has_limits_of_its_own(bench: Bench) -> None:
    declare(bench, concurrency=3, partition_concurrency=1)
    enqueue(bench, "a0", "a1", partition="a")
    enqueue(bench, "b0", "b1", partition="b")
    enqueue(bench, "none")
    assert sorted(let_in(bench)) == ["a0", "b0", "none"]
    end(bench, "a0")
    assert let_in(bench) == ["a1"]
    end(bench, "none")
    assert let_in(bench) == []


def test_a_partition_has_a_rate_of_its_own(bench: Bench) -> None:
    declare(bench, partition_rate=Rate(1, 10), rate=Rate(3, 10))
    enqueue(bench, "a0", "a1", partition="a")
    enqueue(bench, "b0", "b1", partition="b")
    assert let_in(bench) == ["a0", "b0"]
    bench.clock.advance(5)
    enqueue(bench, "c0", partition="c")
    enqueue(bench, "d0", partition="d")
    assert let_in(bench) == ["c0"]
    bench.clock.advance(5)
    assert sorted(let_in(bench)) == ["a1", "d0"]
    bench.clock.advance(5)
    assert let_in(bench) == ["b1"]


def test_a_partition_that_is_full_keeps_no_other_from_going_on(bench: Bench) -> None:
    declare(bench, partition_concurrency=1)
    enqueue(bench, "a0", "a1", partition="a")
    enqueue(bench, "b0", partition="b")
    assert let_in(bench) == ["a0", "b0"]
    bench.sleep(fence(bench, "a0"), wake_at=START + 1)
    bench.sleep(fence(bench, "b0"), wake_at=START + 2)
    assert let_in(bench) == ["a1"]
    bench.clock.advance(5)
    assert let_in(bench) == ["b0"]
    end(bench, "a1")
    assert let_in(bench) == ["a0"]


def test_smaller_priorities_go_first_and_equal_ones_in_their_order(bench: Bench) -> None:
    declare(bench, concurrency=10)
    enqueue(bench, "late", priority=5, created_at=START - 9)
    enqueue(bench, "second", created_at=START - 1)
    enqueue(bench, "first", created_at=START - 2)
    enqueue(bench, "urgent", priority=-1)
    assert let_in(bench, queue_limit=2) == ["urgent", "first"]
    assert let_in(bench) == ["second", "late"]


def test_a_delayed_one_lines_up_when_its_time_has_come(bench: Bench) -> None:
    declare(bench)
    enqueue(bench, "delayed", wake_at=START + 10, priority=-1)
    assert not bench.last.ready
    enqueue(bench, "now")
    assert let_in(bench) == ["now"]
    assert bench.store.next_due_in_queues(["refund"], None, after=START) == START + 10
    assert bench.store.next_due_in_queues(["refund"], ["other"], after=START) is None
    assert bench.store.next_due(["refund"], after=START) is None
    bench.clock.advance(10)
    enqueue(bench, "later")
    assert let_in(bench) == ["delayed", "later"]


def test_a_paused_queue_starts_nothing_and_lets_go_on_what_has_begun(bench: Bench) -> None:
    declare(bench)
    enqueue(bench, "1", "2")
    assert let_in(bench, queue_limit=1) == ["1"]
    assert bench.ask(PauseQueue(name="mail", paused=True)) is True
    bench.write(Release(), fence=fence(bench, "1"))
    assert let_in(bench) == ["1"]
    declare(bench)
    assert state(bench).paused
    assert let_in(bench) == []
    assert bench.ask(PauseQueue(name="mail", paused=False)) is True
    assert bench.last.ready
    assert let_in(bench) == ["2"]
    assert bench.ask(PauseQueue(name="none", paused=True)) is False


def test_changed_limits_hold_at_once_and_until_the_declaration_changes(bench: Bench) -> None:
    declare(bench, concurrency=1)
    enqueue(bench, "1", "2", "3", "4")
    assert let_in(bench) == ["1"]
    assert bench.ask(ChangeQueue(queue=Queue("mail", concurrency=2))) is True
    assert bench.last.ready
    assert let_in(bench) == ["2"]
    declare(bench, concurrency=1)
    assert state(bench).queue.concurrency == 2
    declare(bench, concurrency=3)
    assert let_in(bench) == ["3"]
    assert bench.ask(ChangeQueue(queue=Queue("none"))) is False


def test_no_queue_starves_another(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        declare(bench, name)
        enqueue(bench, *(f"{name}{number}" for number in range(6)), queue=name)
    assert Counter(each[0] for each in let_in(bench, queue_limit=6)) == {"a": 2, "b": 2, "c": 2}
    declare(bench, "full", concurrency=1)
    enqueue(bench, "f1", "f2", queue="full")
    bench.clock.advance(1)
    assert Counter(each[0] for each in let_in(bench, queue_limit=9)) == {"a": 3, "b": 3, "c": 2, "f": 1}
    bench.clock.advance(1)
    order = [let_in(bench, queue_limit=1)[0] for _ in range(3)]
    assert [each[0] for each in order] == ["a", "b", "c"]


def test_unknown_names_keep_nobody_waiting(bench: Bench) -> None:
    declare(bench, concurrency=2)
    enqueue(bench, "other", name="other", partition="a")
    enqueue(bench, "mine", partition="a")
    enqueue(bench, "others", name="other", partition="b")
    assert let_in(bench) == ["mine"]
    assert bench.store.count_unknown(["refund"]) == {"other": 2}
    assert bench.store.count_unknown(["refund"], ["elsewhere"]) == {}


def test_a_pinned_one_is_left_in_line_for_a_worker_with_its_version(bench: Bench) -> None:
    declare(bench, concurrency=2)
    enqueue(bench, "old", "older", version="1")
    enqueue(bench, "new", version="2")
    assert bench.store.count_other_versions([("refund", "2")]) == {("refund", "1"): 2}
    assert let_in(bench, pinned=(("refund", "2"),)) == ["new"]
    bench.write(Release(), fence=fence(bench, "new"))
    assert let_in(bench, pinned=(("refund", "1"),), queue_limit=1) == ["old"]
    assert let_in(bench, pinned=(("refund", "2"),)) == ["new"]
    assert let_in(bench, pinned=(("refund", "1"),)) == []


def keyed(bench: Bench, workflow_id: str, key: str = "k", until: float | None = None, **fields: Any) -> str:
    """Create with a key; return whose handle one gets."""
    asked = new(workflow_id, owner=None, queue="mail", **fields)
    created = bench.ask(CreateKeyed(workflow=asked, key=key, until=until))
    return workflow_id if created.existing is None else str(created.existing.workflow_id)


def test_a_live_one_with_the_same_key_takes_the_place_of_a_second(bench: Bench) -> None:
    declare(bench)
    assert keyed(bench, "1") == "1"
    assert bench.last.ready
    assert keyed(bench, "2") == "1"
    assert keyed(bench, "3", key="other") == "3"
    assert bench.store.get_workflow("2") is None
    assert let_in(bench) == ["1", "3"]
    assert keyed(bench, "4") == "1"
    bench.sleep(fence(bench, "1"), for_message("1"))
    assert keyed(bench, "5") == "1"
    bench.tell("1")
    let_in(bench)
    end(bench, "1")
    assert keyed(bench, "6") == "6"


def test_a_keyed_creation_that_comes_again_is_the_same(bench: Bench) -> None:
    declare(bench)
    asked = CreateKeyed(workflow=new("1", owner=None, queue="mail"), key="k")
    assert bench.ask(asked).existing is None
    let_in(bench)
    end(bench, "1")
    assert bench.ask(asked).existing is None
    assert bench.ask(CreateKeyed(workflow=new("1", owner=None, queue="mail"), key="k")).existing is not None


def test_a_fenced_creation_with_a_key_is_refused_with_its_fence(bench: Bench) -> None:
    declare(bench)
    parent = bench.start("parent")
    asked = CreateKeyed(workflow=new("child", owner=None, queue="mail", parent_id="parent"), key="k")
    assert bench.ask(asked, parent).existing is None
    bench.finish(parent)
    later = CreateKeyed(workflow=new("late", owner=None, queue="mail", parent_id="parent"), key="late")
    assert bench.refused(later, fence=parent)
    assert bench.store.get_workflow("late") is None


def test_a_debounced_start_replaces_input_and_time_but_not_beyond_its_end(bench: Bench) -> None:
    declare(bench)
    hints: list[bool] = []

    def again(workflow_id: str, value: str) -> str:
        now = bench.clock.now
        whose = keyed(bench, workflow_id, until=now + 12, wake_at=now + 5, input=value, created_at=now)
        hints.append(bench.last.ready)
        return whose

    assert again("1", "[1]") == "1"
    bench.clock.advance(4)
    assert again("2", "[2]") == "1"
    bench.clock.advance(4)
    assert let_in(bench) == []
    assert again("3", "[3]") == "1"
    assert hints[1:] == [False, True]  # it is due before the last one that asked expects it
    assert (bench.get("1").input, bench.get("1").wake_at) == ("[3]", START + 12)
    bench.clock.advance(4)
    assert let_in(bench) == ["1"]
    assert again("4", "[4]") == "4"
    end(bench, "1")
    bench.clock.advance(5)
    assert let_in(bench) == ["4"]


def test_an_older_debounced_start_that_comes_late_does_not_bring_its_input_back(bench: Bench) -> None:
    declare(bench)
    keyed(bench, "1", until=START + 60, wake_at=START + 5, input="[1]", created_at=START)
    keyed(bench, "3", until=START + 60, wake_at=START + 7, input="[3]", created_at=START + 2)
    assert keyed(bench, "2", until=START + 60, wake_at=START + 6, input="[2]", created_at=START + 1) == "1"
    assert (bench.get("1").input, bench.get("1").wake_at) == ("[3]", START + 7)


def test_a_queue_tells_how_it_stands(bench: Bench) -> None:
    declare(bench, concurrency=2, rate=Rate(5, 60), partition_rate=Rate(1, 0.5), hold_while_suspended=True)
    declare(bench, "empty")
    enqueue(bench, "1", "2", "3", "4", partition="p", created_at=START - 30)
    enqueue(bench, "later", wake_at=START + 50)
    let_in(bench)
    bench.clock.advance(1)
    let_in(bench)
    bench.sleep(fence(bench, "1"), for_message("1"))
    found = state(bench)
    assert found.queue == Queue(
        "mail", concurrency=2, rate=Rate(5, 60), partition_rate=Rate(1, 0.5), hold_while_suspended=True
    )
    assert (found.depth, found.delayed, found.running, found.suspended, found.paused) == (3, 1, 1, 1, False)
    assert found.oldest_age == pytest.approx(31)
    assert bench.store.queue_names() == ["empty", "mail"]
    nothing = QueueState(
        queue=Queue("empty"), paused=False, depth=0, delayed=0, running=0, suspended=0, oldest_age=None
    )
    assert state(bench, "empty") == nothing


def test_claimers_at_once_never_exceed_the_limits(open_store: Callable[..., Store], clock: FakeClock) -> None:
    """Threads with stores of their own claim and finish as fast as they can; nobody but the database coordinates."""
    stores = [open_store() for _ in range(4)]
    queue = Queue("mail", concurrency=3, worker_concurrency=2, partition_concurrency=2)
    stores[0].commit([Unit(writes=(DeclareQueue(queue=queue),))])
    total = 60
    stores[0].commit(
        [
            Unit(writes=(Create(workflow=new(f"{n:02}", owner=None, queue="mail", partition=f"p{n % 2}")),))
            for n in range(total)
        ]
    )
    lock = threading.Lock()
    running: set[str] = set()
    worst: list[int] = []
    failures: list[BaseException] = []
    done = threading.Event()
    ended: list[str] = []

    def work(place: int) -> None:
        store, number = stores[place], 0
        try:
            while not done.is_set():
                number += 1
                claim = Claim(
                    claim_id=f"{place}-{number}", worker_id=f"w{place}", names=("refund",), limit=1, queue_limit=5
                )
                taken: list[str] = store.commit([Unit(writes=(claim,))]).receipts[0].results[0]
                with lock:
                    running.update(taken)
                    worst.append(len(running))
                for workflow_id in taken:
                    with lock:
                        running.discard(workflow_id)
                    unit = Unit(
                        writes=(Finish(status=Status.SUCCEEDED),), fence=Fence(workflow_id=workflow_id, epoch=1)
                    )
                    assert store.commit([unit]).receipts[0].accepted
                    ended.append(workflow_id)
                if len(ended) == total:
                    done.set()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
            done.set()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(ended) == [f"{n:02}" for n in range(total)]
    assert max(worst) <= 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Queue("mail", concurrency=0), "concurrency of queue 'mail'"),
        (lambda: Queue("mail", worker_concurrency=1.5), "worker_concurrency"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Queue("mail", partition_concurrency=True), "partition_concurrency"),
        (lambda: Queue("mail", rate=(1, 2)), "Rate"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Rate(0, 1), "limit of a Rate"),
        (lambda: Rate(1, 0), "period of a Rate"),
    ],
)
def test_bad_limits_fail_when_they_are_declared(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_what_waits_in_a_paused_queue_is_no_work(bench: Bench) -> None:
    declare(bench)
    enqueue(bench, "w", name="flow")
    assert bench.store.has_work(["flow"], 0.0)
    bench.ask(PauseQueue(name="mail", paused=True))
    assert not bench.store.has_work(["flow"], 0.0)
    bench.ask(PauseQueue(name="mail", paused=False))
    assert bench.store.has_work(["flow"], 0.0)

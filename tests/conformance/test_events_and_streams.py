"""Events are set once per write; stream items have offsets without gaps."""

from __future__ import annotations

import itertools
import threading

from holdfast.core.model import StreamItem
from holdfast.store.writes import Append, PutEvent, Record, Unit
from tests.conformance.kit import Bench, checkpoint


def put(value: str, write_id: str, name: str = "progress", workflow_id: str = "one") -> PutEvent:
    return PutEvent(workflow_id=workflow_id, name=name, value=value, write_id=write_id)


def append(value: str | None, write_id: str, stream: str = "out", workflow_id: str = "one") -> Append:
    return Append(workflow_id=workflow_id, stream=stream, value=value, write_id=write_id)


def test_an_event_has_the_value_set_last(bench: Bench) -> None:
    bench.start("one")
    assert bench.store.event("one", "progress") is None
    bench.write(put("1", "a"))
    bench.write(put("2", "b"))
    assert bench.store.event("one", "progress") == "2"
    assert bench.last.news == {"one"}


def test_a_write_that_comes_again_later_does_not_bring_its_value_back(bench: Bench) -> None:
    bench.start("one")
    bench.write(put("1", "a"))
    bench.write(put("2", "b"))
    bench.write(put("1", "a"))
    assert bench.store.event("one", "progress") == "2"


def test_events_have_names_and_workflows_of_their_own(bench: Bench) -> None:
    bench.start("one")
    bench.start("two")
    bench.write(put("1", "a"), put("2", "b", name="other"), put("3", "a", workflow_id="two"))
    assert [bench.store.event("one", "progress"), bench.store.event("one", "other")] == ["1", "2"]
    assert [bench.store.event("two", "progress"), bench.store.event("two", "other")] == ["3", None]


def test_items_have_offsets_from_zero_in_order(bench: Bench) -> None:
    bench.start("one")
    assert [bench.ask(append(str(number), f"w{number}")) for number in range(4)] == [0, 1, 2, 3]
    assert bench.store.stream("one", "out", 1, 2) == [StreamItem(offset=1, value="1"), StreamItem(offset=2, value="2")]
    assert bench.store.stream("one", "out", 4, 10) == []
    assert bench.last.news == {"one"}


def test_the_same_item_again_keeps_its_offset(bench: Bench) -> None:
    bench.start("one")
    assert bench.write(append("a", "w0"), append("b", "w1"), append("c", "w2")) == (0, 1, 2)
    assert bench.ask(append("b", "w1")) == 1
    assert len(bench.store.stream("one", "out", 0, 10)) == 3


def test_streams_count_separately(bench: Bench) -> None:
    bench.start("one")
    bench.start("two")
    writes = append("a", "w0"), append("b", "w1", stream="err"), append("c", "w0", workflow_id="two")
    assert bench.write(*writes) == (0, 0, 0)
    assert bench.ask(append("d", "w2")) == 1


def test_the_end_of_a_stream_is_an_item_without_a_value(bench: Bench) -> None:
    bench.start("one")
    bench.write(append("a", "w0"), append(None, "w1"))
    assert bench.store.stream("one", "out", 0, 10)[-1] == StreamItem(offset=1, value=None)


def test_items_and_events_of_a_workflow_stand_or_fall_with_its_checkpoint(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(Record(checkpoint=checkpoint("/write#1")), append("a", "w0"), put("1", "e0"), fence=fence)
    assert bench.steps("one") == ["/write#1"]
    assert [item.value for item in bench.store.stream("one", "out", 0, 10)] == ["a"]
    assert bench.store.event("one", "progress") == "1"


def test_concurrent_writers_leave_no_gap(bench: Bench) -> None:
    bench.start("one")
    stores = [bench.reopen() for _ in range(3)]
    given: list[list[int]] = [[] for _ in stores]

    def write_from(number: int) -> None:
        for item in range(30):
            units = [Unit(writes=(append(f'"{number}-{item}"', f"{number}-{item}"),))]
            [receipt] = stores[number].commit(units).receipts
            given[number].append(receipt.results[0])

    threads = [threading.Thread(target=write_from, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    items = bench.store.stream("one", "out", 0, 1000)
    assert [item.offset for item in items] == list(range(90))
    assert sorted(itertools.chain(*given)) == list(range(90))
    for number, offsets in enumerate(given):
        assert offsets == sorted(offsets)
        assert [items[offset].value for offset in offsets] == [f'"{number}-{item}"' for item in range(30)]

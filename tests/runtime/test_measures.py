from __future__ import annotations

from holdfast.core.model import Kind
from holdfast.runtime.measures import Histogram, Measures
from holdfast.store.writes import Record, Unit
from tests.conformance.kit import checkpoint


def test_a_histogram_counts_what_is_up_to_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.buckets() == [("1.0", 2), ("2.0", 3), ("+Inf", 4)]
    assert histogram.total == 12.0


def test_commits_their_size_and_the_steps_in_them_are_counted() -> None:
    times = iter([10.0, 10.5, 11.0, 12.0])
    measures = Measures(lambda: next(times))
    step = Record(checkpoint=checkpoint("pay#1", started_at=1.0, finished_at=3.0))
    sent = Record(checkpoint=checkpoint("send#1", kind=Kind.SEND))
    measures.begins()
    measures.committed([Unit(writes=(step, sent)), Unit(writes=(step,))])
    measures.begins()
    assert measures.writing_for() == 1.0
    assert (measures.commits, measures.units, measures.commit_seconds.total) == (1, 2, 0.5)
    assert (measures.step_seconds[Kind.STEP].total, sum(measures.step_seconds[Kind.STEP].counts)) == (4.0, 2)

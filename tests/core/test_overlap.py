"""The overlap policies as a decision, for every way in which a schedule's workflows can stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.model import Status
from holdfast.core.overlap import Plan, Standing, plan
from holdfast.core.schedule import Overlap


def standing(workflow_id: str, status: Status = Status.RUNNING, epoch: int = 1) -> Standing:
    return Standing(workflow_id=workflow_id, status=status, epoch=epoch)


HELD = standing("held", Status.SUSPENDED, 0)
currents = st.none() | st.builds(lambda status: standing("current", status), st.sampled_from(Status))
helds = st.none() | st.builds(
    lambda status, epoch: standing("held", status, epoch), st.sampled_from(Status), st.integers(0, 1)
)


@given(st.sampled_from(Overlap), currents, helds)
def test_only_what_goes_on_is_touched_and_only_by_the_policies_that_say_so(
    overlap: Overlap, current: Standing | None, held: Standing | None
) -> None:
    found = plan(overlap, current, held)
    going_on = {each.workflow_id for each in (current, held) if each is not None and each.goes_on}
    assert {*found.cancel, *found.terminate} <= going_on
    assert bool(found.cancel) is (overlap is Overlap.CANCEL_OTHER and bool(going_on))
    assert bool(found.terminate) is (overlap is Overlap.TERMINATE_OTHER and bool(going_on))
    if found.skip:
        assert overlap in {Overlap.SKIP, Overlap.BUFFER_ONE}
        assert going_on
    if found.behind is not None:
        assert found.behind in going_on
        assert found.held_id is None
    if overlap is not Overlap.ALLOW and going_on:
        assert found.skip or found.behind or found.terminate
    if not going_on:
        assert found == Plan()


def test_a_second_tick_is_not_buffered() -> None:
    assert plan(Overlap.BUFFER_ONE, standing("current"), None).behind == "current"
    assert plan(Overlap.BUFFER_ONE, standing("current"), HELD).skip


def test_a_held_one_whose_turn_has_come_is_the_other_from_then_on() -> None:
    begun = standing("held", Status.RUNNING, 1)
    for current in (None, standing("current", Status.SUCCEEDED), standing("current", Status.BLOCKED)):
        assert plan(Overlap.BUFFER_ONE, current, begun) == Plan(behind="held", current_id="held")
        assert plan(Overlap.BUFFER_ONE, current, HELD) == Plan(release="held", behind="held", current_id="held")


def test_cancel_other_takes_the_held_one_first_so_that_it_does_not_begin() -> None:
    assert plan(Overlap.CANCEL_OTHER, standing("current"), HELD).cancel == ("held", "current")


def test_a_held_one_stays_held_when_the_policy_becomes_another() -> None:
    assert plan(Overlap.ALLOW, standing("current"), HELD).held_id == "held"
    assert plan(Overlap.SKIP, standing("current"), HELD).skip

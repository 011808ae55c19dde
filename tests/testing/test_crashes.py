"""`crash_everywhere` passes what survives every kill, and finds what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast import workflow
from holdfast.errors import UsageError
from holdfast.testing import CrashFailure, CrashReport, crash_everywhere
from tests.testing import crash_programs as programs

pytestmark = pytest.mark.crash


def test_a_workflow_that_keeps_its_promises_passes() -> None:
    report = crash_everywhere(programs.ce_refunds, 7, kwargs={"twice": True}, most=2)
    assert report.kills > 20
    assert "step.after no. 2" in str(report)
    assert set(report.steps.values()) == {1}


@pytest.mark.parametrize(
    "run",
    [
        lambda: crash_everywhere(programs.ce_mails, most=1),
        lambda: crash_everywhere(programs.ce_listens, during=programs.answers, most=1),
        lambda: crash_everywhere(programs.ce_asks, app=programs.with_approvals, during=programs.approves, most=1),
    ],
    ids=["async branches", "messages", "approvals"],
)
def test_so_do_workflows_that_need_somebody(run: Callable[[], CrashReport]) -> None:
    assert run().kills > 10


def test_an_at_most_once_step_may_end_unknown_but_is_not_done_twice() -> None:
    assert crash_everywhere(programs.ce_wires, most=1).kills > 10


def failure(function: Callable[..., Any]) -> str:
    with pytest.raises(CrashFailure) as raised:
        crash_everywhere(function, most=1)
    return str(raised.value)


def test_an_effect_without_an_idempotency_key_is_found_where_it_repeats() -> None:
    text = failure(programs.ce_pays_without_a_key)
    assert "killed at step.after no. 1:\n    duplicated: the effect pay(1) is there twice instead of once" in text
    assert "recorded by then: nothing" in text
    assert "idempotency_key" in text
    assert "step.before" not in text


def test_an_effect_outside_of_steps_is_found() -> None:
    assert "duplicated: the effect pay(1)" in failure(programs.ce_pays_outside_of_steps)


def test_an_outcome_by_chance_is_found() -> None:
    text = failure(programs.ce_tosses)
    assert "outcome:" in text
    assert "Put what reads it into a step" in text


def test_code_that_branches_on_what_a_recovery_does_not_see_again_is_found() -> None:
    text = failure(programs.ce_branches_on_the_process)
    assert "outcome:" in text


def test_a_workflow_that_does_not_end_by_itself_is_an_error() -> None:
    with pytest.raises(AssertionError, match="does not come to its end without any kill"):
        crash_everywhere(programs.ce_waits_for_nobody, patience=1.0)


def test_what_another_process_can_not_import_is_refused() -> None:
    @workflow
    def ce_inner() -> None:
        """Do nothing."""

    with pytest.raises(UsageError, match="define it at the top of a module"):
        crash_everywhere(ce_inner)

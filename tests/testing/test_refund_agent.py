"""The refund agent's workflows pay once, whenever their process is killed."""

from __future__ import annotations

import pytest

from holdfast.testing import crash_everywhere
from tests.testing import refund_programs as programs

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]  # some dozens of processes, each of which imports much


def test_a_small_refund_is_paid_once_wherever_it_is_killed() -> None:
    report = crash_everywhere(programs.ce_customer, 1009, kwargs={"reviewed": False}, app=programs.shop, most=1)
    assert report.kills > 10
    assert len(report.steps) == 1


def test_so_is_one_that_a_manager_approves() -> None:
    report = crash_everywhere(
        programs.ce_customer,
        1003,
        kwargs={"reviewed": True},
        app=programs.shop,
        during=programs.manager_agrees,
        most=1,
    )
    assert report.kills > 10

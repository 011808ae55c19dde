"""Programs that `crash_everywhere` kills: those that survive it, and those with a fault that it must find."""

from __future__ import annotations

import os
import random
from typing import Any

from holdfast import Holdfast, agather, connection, recv, send, step, step_info, transaction, workflow
from holdfast.approvals import ApprovalRequest, Approvals, request_approval
from holdfast.testing import record_effect
from tests.helpers import eventually


@step
def pay_with_key(order: int) -> str:
    record_effect("pay", order, key=step_info().idempotency_key)
    return f"paid {order}"


@step
def pay_without_key(order: int) -> str:
    record_effect("pay", order)
    return f"paid {order}"


@step
async def mail_with_key(order: int) -> str:
    record_effect("mail", order, key=step_info().idempotency_key)
    return f"mailed {order}"


@transaction
def book_refund(order: int) -> int:
    connection().execute("CREATE TABLE IF NOT EXISTS refunds (number INTEGER)")
    connection().execute("INSERT INTO refunds VALUES (?)", (order,))
    [(count,)] = connection().execute("SELECT count(*) FROM refunds").fetchall()
    return int(count)


@workflow
def ce_refunds(order: int, *, twice: bool = False) -> list[Any]:
    paid = [pay_with_key(order)]
    if twice:
        paid.append(pay_with_key(order + 1))
    return [*paid, book_refund(order)]


@workflow
async def ce_mails() -> list[str]:
    return list(await agather(mail_with_key(1), mail_with_key(2)))


@workflow
def ce_listens() -> str:
    return f"{recv('answer')} {pay_with_key(1)}"


def answers(_app: Holdfast, workflow_id: str) -> None:
    send(workflow_id, "yes", topic="answer", key="the answer")


class Nowhere:
    def deliver(self, request: ApprovalRequest) -> None:
        """Deliver to nobody."""


def with_approvals(url: str) -> Holdfast:
    app = Holdfast(url)
    Approvals(app, delivery=Nowhere(), base_url="https://example.com/approvals")
    return app


@workflow
def ce_asks() -> str:
    decision = request_approval("Refund order 42", {"Amount": "1,299.00"}, to="manager@example.com")
    return f"{decision.status} by {decision.decided_by}"


def approves(app: Holdfast, workflow_id: str) -> None:
    approvals: Approvals = app.extensions[Approvals]
    [approval] = eventually(lambda: approvals.list(workflow_id=workflow_id), timeout=30)
    approvals.decide(approval.approval_id, True, by="ada")


@workflow
def ce_pays_without_a_key() -> str:
    return pay_without_key(1)


@workflow
def ce_pays_outside_of_steps() -> str:
    record_effect("pay", 1)
    return pay_with_key(2)


@workflow
def ce_tosses() -> str:
    pay_with_key(1)
    return f"{random.random()}"


@workflow
def ce_branches_on_the_process() -> str:
    """Go one way in the first process and another after a crash, as code does that asks what the time is."""
    return pay_with_key(os.getpid())


@workflow
def ce_waits_for_nobody() -> str:
    return str(recv("never"))


@step(at_most_once=True)
def wire(order: int) -> str:
    record_effect("wire", order)
    return f"wired {order}"


@workflow
def ce_wires() -> str:
    return wire(1)

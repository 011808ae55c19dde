"""A program that the crash tests run in a process of its own, and kill.

`python -m tests.approvals.programs sync|async URL MAIL_PORT [sent]` starts one workflow under the id `main`, which
asks for an approval by mail, and prints what was decided. With `sent` it dies once a mail is out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from holdfast import Holdfast, options, workflow
from holdfast.approvals import ApprovalRequest, Approvals, SmtpDelivery, arequest_approval, request_approval
from tests.approvals.kit import MANAGER, QUICK


class Deadly(SmtpDelivery):
    """Sends a mail and dies before that is recorded."""

    def deliver(self, request: ApprovalRequest) -> None:
        super().deliver(request)
        os.kill(os.getpid(), signal.SIGKILL)


@workflow
def asks_and_is_killed() -> str:
    decision = request_approval("Refund order 42", {"Amount": "1,299.00"}, to=MANAGER)
    return f"{decision.status} by {decision.decided_by}"


@workflow
async def asks_and_is_killed_async() -> str:
    decision = await arequest_approval("Refund order 42", {"Amount": "1,299.00"}, to=MANAGER)
    return f"{decision.status} by {decision.decided_by}"


def application(url: str, port: str, point: str = "") -> Holdfast:
    app = Holdfast(url, config=QUICK)
    delivery = Deadly if point == "sent" else SmtpDelivery
    Approvals(
        app,
        delivery=delivery(f"smtp://127.0.0.1:{port}", sender="refunds@example.com"),
        base_url="https://refunds.example.com/approvals",
    )
    return app


def main() -> None:
    with application(*sys.argv[2:]):
        print("launched", flush=True)
        print("result", options(id="main").start(asks_and_is_killed).result(timeout=60), flush=True)


async def amain() -> None:
    async with application(*sys.argv[2:]):
        print("launched", flush=True)
        handle = await options(id="main").astart(asks_and_is_killed_async)
        print("result", await handle.aresult(timeout=60), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    if sys.argv[1] == "sync":
        main()
    else:
        asyncio.run(amain())

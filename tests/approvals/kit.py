"""What the tests of approvals share: an inbox, a person with a browser, a workflow that asks."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx

from holdfast import Config, Handle, Holdfast, workflow
from holdfast.approvals import ApprovalRequest, Approvals, AuditEntry, Decision, arequest_approval
from tests.helpers import aeventually, eventually

QUICK = Config(suspend_after=0.05, poll=1.0, heartbeat=0.2, lease=2.0, shutdown_timeout=2.0)
ORIGIN = "https://refunds.example.com"
MANAGER, DEPUTY = "manager@example.com", "deputy@example.com"


class Inbox:
    """A delivery that keeps what it is given, or fails as it is told."""

    def __init__(self) -> None:
        self.requests: list[ApprovalRequest] = []
        self.attempts = 0
        self.failing: Callable[[ApprovalRequest], Exception | None] = lambda _request: None

    def deliver(self, request: ApprovalRequest) -> None:
        self.attempts += 1
        error = self.failing(request)
        if error is not None:
            raise error
        self.requests.append(request)

    def wait(self, count: int = 1) -> ApprovalRequest:
        """Wait for so many requests and return the last of them."""
        eventually(lambda: len(self.requests) >= count, message=f"{count} requests delivered")
        return self.requests[count - 1]

    async def await_(self, count: int = 1) -> ApprovalRequest:
        await aeventually(lambda: len(self.requests) >= count, message=f"{count} requests delivered")
        return self.requests[count - 1]


class Person:
    """Somebody with a browser: keeps cookies, reads forms, sends what browsers send."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.same_origin = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}

    async def open(self, link: str) -> httpx.Response:
        return await self.client.get(link)

    async def decide(self, request: ApprovalRequest, choice: str, **fields: str) -> httpx.Response:
        """Open the page, fill in the form and send it."""
        return await self.send(request, {"choice": choice, "code": request.code, **fields})

    async def send(self, request: ApprovalRequest, fields: dict[str, str]) -> httpx.Response:
        page = await self.open(request.links.approve)
        form = {**hidden_fields(page.text), **fields}
        return await self.client.post(request.links.approve, data=form, headers=self.same_origin)


def hidden_fields(page: str) -> dict[str, str]:
    """Read the form's nonce and digest."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


def alter(app: Holdfast, column: str, value: object) -> None:
    """Change the record of every approval behind Holdfast's back."""
    sqlite = app.store.dialect == "sqlite"
    table, mark = ("holdfast_approvals", "?") if sqlite else ("holdfast.approvals", "%s")
    with app.store.transaction() as opened:
        opened.begin(None, None)
        opened.connection.execute(f"UPDATE {table} SET {column} = {mark}", (value,))
        opened.commit(None, None)


@workflow
async def asks_on_a_page(details: dict[str, str], timeout: float = 60.0) -> Decision:
    return await arequest_approval("Refund order 42", details, to=[MANAGER, DEPUTY], timeout=timedelta(seconds=timeout))


Ask = Callable[..., Awaitable[tuple[Handle[Decision], ApprovalRequest]]]


def trail(approvals: Approvals, request: ApprovalRequest, event: str) -> list[AuditEntry]:
    return [line for line in approvals.audit(request.approval_id) if line.event == event]


def status(approvals: Approvals, request: ApprovalRequest) -> str:
    return approvals.get(request.approval_id).status

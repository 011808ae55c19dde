"""An application with approvals on each kind of store, and a person with a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from html import unescape
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from holdfast import Config, Holdfast, RetryPolicy
from holdfast.approvals import ApprovalRequest, Approvals
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


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def unlaunched(store_url: str) -> Holdfast:
    return Holdfast(store_url, config=QUICK)


@pytest.fixture
def approvals(unlaunched: Holdfast, inbox: Inbox) -> Approvals:
    return Approvals(
        unlaunched,
        delivery=inbox,
        base_url=f"{ORIGIN}/approvals",
        retry=RetryPolicy(retries=1, backoff=0.01),
        redeliver_after=0.1,
    )


@pytest.fixture
def app(unlaunched: Holdfast, approvals: Approvals) -> Iterator[Holdfast]:
    """A launched application with approvals, on each kind of store."""
    with unlaunched:
        yield unlaunched


@pytest.fixture
def site(approvals: Approvals) -> Starlette:
    """The application's web site, with the approval pages mounted."""
    return Starlette(routes=[Mount("/approvals", approvals.asgi())])


@pytest.fixture
def new_person(app: Holdfast, site: Starlette) -> Callable[[], Person]:
    """Make people, each with a browser of their own."""

    def make() -> Person:
        transport: Any = httpx.ASGITransport(app=site, client=("192.0.2.7", 1234))
        return Person(httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"User-Agent": "a browser"}))

    return make


@pytest.fixture
async def person(new_person: Callable[[], Person]) -> AsyncIterator[Person]:
    someone = new_person()
    async with someone.client:
        yield someone

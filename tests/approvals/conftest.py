"""An application with approvals on each kind of store, and its pages."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from holdfast import Handle, Holdfast, RetryPolicy, options
from holdfast.approvals import ApprovalRequest, Approvals, Decision
from tests.approvals.kit import ORIGIN, QUICK, Ask, Inbox, Person, asks_on_a_page
from tests.approvals.mail_server import Mailbox, free_port
from tests.helpers import eventually


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


@pytest.fixture
async def ask(app: Holdfast, inbox: Inbox) -> AsyncIterator[Ask]:
    """Start a workflow that asks the manager and the deputy; give its handle and the manager's request."""

    async def ask(timeout: float = 60.0, **details: str) -> tuple[Handle[Decision], ApprovalRequest]:
        so_far = len(inbox.requests)
        handle = await options().astart(asks_on_a_page, details or {"Amount": "1,299.00"}, timeout)
        await inbox.await_(so_far + 2)
        return handle, inbox.requests[so_far]

    yield ask
    # While the loop still runs: what waits on it leaves memory in order.
    await app.aclose()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def origin(app: Holdfast, approvals: Approvals) -> Iterator[str]:
    """Where a real web server serves the pages."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    approvals.base_url = f"{origin}/approvals"
    site = FastAPI()
    site.mount("/approvals", approvals.asgi())
    server = uvicorn.Server(uvicorn.Config(site, port=port, log_config=None, log_level="debug"))
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started)
    yield origin
    server.should_exit = True
    thread.join()

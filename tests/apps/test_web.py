"""The agent's web application without a browser: what it refuses, and that what is said twice is answered once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from apps.refund_agent.settings import Settings
from apps.refund_agent.web import create_app
from holdfast import aread_stream
from tests.helpers import aeventually


def settings(store_url: str, folder: Path) -> Settings:
    return Settings(
        port=8000,
        folder=folder,
        database_url=store_url,
        services_port=1,
        smtp_port=1,
        smtp_url="smtp://127.0.0.1:1",
        stripe_api_key=None,
        model=None,
        demo=False,
        token_delay=0.0,
    )


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings(sqlite_url, tmp_path))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as opened,
    ):
        yield opened


async def test_what_is_said_twice_under_one_id_is_answered_once(client: httpx.AsyncClient) -> None:
    await client.post("/api/conversations", json={"id": "conversation-1", "title": "One"})
    for _ in range(3):
        said = {"id": "message-1", "text": "hello"}
        assert (await client.post("/api/conversations/conversation-1/say", json=said)).status_code == 202
    await client.post("/api/conversations/conversation-1/say", json={"id": "message-2", "text": "thanks"})
    kinds = []
    async for _, item in aread_stream("conversation-1", "chat"):
        kinds.append((item["kind"], item["id"]))
        if item["kind"] == "answer" and item["id"] == "message-2":
            break
    assert kinds == [("said", "message-1"), ("answer", "message-1"), ("said", "message-2"), ("answer", "message-2")]


async def test_a_conversation_opened_twice_is_one(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/api/conversations", json={"id": "conversation-1", "title": "One"})
    assert len((await client.get("/api/conversations")).json()) == 1


async def test_without_the_demo_flag_there_is_no_crash_and_no_reset(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/crash")).status_code == 404
    assert (await client.post("/api/reset")).status_code == 404
    assert (await client.get("/api/about")).json()["demo"] is False


async def test_other_sites_and_other_names_are_refused(client: httpx.AsyncClient) -> None:
    new = {"id": "conversation-1", "title": "One"}
    crossed = await client.post("/api/conversations", json=new, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 403
    foreign = await client.post("/api/conversations", json=new, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    renamed = await client.get("/api/orders", headers={"Host": "evil.example"})
    assert renamed.status_code == 421


async def test_pages_carry_a_strict_policy_and_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_bad_ids_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/conversations", json={"id": "../x", "title": "One"})).status_code == 422
    assert (await client.get("/api/conversations/nobody-there/events")).status_code == 404


async def test_small_refunds_show_up_in_the_orders(client: httpx.AsyncClient) -> None:
    await client.post("/api/conversations", json={"id": "conversation-1", "title": "One"})
    said = {"id": "message-1", "text": "refund 1007"}
    await client.post("/api/conversations/conversation-1/say", json=said)

    async def is_being_paid() -> bool:
        orders = (await client.get("/api/orders")).json()
        return any(order["order_id"] == 1007 and order["refund"] == "paying" for order in orders)

    # No payment provider answers here: the step is tried again and again, and the refund is not forgotten.
    await aeventually(is_being_paid)

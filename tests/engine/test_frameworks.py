"""Decorated functions are taken by LangChain's @tool and by FastAPI as the plain functions they are."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from langchain_core.tools import tool

from holdfast import Holdfast, step, transaction, workflow
from tests.engine.conftest import QUICK


@tool
@workflow
def refund_tool(order_id: int) -> str:
    """Refund an order."""
    return f"refunded {charge_back(order_id)}"


@step
def charge_back(order_id: int) -> int:
    return order_id


@tool
@workflow
async def arefund_tool(order_id: int) -> str:
    """Refund an order."""
    return f"refunded {order_id}"


@tool
@step
def step_tool(order_id: int) -> str:
    """Look an order up."""
    return f"order {order_id}"


@tool
@transaction
def transaction_tool(order_id: int) -> str:
    """Look an order up in the database."""
    return f"row {order_id}"


@pytest.mark.parametrize(
    ("tool_object", "answer"),
    [(refund_tool, "refunded 7"), (step_tool, "order 7"), (transaction_tool, "row 7")],
    ids=["workflow", "step", "transaction"],
)
def test_langchains_tool_stacks_on_every_decorator(app: Holdfast, tool_object: object, answer: str) -> None:
    assert tool_object.args["order_id"]["type"] == "integer"  # type: ignore[attr-defined]  # a BaseTool
    assert tool_object.invoke({"order_id": 7}) == answer  # type: ignore[attr-defined]  # a BaseTool


async def test_langchains_tool_stacks_on_async_functions(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK) as app:
        assert await arefund_tool.ainvoke({"order_id": 7}) == "refunded 7"
        assert app.list_workflows()[0].name == "arefund_tool"


async def test_fastapi_routes_stack_on_workflows(store_url: str) -> None:
    api = FastAPI()

    @api.post("/async/{order_id}")
    @workflow
    async def aroute(order_id: int) -> dict[str, int]:
        return {"refunded": order_id}

    @api.post("/sync/{order_id}")
    @workflow
    def route(order_id: int) -> dict[str, int]:
        return {"refunded": charge_back(order_id)}

    transport = httpx.ASGITransport(app=api)
    async with (
        Holdfast(store_url, config=QUICK) as app,
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        assert (await client.post("/async/3")).json() == {"refunded": 3}
        assert (await client.post("/sync/4")).json() == {"refunded": 4}
        assert len(app.list_workflows()) == 2

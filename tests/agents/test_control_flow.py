"""What unwinds a workflow passes through the frameworks: suspending, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from holdfast import Holdfast, Status, asend, astart, recv, send, start, workflow
from holdfast.agents.langchain import DurableTools, durable, durable_tool_node
from holdfast.errors import WorkflowWasCancelled
from tests.agents.replaying import QUICK, atwice
from tests.agents.scripted_model import ScriptedModel, clerk
from tests.helpers import ROOT, aeventually, eventually, run_script

QUESTION = {"messages": [HumanMessage("refund 7")]}


@tool
@workflow(name="refund-after-approval")
def refund(order_id: int) -> str:
    """Refund an order once a manager agrees."""
    waiting.append(order_id)
    return f"refunded {order_id}: {recv('decision')}"


waiting: list[int] = []


@pytest.fixture(autouse=True)
def _nobody_waits_yet() -> None:
    waiting.clear()


def test_a_tool_can_wait_for_a_person(app: Holdfast) -> None:
    inner = ScriptedModel(script=clerk)
    agent: Any = create_agent(durable(inner), [refund], middleware=[DurableTools()])

    @workflow(name="waits-in-a-tool", suspend=False)
    def run() -> str:
        return str(agent.invoke(QUESTION)["messages"][-1].text)

    handle = start(run)
    child = eventually(lambda: _suspended_child(app, handle.id))
    assert child is not None
    send(child, "yes", topic="decision")
    assert handle.result(timeout=20) == "Done: refunded 7: yes"
    assert len(inner.calls) == 2


def _suspended_child(app: Holdfast, parent: str) -> str | None:
    for record in app.list_workflows():
        if record.workflow_id != parent and record.status is Status.SUSPENDED:
            return record.workflow_id
    return None


@pytest.mark.parametrize("handling", [True, None], ids=["handles errors", "by default"])
def test_a_cancellation_is_no_error_for_a_tool_node_to_handle(app: Holdfast, handling: Any) -> None:
    inner = ScriptedModel(script=clerk)
    agent: Any = StateGraph(MessagesState)
    model = durable(inner)
    agent.add_node("agent", lambda state: {"messages": [model.invoke(state["messages"])]})
    agent.add_node("tools", durable_tool_node([refund], handle_tool_errors=handling))
    agent.add_edge(START, "agent")
    agent.add_edge("agent", "tools")
    graph = agent.compile()

    @workflow(name=f"is-cancelled-in-a-tool-{handling}")
    def run() -> str:
        return str(graph.invoke(QUESTION)["messages"][-1].text)

    handle = start(run)
    eventually(lambda: waiting)
    handle.cancel()
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=20)
    assert app.get_workflow(handle.id).status is Status.CANCELLED


def test_a_node_that_waits_leaves_memory_and_is_replayed(app: Holdfast) -> None:
    inner = ScriptedModel(script=clerk)
    model = durable(inner)

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"]), AIMessage(recv("word"))]}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_edge(START, "agent")
    graph = builder.compile()

    @workflow(name="waits-in-a-node")
    def run() -> str:
        return str(graph.invoke({"messages": [HumanMessage("hello")]})["messages"][-1].text)

    handle = start(run)
    eventually(lambda: app.get_workflow(handle.id).status is Status.SUSPENDED)
    send(handle.id, "go", topic="word")
    assert handle.result(timeout=20) == "go"
    assert len(inner.calls) == 1


class NeverEnds(ScriptedModel):
    """Says one word and then nothing more."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="Well"))
        await asyncio.Event().wait()


async def test_a_cancelled_workflow_stops_its_stream(sqlite_url: str) -> None:
    model = durable(NeverEnds(script=clerk))
    seen: list[str] = []

    @workflow(name="streams-for-ever")
    async def run() -> None:
        async for chunk in model.astream("hello"):
            seen.append(str(chunk.text))  # noqa: PERF401 - it is looked at meanwhile

    async with Holdfast(sqlite_url, config=QUICK):
        handle = await astart(run)
        await aeventually(lambda: seen)
        await handle.acancel()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=20)
    assert seen == ["Well"]


async def test_an_async_streams_consumer_that_stops_early_still_leaves_a_record(sqlite_url: str) -> None:
    inner = ScriptedModel(script=clerk)
    model = durable(inner)

    async def first_word() -> str:
        stream = model.astream("hello")
        async for chunk in stream:
            await stream.aclose()  # type: ignore[attr-defined] # it is a generator
            return str(chunk.text)
        return ""

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, first_word)
    assert (first, second) == ("How", "How may I help you today?")
    assert len(inner.calls) == 1


async def test_messages_can_be_streamed_out_of_an_awaited_graph(sqlite_url: str) -> None:
    inner = ScriptedModel(script=clerk)
    agent: Any = create_agent(durable(inner), [refund], middleware=[DurableTools()])

    async def run() -> list[str]:
        stream = agent.astream({"messages": [HumanMessage("hello")]}, stream_mode="messages")
        return [str(chunk.text) async for chunk, _ in stream]

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, run)
    assert "".join(first) == "".join(second) == "How may I help you today?"
    assert len(first) > len(second)
    assert len(inner.calls) == 1


async def test_an_async_workflow_waits_for_a_tool_that_waits(sqlite_url: str) -> None:
    agent: Any = create_agent(durable(ScriptedModel(script=clerk)), [refund], middleware=[DurableTools()])

    @workflow(name="awaits-a-waiting-tool")
    async def run() -> str:
        return str((await agent.ainvoke(QUESTION))["messages"][-1].text)

    async with Holdfast(sqlite_url, config=QUICK) as app:
        handle = await astart(run)
        child = await aeventually(lambda: _suspended_child(app, handle.id))
        assert child is not None
        await asend(child, "yes", topic="decision")
        assert await handle.aresult(timeout=20) == "Done: refunded 7: yes"


WITHOUT_EXTRAS = """
import sys

sys.modules["langgraph"] = None
from holdfast.errors import MissingExtra

for name in ("langchain", "langgraph"):
    try:
        __import__(f"holdfast.agents.{name}")
    except MissingExtra as error:
        print(error)
"""


def test_a_missing_extra_is_named() -> None:
    output = run_script(WITHOUT_EXTRAS, cwd=ROOT)
    assert output.splitlines() == [
        "holdfast.agents.langchain needs an optional dependency: pip install 'holdfast[langchain]'",
        "holdfast.agents.langgraph needs an optional dependency: pip install 'holdfast[langchain]'",
    ]

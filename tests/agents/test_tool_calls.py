"""Tool calls in workflows: made once, in ToolNode and create_agent, in threads and tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command

from holdfast import Holdfast, connection, in_step, step, step_info, transaction, workflow
from holdfast.agents.langchain import DurableTools, durable, durable_tool_node
from holdfast.errors import PayloadError
from tests.agents.replaying import QUICK, atwice, steps, twice
from tests.agents.scripted_model import ScriptedModel, calls, clerk, says

Graph = CompiledStateGraph[Any, Any, Any, Any]
Build = Callable[[ScriptedModel, list[Any]], Graph]
QUESTION = {"messages": [HumanMessage("refund 1 and 2 and 3")]}
made: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_made_yet() -> None:
    made.clear()


@tool
def refund(order_id: int) -> str:
    """Refund an order."""
    made.append(order_id)
    return f"refunded {order_id}"


@tool("refund")
async def async_refund(order_id: int) -> str:
    """Refund an order."""
    await asyncio.sleep(0)
    made.append(order_id)
    return f"refunded {order_id}"


def with_tool_node(inner: ScriptedModel, tools: list[Any]) -> Graph:
    model = durable(inner).bind_tools(tools)

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    return wired(agent, durable_tool_node(tools))


def wired(agent: Any, tools: Any) -> Graph:
    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", tools)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile()


def with_tool_node_async(inner: ScriptedModel, tools: list[Any]) -> Graph:
    model = durable(inner).bind_tools(tools)

    async def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return wired(agent, durable_tool_node(tools))


def with_create_agent(inner: ScriptedModel, tools: list[Any]) -> Graph:
    agent: Graph = create_agent(durable(inner), tools, middleware=[DurableTools()])
    return agent


def replies(state: dict[str, Any]) -> list[BaseMessage]:
    return [message for message in state["messages"] if isinstance(message, AIMessage | ToolMessage)]


def texts(state: dict[str, Any]) -> list[str]:
    return [str(message.text) for message in replies(state)]


EXPECTED = ["", "refunded 1", "refunded 2", "refunded 3", "Done: refunded 1, refunded 2, refunded 3"]


@pytest.mark.parametrize("build", [with_tool_node, with_create_agent])
def test_finished_calls_are_not_made_again_when_a_graph_is_replayed(app: Holdfast, build: Build) -> None:
    inner = ScriptedModel(script=clerk)
    graph = build(inner, [refund])
    first, second = twice(app, lambda: graph.invoke(QUESTION))
    assert texts(first) == EXPECTED
    assert replies(first) == replies(second)
    assert [message.id for message in replies(first)] == [message.id for message in replies(second)]
    assert sorted(made) == [1, 2, 3]
    assert len(inner.calls) == 2
    assert sorted(steps(app)) == ["model", "model", "tool:refund", "tool:refund", "tool:refund"]


@pytest.mark.parametrize("build", [with_tool_node_async, with_create_agent])
@pytest.mark.parametrize("used", [refund, async_refund], ids=["def", "async def"])
async def test_finished_calls_are_not_made_again_in_coroutines(sqlite_url: str, build: Build, used: Any) -> None:
    inner = ScriptedModel(script=clerk)
    graph = build(inner, [used])

    async def run() -> Any:
        return await graph.ainvoke(QUESTION)

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, run)
    assert texts(first) == EXPECTED
    assert replies(first) == replies(second)
    assert [message.id for message in replies(first)] == [message.id for message in replies(second)]
    assert sorted(made) == [1, 2, 3]
    assert len(inner.calls) == 2


@pytest.mark.parametrize("build", [with_tool_node, with_create_agent])
def test_messages_can_be_streamed_out_of_a_graph(app: Holdfast, build: Build) -> None:
    inner = ScriptedModel(script=clerk)
    graph = build(inner, [refund])

    def run() -> list[str]:
        parts: list[Any] = list(graph.stream(QUESTION, stream_mode="messages"))
        return [str(chunk.text) for chunk, _ in parts]

    first, second = twice(app, run)
    assert len(inner.calls) == 2
    assert sorted(made) == [1, 2, 3]
    assert len(first) > len(second)
    assert "Done: refunded 1, refunded 2, refunded 3" in second
    assert "".join(first).endswith("Done: refunded 1, refunded 2, refunded 3")


def test_ids_that_a_model_uses_again_in_later_turns_are_no_matter(app: Holdfast) -> None:
    def count_down(messages: list[BaseMessage]) -> AIMessage:
        left = 3 - sum(isinstance(message, ToolMessage) for message in messages)
        return says("", calls("refund", "same-id", order_id=7)) if left else says("all done")

    graph = with_tool_node(ScriptedModel(script=count_down), [refund])
    first, second = twice(app, lambda: graph.invoke(QUESTION))
    assert replies(first) == replies(second)
    assert made == [7, 7, 7]
    assert len({message.id for message in first["messages"]}) == len(first["messages"]) == 8


def test_ids_that_repeat_within_an_answer_are_no_matter(app: Holdfast) -> None:
    def ask_twice(messages: list[BaseMessage]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return says("all done")
        return says("", calls("refund", "same", order_id=1), calls("refund", "same", order_id=2))

    graph = with_tool_node(ScriptedModel(script=ask_twice), [refund])
    first, second = twice(app, lambda: graph.invoke(QUESTION))
    assert texts(first) == texts(second) == ["", "refunded 1", "refunded 2", "all done"]
    assert sorted(made) == [1, 2]


def test_two_agents_in_one_workflow_do_not_take_each_others_results(app: Holdfast) -> None:
    graph = with_create_agent(ScriptedModel(script=clerk), [refund])
    first, second = twice(app, lambda: [texts(graph.invoke(QUESTION)), texts(graph.invoke(QUESTION))])
    assert first == second == [EXPECTED, EXPECTED]
    assert sorted(made) == [1, 1, 2, 2, 3, 3]


def test_the_calls_of_an_answer_run_side_by_side(app: Holdfast) -> None:
    together = threading.Barrier(3, timeout=10)

    @tool("refund")
    def meeting(order_id: int) -> str:
        """Refund an order."""
        together.wait()
        return f"refunded {order_id}"

    graph = with_tool_node(ScriptedModel(script=clerk), [meeting])
    first, second = twice(app, lambda: texts(graph.invoke(QUESTION)))
    assert first == second == EXPECTED


def test_outside_a_workflow_tools_run_plainly(app: Holdfast) -> None:
    graph = with_create_agent(ScriptedModel(script=clerk), [refund])
    assert texts(graph.invoke(QUESTION)) == EXPECTED
    assert app.list_workflows() == []


def test_a_tool_is_retried_as_the_settings_say(app: Holdfast) -> None:
    @tool("refund")
    def moody(order_id: int) -> str:
        """Refund an order."""
        made.append(step_info().attempt)
        if step_info().attempt < 3:
            raise ConnectionError("try again")
        return "refunded"

    inner = ScriptedModel(script=clerk)
    agent: Graph = create_agent(durable(inner), [moody], middleware=[DurableTools(retries=2, backoff=0)])
    first, second = twice(app, lambda: texts(agent.invoke({"messages": [HumanMessage("refund 1")]})))
    assert first == second == ["", "refunded", "Done: refunded"]
    assert made == [1, 2, 3]


def test_a_tools_exception_is_recorded_and_raised_in_the_replay_too(app: Holdfast) -> None:
    @tool("refund")
    def broken(order_id: int) -> str:
        """Refund an order."""
        made.append(order_id)
        raise LookupError(f"no order {order_id}")

    graph = with_tool_node(ScriptedModel(script=clerk), [broken])

    def run() -> str:
        try:
            graph.invoke({"messages": [HumanMessage("refund 9")]})
        except LookupError as error:
            return str(error)
        return "no error"

    first, second = twice(app, run)
    assert first == second == "no order 9"
    assert made == [9]


def test_errors_that_tool_node_handles_become_recorded_messages(app: Holdfast) -> None:
    @tool("refund")
    def broken(order_id: int) -> str:
        """Refund an order."""
        made.append(order_id)
        raise LookupError(f"no order {order_id}")

    model = durable(ScriptedModel(script=clerk))
    node = durable_tool_node([broken], handle_tool_errors="does not work")
    graph = wired(lambda state: {"messages": [model.invoke(state["messages"])]}, node)
    first, second = twice(app, lambda: texts(graph.invoke({"messages": [HumanMessage("refund 9")]})))
    assert first == second == ["", "does not work", "Done: does not work"]
    assert made == [9]


def test_wrong_arguments_and_unknown_tools_become_messages_to_the_model(app: Holdfast) -> None:
    def ask(messages: list[BaseMessage]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return says("sorry")
        return says("", calls("refund", "a", order_id="many"), calls("no/such [tool]#", "b"))

    graph = with_tool_node(ScriptedModel(script=ask), [refund])
    first, second = twice(app, lambda: replies(graph.invoke(QUESTION)))
    assert first == second
    assert [getattr(message, "status", None) for message in first] == [None, "error", "error", None]
    assert made == []


def test_a_command_is_recorded_with_its_update(app: Holdfast) -> None:
    @tool("refund")
    def commanding(order_id: int, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Refund an order."""
        made.append(order_id)
        return Command(update={"messages": [ToolMessage(f"commanded {order_id}", tool_call_id=tool_call_id)]})

    graph = with_tool_node(ScriptedModel(script=clerk), [commanding])
    first, second = twice(app, lambda: graph.invoke(QUESTION))
    assert sorted(texts(first)) == sorted(texts(second))
    assert [message.id for message in replies(first)] == [message.id for message in replies(second)]
    assert sorted(made) == [1, 2, 3]


def test_a_result_that_can_not_be_recorded_is_refused(app: Holdfast) -> None:
    @tool("refund", response_format="content_and_artifact")
    def with_object(order_id: int) -> tuple[str, object]:
        """Refund an order."""
        return "refunded", object()

    graph = with_tool_node(ScriptedModel(script=clerk), [with_object])

    @workflow(name="gets-an-object")
    def run() -> None:
        graph.invoke(QUESTION)

    with pytest.raises(PayloadError, match="artifact"):
        run()


# Tools that are workflows, steps and transactions themselves


@step
def pay(order_id: int) -> str:
    made.append(order_id)
    return f"refunded {order_id}"


@tool("refund")
@workflow(name="refund-tool")
def workflow_tool(order_id: int) -> str:
    """Refund an order."""
    assert not in_step()
    return pay(order_id)


@tool("refund")
@step(name="refund-step", retries=1)
def step_tool(order_id: int) -> str:
    """Refund an order."""
    assert step_info().name == "refund-step"
    made.append(order_id)
    return f"refunded {order_id}"


@tool("refund")
@transaction(name="refund-transaction")
def transaction_tool(order_id: int) -> str:
    """Refund an order."""
    made.append(order_id)
    assert connection() is not None
    return f"refunded {order_id}"


@tool("refund")
@workflow(name="async-refund-tool")
async def async_workflow_tool(order_id: int) -> str:
    """Refund an order."""
    assert not in_step()
    return await async_pay(order_id)


@step
async def async_pay(order_id: int) -> str:
    made.append(order_id)
    return f"refunded {order_id}"


@tool("refund")
@step(name="async-refund-step")
async def async_step_tool(order_id: int) -> str:
    """Refund an order."""
    made.append(order_id)
    return f"refunded {order_id}"


@tool("refund")
@transaction(name="async-refund-transaction")
async def async_transaction_tool(order_id: int) -> str:
    """Refund an order."""
    made.append(order_id)
    return f"refunded {order_id}"


SYNC_TOOLS = [workflow_tool, step_tool, transaction_tool]


@pytest.mark.parametrize("decorated", SYNC_TOOLS, ids=["workflow", "step", "transaction"])
@pytest.mark.parametrize("build", [with_tool_node, with_create_agent])
def test_a_tool_that_records_itself_is_called_as_what_it_is(app: Holdfast, build: Build, decorated: Any) -> None:
    graph = build(ScriptedModel(script=clerk), [decorated])
    first, second = twice(app, lambda: graph.invoke(QUESTION))
    assert texts(first) == EXPECTED
    assert replies(first) == replies(second)
    assert [message.id for message in replies(first)] == [message.id for message in replies(second)]
    assert sorted(made) == [1, 2, 3]


@pytest.mark.parametrize(
    "decorated",
    [*SYNC_TOOLS, async_workflow_tool, async_step_tool, async_transaction_tool],
    ids=["workflow", "step", "transaction", "async workflow", "async step", "async transaction"],
)
@pytest.mark.parametrize("build", [with_tool_node_async, with_create_agent])
async def test_a_tool_that_records_itself_is_awaited_as_what_it_is(
    sqlite_url: str, build: Build, decorated: Any
) -> None:
    graph = build(ScriptedModel(script=clerk), [decorated])

    async def run() -> Any:
        return await graph.ainvoke(QUESTION)

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, run)
    assert texts(first) == EXPECTED
    assert replies(first) == replies(second)
    assert [message.id for message in replies(first)] == [message.id for message in replies(second)]
    assert sorted(made) == [1, 2, 3]


def test_the_hooks_fit_a_tool_node_of_ones_own(app: Holdfast) -> None:
    recorded = DurableTools()
    node = ToolNode(
        [refund], name="tools", wrap_tool_call=recorded.wrap_tool_call, awrap_tool_call=recorded.awrap_tool_call
    )
    model = durable(ScriptedModel(script=clerk))
    graph = wired(lambda state: {"messages": [model.invoke(state["messages"])]}, node)
    first, second = twice(app, lambda: texts(graph.invoke(QUESTION)))
    assert first == second == EXPECTED
    assert sorted(made) == [1, 2, 3]


def test_a_tool_node_can_be_called_with_bare_tool_calls(app: Holdfast) -> None:
    node = durable_tool_node([refund])
    graph: Any = StateGraph(MessagesState)
    call: ToolCall = calls("refund", order_id=5)
    graph.add_node("tools", lambda state, config, runtime: node.invoke([call], config))
    graph.add_edge(START, "tools")
    compiled = graph.compile()
    first, second = twice(app, lambda: texts(compiled.invoke({"messages": []})))
    assert first == second == ["refunded 5"]
    assert made == [5]

"""Graphs in workflows, and conversations in the application's own transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import tools_condition
from langgraph.types import interrupt

from holdfast import Holdfast, Status, arecv, asend, astart, connection, recv, send, start, transaction, workflow
from holdfast.agents.langchain import DurableTools, durable, durable_tool_node
from holdfast.agents.langgraph import ThreadState, ThreadStore, arun_graph, arun_turn, run_graph, run_turn
from holdfast.errors import ConfigurationError, OutsideTransaction, UsageError
from tests.agents.replaying import QUICK, atwice, steps, twice
from tests.agents.scripted_model import ScriptedModel, calls, clerk, says
from tests.helpers import aeventually, eventually

Graph = CompiledStateGraph[Any, Any, Any, Any]
made: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_made_yet() -> None:
    made.clear()


@pytest.fixture
def store_app(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url, config=QUICK) as launched:
        yield launched


@pytest.fixture
async def async_store_app(store_url: str) -> AsyncIterator[Holdfast]:
    async with Holdfast(store_url, config=QUICK) as launched:
        yield launched


@pytest.fixture
def threads(store_url: str) -> ThreadStore:
    store = ThreadStore(store_url)
    store.setup()
    return store


@tool
def refund(order_id: int) -> str:
    """Refund an order."""
    made.append(order_id)
    return f"refunded {order_id}"


def agent_graph(inner: ScriptedModel, tools: list[Any]) -> Graph:
    model = durable(inner).bind_tools(tools)

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", durable_tool_node(tools))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile()


def said(messages: list[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages if message.text]


def human(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


@transaction
def read(threads: ThreadStore, thread_id: str) -> list[str]:
    return said(threads.messages(thread_id))


@transaction
def tell(threads: ThreadStore, thread_id: str, text: str) -> None:
    threads.append(thread_id, [AIMessage(text)])


FIRST = ["refund 1 and 2", "refunded 1", "refunded 2", "Done: refunded 1, refunded 2"]
SECOND = ["hello", "How may I help you today?"]


def test_turns_of_a_thread_build_on_each_other(store_app: Holdfast, threads: ThreadStore) -> None:
    inner = ScriptedModel(script=clerk)
    graph = agent_graph(inner, [refund])
    first, second = twice(store_app, lambda: run_turn(graph, threads, "ada", human("refund 1 and 2")))
    assert said(first["messages"]) == said(second["messages"]) == FIRST
    assert steps(store_app)[0] == "load_thread"
    assert steps(store_app)[-1] == "save_thread"
    assert read(threads, "ada") == FIRST
    twice(store_app, lambda: run_turn(graph, threads, "ada", human("hello")))
    assert read(threads, "ada") == FIRST + SECOND
    assert read(threads, "bob") == []
    assert sorted(made) == [1, 2]
    assert inner.calls == [1, 4, 6]


async def test_turns_of_a_thread_can_be_awaited(async_store_app: Holdfast, threads: ThreadStore) -> None:
    inner = ScriptedModel(script=clerk)
    graph = agent_graph(inner, [refund])

    async def turn() -> Any:
        return await arun_turn(graph, threads, "ada", human("refund 1 and 2"))

    async def next_turn() -> Any:
        return await arun_turn(graph, threads, "ada", human("hello"))

    first, second = await atwice(async_store_app, turn)
    assert said(first["messages"]) == said(second["messages"]) == FIRST
    first, second = await atwice(async_store_app, next_turn)
    assert said(first["messages"]) == said(second["messages"]) == FIRST + SECOND
    assert sorted(made) == [1, 2]
    assert inner.calls == [1, 4, 6]


def test_langgraph_reads_the_saved_thread_as_one_that_has_ended(store_app: Holdfast, threads: ThreadStore) -> None:
    graph = agent_graph(ScriptedModel(script=clerk), [refund])
    twice(store_app, lambda: run_turn(graph, threads, "ada", human("hello")))

    @transaction
    def look() -> tuple[tuple[str, ...], list[str]]:
        tell(threads, "ada", "One more thing.")
        seen = graph.copy({"checkpointer": threads._saver()})
        state = seen.get_state({"configurable": {"thread_id": "ada"}})
        return state.next, said(state.values["messages"])

    assert look() == ((), [*SECOND, "One more thing."])


def test_what_is_appended_in_mid_turn_is_kept(store_app: Holdfast, threads: ThreadStore) -> None:
    @tool("refund")
    def interfering(order_id: int) -> str:
        """Refund an order."""
        tell(threads, "ada", "The manager said yes.")
        return f"refunded {order_id}"

    graph = agent_graph(ScriptedModel(script=clerk), [interfering])
    tell(threads, "ada", "Welcome.")
    tell(threads, "ada", "Ask me anything.")
    twice(store_app, lambda: run_turn(graph, threads, "ada", human("refund 5")))
    told = ["Welcome.", "Ask me anything.", "The manager said yes.", "refund 5", "refunded 5", "Done: refunded 5"]
    assert read(threads, "ada") == told


def test_a_thread_changes_with_its_transaction_or_not_at_all(store_app: Holdfast, threads: ThreadStore) -> None:
    tell(threads, "ada", "kept")

    @transaction
    def fails() -> None:
        threads.append("ada", [AIMessage("lost")])
        assert said(threads.messages("ada")) == ["kept", "lost"]
        raise LookupError("no")

    with pytest.raises(LookupError):
        fails()
    assert read(threads, "ada") == ["kept"]


def test_a_deleted_thread_is_empty(store_app: Holdfast, threads: ThreadStore) -> None:
    tell(threads, "ada", "hello")

    @transaction
    def forget() -> None:
        threads.delete("ada")

    forget()
    assert read(threads, "ada") == []
    tell(threads, "ada", "again")
    assert read(threads, "ada") == ["again"]


def test_setting_up_again_changes_nothing(store_app: Holdfast, threads: ThreadStore, store_url: str) -> None:
    tell(threads, "ada", "hello")
    ThreadStore(store_url).setup()
    assert read(threads, "ada") == ["hello"]


def test_threads_need_a_transaction_and_a_known_database(threads: ThreadStore) -> None:
    with pytest.raises(OutsideTransaction):
        threads.messages("ada")
    with pytest.raises(ConfigurationError, match="mysql"):
        ThreadStore("mysql://here")
    with pytest.raises(ConfigurationError, match="in memory"):
        ThreadStore("sqlite://").setup()


def test_states_of_a_thread_have_growing_ids() -> None:
    older, newer = ThreadState.empty(), ThreadState.empty()
    assert newer.later_than(older) is newer
    assert older.later_than(newer).id > newer.id
    assert older.later_than(None) is older


def test_a_state_comes_back_equal_through_plain_data() -> None:
    state = ThreadState.empty()
    state.values["messages"] = [HumanMessage("hi", id="1"), AIMessage("hello", id="2")]
    assert ThreadState.from_data(state.to_data()) == state


def test_threads_may_live_in_another_database(sqlite_url: str, postgres_url: str) -> None:
    threads = ThreadStore(postgres_url)
    threads.setup()
    graph = agent_graph(ScriptedModel(script=clerk), [refund])
    with Holdfast(sqlite_url, databases={"chats": postgres_url}, config=QUICK) as app:
        twice(app, lambda: run_turn(graph, threads, "ada", human("hello"), database="chats"))
        first, _ = twice(app, lambda: run_turn(graph, threads, "ada", human("hello"), database="chats"))
    assert said(first["messages"]) == SECOND + SECOND
    with psycopg.connect(postgres_url) as direct:
        assert direct.execute("SELECT count(*) FROM checkpoints").fetchone() == (2,)


def test_nodes_see_the_threads_id_and_the_callers_configuration(app: Holdfast, sqlite_url: str) -> None:
    seen: list[Any] = []
    threads = ThreadStore(sqlite_url)
    threads.setup()

    def look(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        seen.append((config["configurable"]["thread_id"], config["configurable"]["customer"]))
        return {"messages": [AIMessage("seen")]}

    builder = StateGraph(MessagesState)
    builder.add_node("look", look)
    builder.add_edge(START, "look")
    graph = builder.compile()
    mine: RunnableConfig = {"configurable": {"customer": "Ada"}}
    twice(app, lambda: run_turn(graph, threads, "t1", human("hi"), config=mine))
    assert seen == [("t1", "Ada"), ("t1", "Ada")]


# Interrupts


@tool("refund")
def asks_first(order_id: int) -> str:
    """Refund an order once somebody agrees, above 100."""
    if order_id > 100 and not interrupt({"order": order_id}):
        return f"refused {order_id}"
    made.append(order_id)
    return f"refunded {order_id}"


def test_a_graph_waits_for_people_between_its_interrupts_and_their_answers(app: Holdfast) -> None:
    graph = agent_graph(ScriptedModel(script=clerk), [asks_first])
    asked: list[Any] = []

    def answer(values: list[Any]) -> list[bool]:
        asked.append(values)
        return [recv("decision") for _ in values]

    @workflow(name="waits-for-people")
    def run() -> list[str]:
        return said(run_graph(graph, human("refund 1 and 500 and 2"), answer=answer)["messages"])

    handle = start(run)
    eventually(lambda: app.get_workflow(handle.id).status is Status.SUSPENDED)
    send(handle.id, True, topic="decision")
    assert handle.result(timeout=20)[-1] == "Done: refunded 1, refunded 500, refunded 2"
    assert sorted(made) == [1, 2, 500]
    assert asked == [[{"order": 500}]] * 2


def test_calls_of_create_agent_may_all_interrupt(app: Holdfast) -> None:
    agent: Graph = create_agent(durable(ScriptedModel(script=clerk)), [asks_first], middleware=[DurableTools()])

    def answer(values: list[Any]) -> list[bool]:
        return [value["order"] == 500 for value in values]

    def run() -> list[str]:
        return said(run_graph(agent, human("refund 500 and 1 and 600"), answer=answer)["messages"])

    first, second = twice(app, run)
    assert first == second
    assert first[-1] == "Done: refunded 500, refunded 1, refused 600"
    assert sorted(made) == [1, 500]


def test_calls_of_a_tool_node_that_interrupt_together_are_refused(app: Holdfast) -> None:
    graph = agent_graph(ScriptedModel(script=clerk), [asks_first])

    @workflow(name="two-interrupts")
    def run() -> None:
        run_graph(graph, human("refund 500 and 600"), answer=lambda values: [True for _ in values])

    with pytest.raises(UsageError, match="create_agent"):
        run()
    assert 600 not in made


async def test_an_awaited_graph_waits_for_people(sqlite_url: str) -> None:
    inner = ScriptedModel(script=clerk)
    agent: Graph = create_agent(
        durable(inner),
        [refund],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"refund": True}), DurableTools()],
    )
    asked: list[Any] = []

    async def answer(values: list[Any]) -> list[Any]:
        asked.append([request["args"] for value in values for request in value["action_requests"]])
        return [{"decisions": await arecv("decisions")}]

    @workflow(name="awaits-people")
    async def run() -> list[str]:
        return said((await arun_graph(agent, human("refund 1 and 2"), answer=answer))["messages"])

    async with Holdfast(sqlite_url, config=QUICK) as app:
        handle = await astart(run)
        await aeventually(lambda: app.get_workflow(handle.id).status is Status.SUSPENDED)
        await asend(handle.id, [{"type": "approve"}, {"type": "reject", "message": "no"}], topic="decisions")
        texts = await handle
    assert texts[-1].startswith("Done: ")
    assert made == [1]
    assert asked == [[{"order_id": 1}, {"order_id": 2}]] * 2
    assert len(inner.calls) == 2


def test_without_answers_an_interrupt_is_returned(app: Holdfast) -> None:
    graph = agent_graph(ScriptedModel(script=clerk), [asks_first])
    first, second = twice(app, lambda: run_graph(graph, human("refund 700"))["__interrupt__"][0].value)
    assert first == second == {"order": 700}


def test_a_thread_is_saved_on_the_connection_of_its_transaction(app: Holdfast, sqlite_url: str) -> None:
    threads = ThreadStore(sqlite_url)
    threads.setup()

    @transaction
    def both() -> int:
        connection().execute("CREATE TABLE orders (id INTEGER)")
        connection().execute("INSERT INTO orders VALUES (1)")
        threads.append("ada", [ToolMessage("paid", tool_call_id="c")])
        return int(connection().total_changes)

    assert both() > 1
    path = sqlite_url.removeprefix("sqlite:///")
    direct = sqlite3.connect(path)
    try:
        assert direct.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert direct.execute("SELECT count(*) FROM checkpoints").fetchone() == (1,)
    finally:
        direct.close()


def test_a_model_can_ask_for_tools_over_several_turns(store_app: Holdfast, threads: ThreadStore) -> None:
    def one_each(messages: list[BaseMessage]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return says("ok")
        return says("", calls("refund", "always-the-same", order_id=len(messages)))

    graph = agent_graph(ScriptedModel(script=one_each), [refund])
    for _ in range(2):
        twice(store_app, lambda: run_turn(graph, threads, "ada", human("go on")))
    assert made == [1, 5]
    assert read(threads, "ada") == ["go on", "refunded 1", "ok", "go on", "refunded 5", "ok"]

"""The agent: a LangGraph graph, and the workflows that run it turn by turn.

conversation   one workflow for each conversation; takes what comes in, one thing after another
chat_turn    its child: one turn of the graph; every model call and tool call in it is recorded
"""

from __future__ import annotations

from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

from apps.refund_agent import refunds
from holdfast import Handle, logger, recv, start, transaction, workflow, workflow_id, write_stream
from holdfast.agents.langchain import durable, durable_tool_node
from holdfast.agents.langgraph import ThreadStore, run_turn

INSTRUCTIONS = SystemMessage(
    "You are the customer service agent of a shop. Use the tools to list and look up the customer's orders, to process "
    "refunds and to tell how far they have come. Never promise a refund that a tool has not confirmed. Refunds above "
    "1,000.00 are decided by a manager; the customer is told here. Be brief and friendly."
)


class Incoming(TypedDict, total=False):
    """What a conversation takes in: something the customer said, or a notice for the customer."""

    kind: str
    id: str
    text: str


class _Agent:
    """The graph and the conversations' store, as configured at start."""

    graph: Any = None
    threads: ThreadStore


def configure(model: BaseChatModel, threads: ThreadStore) -> None:
    """Build the graph; called once, before the application is launched."""
    talker = durable(model, stream="tokens", retries=5, backoff=0.5, timeout=120).bind_tools(refunds.TOOLS)

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [talker.invoke([INSTRUCTIONS, *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", think)
    graph.add_node("tools", durable_tool_node(refunds.TOOLS))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    _Agent.graph = graph.compile()
    _Agent.threads = threads


@workflow
def conversation() -> None:
    """Take in what is said, one thing after another, until the conversation is deleted."""
    while True:
        incoming: Incoming = recv("inbox")
        if incoming["kind"] == "notice":
            note(workflow_id(), incoming["text"])
            write_stream("chat", {"kind": "notice", "text": incoming["text"]})
            continue
        turn = start(chat_turn, incoming["id"], incoming["text"])
        write_stream("chat", {"kind": "said", "id": incoming["id"], "text": incoming["text"], "turn": turn.id})
        write_stream("chat", {"kind": "answer", "id": incoming["id"], "text": answer_of(turn)})


def answer_of(turn: Handle[str]) -> str:
    """Wait for what a turn says; a turn that failed for good is told, and the conversation goes on."""
    try:
        return turn.result()
    except Exception as error:  # noqa: BLE001 - whatever a model's client raises after its last attempt
        logger.warning("a turn failed: %s", error)
    return "I'm sorry, I could not answer this. Please try again."


@workflow
def chat_turn(message_id: str, text: str) -> str:
    """Run one turn of the graph and return what the agent says."""
    thread_id = refunds.conversation_of(workflow_id())
    state = run_turn(
        _Agent.graph, _Agent.threads, thread_id, {"messages": [HumanMessage(text, id=f"said-{message_id}")]}
    )
    return str(state["messages"][-1].text)


@transaction
def note(thread_id: str, text: str) -> None:
    """Add a notice to the conversation, so that the model knows of it too."""
    _Agent.threads.append(thread_id, [AIMessage(text)])

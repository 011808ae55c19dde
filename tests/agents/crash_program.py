"""A program with one durable turn of an agent, to be killed at a chosen moment and started again.

Arguments: database URL, folder for notes, kind of agent, moment of death (or "never"), URL of a model server (or "").
It dies once: the second process finds the note that the first one left, and goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition
from pydantic import SecretStr

from holdfast import Holdfast, options, read_stream, step_info, transaction, workflow
from holdfast.agents.langchain import DurableTools, LiveAnswers, durable, durable_tool_node
from holdfast.agents.langgraph import ThreadStore, arun_turn, run_turn
from tests.agents.scripted_model import ScriptedModel, clerk, note
from tests.helpers import eventually

URL, FOLDER, KIND, MOMENT, SERVER = sys.argv[1:6]
NOTES = Path(FOLDER) / "notes"
TURN = "turn-1"
app = Holdfast(URL)
threads = ThreadStore(URL)


def die(moment: str) -> None:
    """Kill this process if this is its moment, and it has not died before."""
    flag = Path(FOLDER) / "died"
    if moment == MOMENT and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def others_are_recorded() -> bool:
    return sum(entry.name == "tool:refund" for entry in app.get_journal(TURN)) == 2


@tool
def refund(order_id: int) -> str:
    """Refund an order."""
    note(NOTES, f"tool {order_id} {step_info().idempotency_key}")
    if order_id == 2 and MOMENT == "in a tool" and not (Path(FOLDER) / "died").exists():
        eventually(others_are_recorded)
        die("in a tool")
    return f"refunded {order_id}"


def script(messages: list[BaseMessage]) -> AIMessage:
    if any(isinstance(message, ToolMessage) for message in messages):
        die("in a model call")
    return clerk(messages)


def model() -> BaseChatModel:
    if SERVER:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            base_url=SERVER, api_key=SecretStr("none"), max_retries=0, model="gpt-test", stream_usage=True
        )
    return ScriptedModel(script=script, notes=NOTES)


recorded = durable(
    model(), stream="tokens", on_token=lambda text: die("between tokens") if text == " refunded" else None
)


def graph() -> Any:
    if KIND.startswith("create_agent"):
        return create_agent(recorded, [refund], middleware=[DurableTools()])
    bound = recorded.bind_tools([refund])

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [bound.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", durable_tool_node([refund]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile()


@workflow(name="turn")
def turn(text: str) -> str:
    state = run_turn(graph(), threads, "ada", {"messages": [HumanMessage(text)]})
    die("at the end")
    return str(state["messages"][-1].text)


@workflow(name="async-turn")
async def async_turn(text: str) -> str:
    state = await arun_turn(graph(), threads, "ada", {"messages": [HumanMessage(text)]})
    die("at the end")
    return str(state["messages"][-1].text)


@transaction
def thread() -> list[str]:
    return [str(message.text) for message in threads.messages("ada") if message.text]


def report(answer: str) -> None:
    answers = LiveAnswers(item for _, item in read_stream(TURN, "tokens"))
    print("answer:", answer)
    print("tokens:", list(answers.texts.values())[-1])
    print("thread:", " | ".join(thread()))


def main() -> None:
    threads.setup()
    with app:
        report(options(id=TURN).start(turn, "refund 1 2 3").result(timeout=30))


async def amain() -> None:
    threads.setup()
    async with app:
        answer = await (await options(id=TURN).astart(async_turn, "refund 1 2 3"))
        await asyncio.to_thread(report, answer)


if KIND.endswith("async"):
    asyncio.run(amain())
else:
    main()

"""LangGraph's graphs inside workflows, and their conversations in the application's database.

    threads = ThreadStore("sqlite:///app.db")

    @workflow
    def turn(thread_id: str, text: str) -> str:
        state = run_turn(graph, threads, thread_id, {"messages": [HumanMessage(text)]})
        return state["messages"][-1].text

The graph's model is `durable`, its tools run in a `durable_tool_node` (both in `holdfast.agents.langchain`), and it is
compiled without a checkpointer. A turn that is killed runs again from its start with the state that it had read, and
gets every finished call from the journal. Run one turn of a thread at a time; what others `append` meanwhile is kept.
"""

from __future__ import annotations

from holdfast.errors import MissingExtra

try:
    import langchain_core as _langchain_core
    import langgraph as _langgraph
except ModuleNotFoundError as error:
    raise MissingExtra("holdfast.agents.langgraph", "langchain") from error

from holdfast.agents.graph_run import arun_graph, arun_turn, run_graph, run_turn
from holdfast.agents.thread_state import ThreadState
from holdfast.agents.threads import ThreadStore

__all__ = ["ThreadState", "ThreadStore", "arun_graph", "arun_turn", "run_graph", "run_turn"]

del _langchain_core, _langgraph

"""Run a compiled graph inside a workflow, against a memory that is filled anew at every replay.

A graph that ran against its persistent saver would find, when the workflow is replayed, what the first run had saved,
and ask the model something else. So the memory lives as long as the run, and is saved once, at the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt, StateSnapshot

from holdfast.agents.thread_state import ThreadState
from holdfast.agents.threads import ThreadStore, at
from holdfast.agents.tool_calls import graph_calls
from holdfast.api.decorators import transaction

Graph = CompiledStateGraph[Any, Any, Any, Any]
Answer = Callable[[list[Any]], Sequence[Any]]
"""Takes the values of the pending interrupts and returns an answer for each, in that order."""
AsyncAnswer = Callable[[list[Any]], Awaitable[Sequence[Any]]]

_ONLY_THREAD = "run"
"""A memory of one run has no other."""


def run_graph(
    graph: Graph,
    input: Any,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    answer: Answer | None = None,
) -> dict[str, Any]:
    """Run a graph to its end inside a workflow and return its state; model and tool calls are what records it.

    `answer` is asked when the graph interrupts itself: in it, wait for a person with `recv` or `request_approval`, for
    days if need be. Without it, the state is returned with its `__interrupt__`. Tool calls that had ended are not made
    again when the graph goes on. Raises `UsageError` if two calls in one plain ToolNode interrupt at once.
    """
    return _Run(graph, _ONLY_THREAD, config, context).to_end(input, answer)


async def arun_graph(
    graph: Graph,
    input: Any,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    answer: AsyncAnswer | None = None,
) -> dict[str, Any]:
    """Run a graph in a coroutine; see `run_graph`."""
    return await _Run(graph, _ONLY_THREAD, config, context).ato_end(input, answer)


def run_turn(
    graph: Graph,
    threads: ThreadStore,
    thread_id: str,
    input: Any,
    *,
    database: str | None = None,
    config: RunnableConfig | None = None,
    context: Any = None,
    answer: Answer | None = None,
) -> dict[str, Any]:
    """Run one turn of a conversation inside a workflow and return the graph's state.

    The thread is read in a recorded transaction, the graph runs with what was read, and the new state is saved in one
    transaction at the end. `database` names where the threads are, if that is not the workflow database.
    """

    @transaction(name="load_thread", database=database)
    def load_thread(thread_id: str) -> dict[str, Any] | None:
        state = threads.load(thread_id)
        return None if state is None else state.to_data()

    @transaction(name="save_thread", database=database)
    def save_thread(thread_id: str) -> None:
        threads.save(thread_id, base, run.state())

    base = _read(load_thread(thread_id))
    run = _Run(graph, thread_id, config, context, base)
    values = run.to_end(input, answer)
    save_thread(thread_id)
    return values


async def arun_turn(
    graph: Graph,
    threads: ThreadStore,
    thread_id: str,
    input: Any,
    *,
    database: str | None = None,
    config: RunnableConfig | None = None,
    context: Any = None,
    answer: AsyncAnswer | None = None,
) -> dict[str, Any]:
    """Run one turn of a conversation in a coroutine; see `run_turn`."""

    @transaction(name="load_thread", database=database)
    async def load_thread(thread_id: str) -> dict[str, Any] | None:
        state = threads.load(thread_id)
        return None if state is None else state.to_data()

    @transaction(name="save_thread", database=database)
    async def save_thread(thread_id: str) -> None:
        threads.save(thread_id, base, run.state())

    base = _read(await load_thread(thread_id))
    run = _Run(graph, thread_id, config, context, base)
    values = await run.ato_end(input, answer)
    await save_thread(thread_id)
    return values


def _read(data: dict[str, Any] | None) -> ThreadState | None:
    return None if data is None else ThreadState.from_data(data)


class _Run:
    """A graph with a memory of its own."""

    def __init__(
        self,
        graph: Graph,
        thread_id: str,
        config: RunnableConfig | None,
        context: Any,
        base: ThreadState | None = None,
    ) -> None:
        self._memory = InMemorySaver()
        self._place = at(thread_id)
        if base is not None:
            checkpoint = base.checkpoint
            self._memory.put(self._place, checkpoint, base.metadata, checkpoint["channel_versions"])
        self._graph = graph.copy({"checkpointer": self._memory})
        self._config = merge_configs(config, {"configurable": {"thread_id": thread_id}})
        self._context = context

    def to_end(self, input: Any, answer: Answer | None) -> dict[str, Any]:
        """Run until the graph has ended, or waits for an answer that nobody gives."""
        with graph_calls() as calls:
            values = self._graph.invoke(input, self._config, context=self._context, durability="sync")
            while answer is not None and (pending := _pending(self._graph.get_state(self._config))):
                calls.check()
                command = _resume(pending, answer([each.value for each in pending]))
                values = self._graph.invoke(command, self._config, context=self._context, durability="sync")
        return cast("dict[str, Any]", values)

    async def ato_end(self, input: Any, answer: AsyncAnswer | None) -> dict[str, Any]:
        """Run until the graph has ended, or waits for an answer that nobody gives, in a coroutine."""
        with graph_calls() as calls:
            values = await self._graph.ainvoke(input, self._config, context=self._context, durability="sync")
            while answer is not None and (pending := _pending(await self._graph.aget_state(self._config))):
                calls.check()
                command = _resume(pending, await answer([each.value for each in pending]))
                values = await self._graph.ainvoke(command, self._config, context=self._context, durability="sync")
        return cast("dict[str, Any]", values)

    def state(self) -> ThreadState:
        """Return what the memory holds now."""
        saved = self._memory.get_tuple(self._place)
        return ThreadState.empty() if saved is None else ThreadState.of(saved)


def _pending(state: StateSnapshot) -> list[Interrupt]:
    """Return the interrupts that wait for an answer, in the order of the graph's tasks, the same at every replay."""
    return [interrupt for task in state.tasks for interrupt in task.interrupts]


def _resume(pending: list[Interrupt], answers: Sequence[Any]) -> Command[Any]:
    # The ids are this run's own and change with every replay; positions and values don't.
    resume = {interrupt.id: given for interrupt, given in zip(pending, answers, strict=True)}
    return Command(resume=resume)

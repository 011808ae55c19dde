"""Tool calls that are recorded: made once, and after a crash read from the journal.

A tool call is identified by its place in the conversation (how many answers of the model came before it, and which of
that answer's calls it is) and by what it asks for. Ids that models give to calls change or repeat, and tools of one
answer run side by side, so neither ids nor the order in which calls begin will do. Each call gets a branch of its own:
two agents in one workflow, one after the other, don't take each other's results.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias, Unpack

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from holdfast.agents.messages import call_fingerprint, decode_value, encode_value
from holdfast.agents.settings import StepSettings, step_options
from holdfast.api.describing import MARK
from holdfast.api.verbs import arun_step, in_step, in_workflow, run_step, workflow_id
from holdfast.core.options import StepOptions
from holdfast.errors import UsageError
from holdfast.runtime.branches import branch
from holdfast.runtime.context import current

Outcome: TypeAlias = ToolMessage | Command[Any]
"""What a tool call gives; newer tools give lists of them, which LangChain's types don't say."""

_FORBIDDEN = str.maketrans(dict.fromkeys("/#[", "_"))
_LONGEST_NAME = 100


class DurableTools(AgentMiddleware[Any, Any, Any]):
    """Records the tool calls of an agent: each one is a step called `tool:{name}`, with the settings of `@step`.

    For `create_agent(…, middleware=[…, DurableTools()])` (last, so that it is the innermost), and for ToolNode:
    `ToolNode(tools, wrap_tool_call=d.wrap_tool_call, awrap_tool_call=d.awrap_tool_call)`, or `durable_tool_node`.

    A tool that is a `@workflow`, `@step` or `@transaction` itself is called as that, and keeps its own settings. Other
    tools may run again after a crash in their middle; `step_info().idempotency_key` is the same each time. What they
    give must be recordable: artifacts and updates of plain data. An exception is recorded like a result; ToolNode's
    `handle_tool_errors` works inside the step, so what it turns into a message is not retried.
    """

    def __init__(self, *, messages_key: str = "messages", **settings: Unpack[StepSettings]) -> None:
        """Look for the conversation under `messages_key` in the state. Raises `ConfigurationError`."""
        super().__init__()
        self._messages_key = messages_key
        self._options = step_options("tool", settings)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Outcome]) -> Outcome:
        """Make a tool call, or return its recorded outcome."""
        if not in_workflow() or in_step():
            return handler(request)
        place = _Place.of(request, self._messages_key)
        if (finished := place.finished()) is not None:
            return finished

        def call_tool(_fingerprint: str) -> Any:
            try:
                return encode_value(_with_ids(handler(request), identity), "result")
            except GraphBubbleUp as bubble:
                raise _Bubble(bubble) from None

        with branch(place.branch), _control_flow(request, place):
            identity = _identity()
            if _is_durable(request.tool):
                outcome: Outcome = _with_ids(handler(request), identity)
            else:
                outcome = decode_value(run_step(self._step(place), call_tool, place.fingerprint))
        place.hand_over()
        return place.remember(outcome)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Outcome]]
    ) -> Outcome:
        """Make a tool call, or return its recorded outcome."""
        if not in_workflow() or in_step():
            return await handler(request)
        place = _Place.of(request, self._messages_key)
        if (finished := place.finished()) is not None:
            return finished

        async def call_tool(_fingerprint: str) -> Any:
            try:
                return encode_value(_with_ids(await handler(request), identity), "result")
            except GraphBubbleUp as bubble:
                raise _Bubble(bubble) from None

        with branch(place.branch), _control_flow(request, place):
            identity = _identity()
            if _is_durable(request.tool):
                outcome: Outcome = _with_ids(await handler(request), identity)
            else:
                outcome = decode_value(await arun_step(self._step(place), call_tool, place.fingerprint))
        place.hand_over()
        return place.remember(outcome)

    def _step(self, place: _Place) -> StepOptions:
        return dataclasses.replace(self._options, name=f"tool:{place.name}")


def durable_tool_node(
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    name: str = "tools",
    messages_key: str = "messages",
    handle_tool_errors: Any = None,
    **settings: Unpack[StepSettings],
) -> ToolNode:
    """Return a `ToolNode` whose calls are recorded; see `DurableTools`.

    `handle_tool_errors` is ToolNode's own (default: only wrong arguments become messages to the model).
    """
    recorded = DurableTools(messages_key=messages_key, **settings)
    handling = {} if handle_tool_errors is None else {"handle_tool_errors": handle_tool_errors}
    return ToolNode(
        tools,
        name=name,
        messages_key=messages_key,
        wrap_tool_call=recorded.wrap_tool_call,
        awrap_tool_call=recorded.awrap_tool_call,
        **handling,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Which tool call of the conversation it is."""

    name: str
    answers: int
    """How many answers the model had given, the one with this call included."""
    index: int
    """Which call of that answer it is."""
    fingerprint: str
    answer_id: str | None
    siblings: int
    """How many other calls the answer has."""

    @classmethod
    def of(cls, request: ToolCallRequest, messages_key: str) -> _Place:
        """Find the call in the conversation that the graph's state holds."""
        call = request.tool_call
        answers = [message for message in _messages(request.state, messages_key) if isinstance(message, AIMessage)]
        calls = answers[-1].tool_calls if answers else []
        same = [index for index, each in enumerate(calls) if each["id"] == call["id"]]
        if len(same) != 1:  # ids may repeat, or be missing altogether
            asked = (call["name"], call["args"])
            same = [index for index, each in enumerate(calls) if (each["name"], each["args"]) == asked]
        return cls(
            name=call["name"].translate(_FORBIDDEN)[:_LONGEST_NAME],
            answers=len(answers),
            index=same[0] if same else -1,
            fingerprint=call_fingerprint(call["name"], call["args"]),
            answer_id=answers[-1].id if answers else None,
            siblings=max(0, len(calls) - 1),
        )

    @property
    def branch(self) -> str:
        """A name that is the same at every replay; what it asks for keeps agents that run side by side apart."""
        return f"tool:{self.answers}.{self.index}:{self.fingerprint}"

    def hand_over(self) -> None:
        """Have the outcome written now, without waiting for it, if other calls of the answer may still run for long.

        It would ride along with the next operation's writes, which come when the last of them has ended.
        """
        frame = current.get()
        if frame is not None and self.siblings > 0:
            frame.execution.submit()

    def finished(self) -> Outcome | None:
        """Return what the call gave in an earlier part of the graph's run."""
        calls = _graph_calls.get()
        return None if calls is None else calls.finished.get(self)

    def remember(self, outcome: Outcome) -> Outcome:
        """Keep the outcome in mind for the rest of the graph's run; return it."""
        calls = _graph_calls.get()
        if calls is not None:
            calls.finished[self] = outcome
        return outcome


def _messages(state: Any, key: str) -> Sequence[BaseMessage]:
    if isinstance(state, list):
        return state
    found = state.get(key, ()) if isinstance(state, Mapping) else getattr(state, key, ())
    return found if isinstance(found, list) else ()


def _is_durable(tool: BaseTool | None) -> bool:
    """Tell whether a tool's function is a workflow, step or transaction, and so records itself."""
    return any(hasattr(getattr(tool, name, None), MARK) for name in ("func", "coroutine"))


# Interrupts


class GraphCalls:
    """What has become of the tool calls of one run of a graph, which its interrupts divide into parts."""

    def __init__(self) -> None:
        self.finished: dict[_Place, Outcome] = {}
        """Interrupted, LangGraph runs a node again, with all of its calls: these are not made a second time."""
        self._interrupted: dict[str, set[_Place]] = {}

    def interrupt(self, request: ToolCallRequest, place: _Place) -> None:
        """Note that a call has interrupted the graph."""
        task = str(request.runtime.config.get("configurable", {}).get("checkpoint_ns", ""))
        self._interrupted.setdefault(task, set()).add(place)

    def check(self) -> None:
        """Raise `UsageError` if two calls of one task interrupt: LangGraph may give one the other's answer."""
        for places in self._interrupted.values():
            if len(places) > 1:
                names = sorted(f"{place.name} (call {place.index})" for place in places)
                raise UsageError(
                    f"the tool calls {', '.join(names)} of one answer both interrupt the graph, and LangGraph can't "
                    "tell which of them an answer is for: use create_agent, which runs each call by itself, or a "
                    "tool that waits for its answer as a @workflow"
                )


_graph_calls: ContextVar[GraphCalls | None] = ContextVar("holdfast_graph_calls", default=None)


@contextmanager
def graph_calls() -> Iterator[GraphCalls]:
    """Keep in mind, for the length of a graph's run, what becomes of its tool calls."""
    calls = GraphCalls()
    token = _graph_calls.set(calls)
    try:
        yield calls
    finally:
        _graph_calls.reset(token)


class _Bubble(BaseException):
    """Carries LangGraph's control flow out of a step, past what would record it as the step's failure."""

    def __init__(self, bubble: GraphBubbleUp) -> None:
        self.bubble = bubble


@contextmanager
def _control_flow(request: ToolCallRequest, place: _Place) -> Iterator[None]:
    """Let LangGraph's control flow out, and note what it says of the call."""
    try:
        yield
    except (_Bubble, GraphBubbleUp) as error:
        bubble = error.bubble if isinstance(error, _Bubble) else error
        calls = _graph_calls.get()
        if calls is not None and isinstance(bubble, GraphInterrupt):
            calls.interrupt(request, place)
        raise bubble from None


# Ids


def _identity() -> str:
    """Name the running branch of the workflow, apart from all others."""
    frame = current.get()
    place = frame.branch if frame is not None else ""
    return hashlib.blake2b(f"{workflow_id()}:{place}".encode(), digest_size=16).hexdigest()


def _with_ids(outcome: Any, identity: str) -> Any:
    """Give messages without an id one that is the same at every replay, before LangGraph makes one up."""
    found = [outcome] if not isinstance(outcome, list) else outcome
    for index, message in enumerate(_tool_messages(found)):
        if message.id is None:
            message.id = f"tool-{identity}-{index}" if index else f"tool-{identity}"
    return outcome


def _tool_messages(values: Any) -> Iterator[ToolMessage]:
    for value in values:
        if isinstance(value, ToolMessage):
            yield value
        elif isinstance(value, Command):
            updates = value.update.values() if isinstance(value.update, dict) else ()
            for update in updates:
                yield from _tool_messages(update if isinstance(update, list) else [update])

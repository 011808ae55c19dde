"""Durable agents on LangChain: model calls and tool calls that are made once and recorded.

    model = durable(init_chat_model("openai:gpt-5", max_retries=0), retries=3, timeout=60)
    agent = create_agent(model, tools, middleware=[DurableTools()])

    @workflow
    def answer(question: str) -> str:
        return agent.invoke({"messages": [question]})["messages"][-1].text

Killed in mid-turn, `answer` runs again from its start, and every model and tool call that had an outcome gets it from
the journal. Outside a workflow, and inside a step, all of this does nothing.

Provider clients retry by themselves (OpenAI's twice), which multiplies with a step's retries: give them
`max_retries=0`. Don't use durable operations for each chunk of a stream (a replay gives the whole message as one
chunk): `durable(model, stream="tokens")` shows tokens while they come.
"""

from __future__ import annotations

from typing import Unpack

from holdfast.errors import MissingExtra

try:
    import langchain as _langchain
    import langchain_core as _langchain_core
    import langgraph as _langgraph
except ModuleNotFoundError as error:
    raise MissingExtra("holdfast.agents.langchain", "langchain") from error

from langchain_core.language_models import BaseChatModel

from holdfast.agents.answer import IncompleteAnswer
from holdfast.agents.chat_model import DurableChatModel
from holdfast.agents.messages import fingerprint
from holdfast.agents.model_call import OnToken, Recording
from holdfast.agents.settings import StepSettings, step_options
from holdfast.agents.tokens import LiveAnswers, TokenItem
from holdfast.agents.tool_calls import DurableTools, durable_tool_node

__all__ = [
    "DurableChatModel",
    "DurableTools",
    "IncompleteAnswer",
    "LiveAnswers",
    "OnToken",
    "StepSettings",
    "TokenItem",
    "durable",
    "durable_tool_node",
    "fingerprint",
]

del _langchain, _langchain_core, _langgraph


def durable(
    model: BaseChatModel,
    *,
    name: str = "model",
    stream: str | None = None,
    on_token: OnToken | None = None,
    accept_unmarked_end: bool = False,
    **settings: Unpack[StepSettings],
) -> DurableChatModel:
    """Return a chat model that records in a workflow every call of `model` as a step called `name`.

    A recorded call is never made again; a crash in mid-call asks the model once more. `settings` are those of `@step`:
    retries, backoff, timeout and so on. A stream that breaks off is a failed attempt (`IncompleteAnswer`), not an
    answer; for a model that never says why it ended, set `accept_unmarked_end`.

    With `stream`, the tokens of running calls go to that stream of the workflow as `TokenItem`s, also where the
    framework calls `invoke()`; `LiveAnswers` puts them together. `on_token` is called with each token instead, or as
    well. Both happen at least once: an attempt that is repeated repeats them.

    Consumers of `.stream()` get chunks as they come only without `retries`, since none can be taken back; with
    retries, they get them once the answer is whole; from the journal, they get it as one chunk. LangChain's response
    cache is not used.

    Raises `ConfigurationError` for what is no chat model, and for wrong settings.
    """
    recording = Recording(
        options=step_options(name, settings),
        stream=stream,
        on_token=on_token,
        accept_unmarked_end=accept_unmarked_end,
    )
    return DurableChatModel.over(model, recording)

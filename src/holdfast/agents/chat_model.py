"""A chat model whose calls are recorded: made once, and after a crash read from the journal.

Frameworks call models in many places (an agent's own node, summarizers, routers, structured output), so what is wrapped
is the model and not the agent.
"""

# ruff: noqa: SLF001 - what a chat model implements, LangChain marks as private
from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.tools import BaseTool
from pydantic import InstanceOf

from holdfast.agents.answer import as_chunk, as_result, refuse_broken_calls
from holdfast.agents.model_call import ModelCall, Recording, Relay
from holdfast.api.verbs import in_step, in_workflow
from holdfast.errors import ConfigurationError

# What the wrapped model says about itself, or does around a call, and what is not to be recorded.
_TAKEN_OVER = (
    "callbacks",
    "custom_get_token_ids",
    "disable_streaming",
    "metadata",
    "output_version",
    "profile",
    "tags",
    "verbose",
)


class DurableChatModel(BaseChatModel):
    """A chat model that records in a workflow what another one answers; made by `durable`."""

    inner: InstanceOf[BaseChatModel]
    recording: InstanceOf[Recording]

    @classmethod
    def over(cls, inner: BaseChatModel, recording: Recording) -> DurableChatModel:
        """Wrap a model. Raises `ConfigurationError` for what is no plain chat model."""
        if isinstance(inner, DurableChatModel):
            raise ConfigurationError("this model is durable already")
        if not isinstance(inner, BaseChatModel):
            raise ConfigurationError(
                f"durable() takes a chat model, not a {type(inner).__name__}: "
                "bind tools and the like to what it returns, durable(model).bind_tools(…)"
            )
        taken = {
            name: getattr(inner, name) for name in _TAKEN_OVER if name in cls.model_fields and hasattr(inner, name)
        }
        # LangChain's cache would answer some calls past the journal, and not the same ones at a replay.
        return cls(inner=inner, recording=recording, cache=False, **taken)

    # What it is

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return dict(self.inner._identifying_params)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        return self.inner.get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        return self.inner.get_num_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        return self.inner.get_num_tokens_from_messages(messages, tools)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools as the wrapped model formats them; the calls are recorded."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        bound = self.inner.bind_tools(tools, **kwargs)
        if not isinstance(bound, RunnableBinding) or not isinstance(bound.bound, BaseChatModel):
            raise ConfigurationError(f"{type(self.inner).__name__}.bind_tools() gave no bound model, but {bound!r}")
        return self.model_copy(update={"inner": bound.bound}).bind(**bound.kwargs)

    # What it does

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, stop, kwargs)
        if not _recording():
            return call.ask(run_manager)
        return as_result(call.record(None, run_manager))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, stop, kwargs)
        if not _recording():
            return await call.aask(run_manager)
        return as_result(await call.arecord(None, run_manager))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(messages, stop, kwargs)
        if not _recording():
            yield from call.chunks(run_manager)
            return
        chunks: SimpleQueue[ChatGenerationChunk | None] = SimpleQueue()
        relay = Relay(chunks.put, at_once=self.recording.passes_on_at_once)
        outcome: Future[AIMessage] = Future()

        def record() -> None:
            try:
                outcome.set_result(call.record(relay))
            except BaseException as error:  # noqa: BLE001 - raised where the chunks are consumed
                outcome.set_exception(error)
            finally:
                chunks.put(None)

        # The step is one call that returns when the answer is whole, while its chunks go out: it takes a thread.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(record,), name="holdfast-model-call", daemon=True)
        thread.start()
        try:
            yield from iter(chunks.get, None)
        finally:
            # Also when the consumer stops early: what was paid for is recorded.
            thread.join()
        message = outcome.result()
        if not relay.passed_on:
            refuse_broken_calls(message)
            yield as_chunk(message)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._call(messages, stop, kwargs)
        if not _recording():
            async for chunk in call.achunks(run_manager):
                yield chunk
            return
        chunks: asyncio.Queue[ChatGenerationChunk | None] = asyncio.Queue()
        relay = Relay(chunks.put_nowait, at_once=self.recording.passes_on_at_once)
        task = asyncio.create_task(call.arecord(relay), name="holdfast-model-call")
        task.add_done_callback(lambda _: chunks.put_nowait(None))
        try:
            while (passed := await chunks.get()) is not None:
                yield passed
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            # Also when the consumer stops early: what was paid for is recorded.
            await asyncio.gather(task, return_exceptions=True)
        message = task.result()
        if not relay.passed_on:
            refuse_broken_calls(message)
            yield as_chunk(message)

    def _call(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> ModelCall:
        return ModelCall(inner=self.inner, recording=self.recording, messages=messages, stop=stop, kwargs=kwargs)


def _recording() -> bool:
    """Tell whether this is workflow code: elsewhere, and in a step's body, calls are plain."""
    return in_workflow() and not in_step()

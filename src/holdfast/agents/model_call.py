"""One call of a model: how it is asked, in pieces or at once, and how its answer becomes a step's outcome."""

# ruff: noqa: SLF001 - what a chat model implements, LangChain marks as private
from __future__ import annotations

import hashlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from holdfast.agents.answer import Assembly, as_chunk, refuse_broken_calls, text_of, whole_message
from holdfast.agents.messages import fingerprint, message_from_data, message_to_data
from holdfast.agents.tokens import TokenBatch, TokenItem
from holdfast.api.verbs import arun_step, awrite_stream, run_step, step_info, write_stream
from holdfast.core.options import StepOptions
from holdfast.errors import UsageError

OnToken = Callable[[str], None] | Callable[[str], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """How a model's calls are recorded and watched."""

    options: StepOptions
    stream: str | None = None
    """The workflow's stream that takes the tokens of running calls."""
    on_token: OnToken | None = None
    """Called with each token in the step's body: at least once."""
    accept_unmarked_end: bool = False
    """Take a stream that ends without saying why for a whole answer."""

    @property
    def wants_tokens(self) -> bool:
        """Whether somebody watches."""
        return self.stream is not None or self.on_token is not None

    @property
    def passes_on_at_once(self) -> bool:
        """Whether a consumer of chunks gets them as they come: none can be taken back if another attempt follows."""
        return self.options.policy.retries == 0


class Relay:
    """Passes chunks on to the consumer of a stream: as they come, or once an attempt's answer is whole."""

    def __init__(self, put: Callable[[ChatGenerationChunk], None], *, at_once: bool) -> None:
        self._put = put
        self._at_once = at_once
        self._held: list[ChatGenerationChunk] = []
        self.passed_on = False
        """Whether the consumer has got anything: not if the answer was in the journal."""

    def begin(self) -> None:
        """Begin an attempt; drop what an earlier one left."""
        self._held.clear()

    def add(self, chunk: ChatGenerationChunk) -> None:
        """Take the next chunk."""
        if self._at_once:
            self._pass_on(chunk)
        else:
            self._held.append(chunk)

    def end(self) -> None:
        """Say that the answer is whole."""
        for chunk in self._held:
            self._pass_on(chunk)

    def _pass_on(self, chunk: ChatGenerationChunk) -> None:
        self.passed_on = True
        self._put(chunk)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCall:
    """A request to a model."""

    inner: BaseChatModel
    recording: Recording
    messages: list[BaseMessage]
    stop: list[str] | None
    kwargs: dict[str, Any]

    # Recorded

    def record(self, relay: Relay | None, run_manager: CallbackManagerForLLMRun | None = None) -> AIMessage:
        """Return the recorded answer, or ask for it and record it."""

        def ask_model(_fingerprint: str) -> dict[str, Any]:
            return message_to_data(self._attempt(relay, run_manager))

        return _answer(run_step(self.recording.options, ask_model, self._fingerprint()))

    async def arecord(self, relay: Relay | None, run_manager: AsyncCallbackManagerForLLMRun | None = None) -> AIMessage:
        """Return the recorded answer, or ask for it and record it."""

        async def ask_model(_fingerprint: str) -> dict[str, Any]:
            return message_to_data(await self._aattempt(relay, run_manager))

        return _answer(await arun_step(self.recording.options, ask_model, self._fingerprint()))

    def _fingerprint(self) -> str:
        bound = {**self.kwargs, "stop": self.stop} if self.stop is not None else self.kwargs
        return fingerprint(self.messages, bound)

    def _attempt(self, relay: Relay | None, run_manager: CallbackManagerForLLMRun | None) -> AIMessage:
        assembly = Assembly(_message_id())
        watcher = _Watcher(self.recording)
        for item in watcher.begin():
            write_stream(watcher.stream, item)
        if self._in_pieces(relay, sync=True):
            _begin(relay)
            for chunk in self.chunks(None):
                for item in watcher.add(assembly.add(chunk)):
                    write_stream(watcher.stream, item)
                if relay is not None:
                    relay.add(chunk)
            message = self._finished(assembly, relay)
        else:
            message = whole_message(self.ask(run_manager), _message_id())
            for item in watcher.add(text_of(message)):
                write_stream(watcher.stream, item)
        for item in watcher.end():
            write_stream(watcher.stream, item)
        return message

    async def _aattempt(self, relay: Relay | None, run_manager: AsyncCallbackManagerForLLMRun | None) -> AIMessage:
        assembly = Assembly(_message_id())
        watcher = _Watcher(self.recording)
        for item in watcher.begin():
            await awrite_stream(watcher.stream, item)
        if self._in_pieces(relay, sync=False):
            _begin(relay)
            async for chunk in self.achunks(None):
                for item in await watcher.aadd(assembly.add(chunk)):
                    await awrite_stream(watcher.stream, item)
                if relay is not None:
                    relay.add(chunk)
            message = self._finished(assembly, relay)
        else:
            message = whole_message(await self.aask(run_manager), _message_id())
            for item in await watcher.aadd(text_of(message)):
                await awrite_stream(watcher.stream, item)
        for item in watcher.end():
            await awrite_stream(watcher.stream, item)
        return message

    def _in_pieces(self, relay: Relay | None, *, sync: bool) -> bool:
        return (relay is not None or self.recording.wants_tokens) and self._can_stream(sync=sync)

    def _finished(self, assembly: Assembly, relay: Relay | None) -> AIMessage:
        message = assembly.finish(accept_unmarked=self.recording.accept_unmarked_end)
        if relay is not None:
            refuse_broken_calls(message)
            relay.end()
        return message

    # Plain

    def ask(self, run_manager: CallbackManagerForLLMRun | None) -> ChatResult:
        """Ask the wrapped model, for the whole answer."""
        if self.inner.rate_limiter:
            self.inner.rate_limiter.acquire(blocking=True)
        return self.inner._generate(self.messages, stop=self.stop, run_manager=run_manager, **self.kwargs)

    async def aask(self, run_manager: AsyncCallbackManagerForLLMRun | None) -> ChatResult:
        """Ask the wrapped model, for the whole answer."""
        if self.inner.rate_limiter:
            await self.inner.rate_limiter.aacquire(blocking=True)
        return await self.inner._agenerate(self.messages, stop=self.stop, run_manager=run_manager, **self.kwargs)

    def chunks(self, run_manager: CallbackManagerForLLMRun | None) -> Iterator[ChatGenerationChunk]:
        """Ask the wrapped model, for an answer in pieces if it can give one."""
        if not self._can_stream(sync=True):
            yield as_chunk(whole_message(self.ask(run_manager), None))
            return
        if self.inner.rate_limiter:
            self.inner.rate_limiter.acquire(blocking=True)
        yield from self.inner._stream(self.messages, stop=self.stop, run_manager=run_manager, **self.kwargs)

    async def achunks(self, run_manager: AsyncCallbackManagerForLLMRun | None) -> AsyncIterator[ChatGenerationChunk]:
        """Ask the wrapped model, for an answer in pieces if it can give one."""
        if not self._can_stream(sync=False):
            yield as_chunk(whole_message(await self.aask(run_manager), ""))
            return
        if self.inner.rate_limiter:
            await self.inner.rate_limiter.aacquire(blocking=True)
        async for chunk in self.inner._astream(self.messages, stop=self.stop, run_manager=run_manager, **self.kwargs):
            yield chunk

    def _can_stream(self, *, sync: bool) -> bool:
        inner, kind = self.inner, type(self.inner)
        if inner.disable_streaming is True or (inner.disable_streaming and self.kwargs.get("tools")):
            return False
        if "streaming" in inner.model_fields_set and getattr(inner, "streaming", None) is False:
            return False
        if kind._stream is not BaseChatModel._stream:
            return True
        return not sync and kind._astream is not BaseChatModel._astream


def _begin(relay: Relay | None) -> None:
    if relay is not None:
        relay.begin()


def _answer(data: dict[str, Any]) -> AIMessage:
    message = message_from_data(data)
    assert isinstance(message, AIMessage), message  # noqa: S101 - only such messages are recorded
    return message


def _call_name() -> str:
    """Name the running step the same way in every attempt and replay, and apart from all others."""
    return hashlib.blake2b(step_info().idempotency_key.encode(), digest_size=16).hexdigest()


def _message_id() -> str:
    # With LangChain's own prefix the provider's id, if it comes in a later chunk, wins over this one.
    return f"lc_run--{_call_name()}"


class _Watcher:
    """Tells those who watch a call what comes; `on_token` at once, the stream in batches."""

    def __init__(self, recording: Recording) -> None:
        self._on_token = recording.on_token
        self.stream = recording.stream or ""
        self._batch = TokenBatch(_call_name(), step_info().attempt) if recording.stream is not None else None

    def begin(self) -> list[TokenItem]:
        """Begin; return what is to be written."""
        return [self._batch.begin()] if self._batch else []

    def add(self, text: str) -> list[TokenItem]:
        """Take a token; return what is to be written. Raises `UsageError` for an async `on_token`."""
        told = self._tell(text)
        if inspect.iscoroutine(told):
            told.close()
        if told is not None and inspect.isawaitable(told):
            raise UsageError("on_token is async, and the model was called without await: use ainvoke or astream")
        return self._written(text)

    async def aadd(self, text: str) -> list[TokenItem]:
        """Take a token in a coroutine; return what is to be written."""
        told = self._tell(text)
        if told is not None:
            await told
        return self._written(text)

    def end(self) -> list[TokenItem]:
        """End; return what is to be written."""
        return [self._batch.end()] if self._batch else []

    def _tell(self, text: str) -> Awaitable[None] | None:
        return self._on_token(text) if self._on_token is not None and text else None

    def _written(self, text: str) -> list[TokenItem]:
        item = self._batch.add(text) if self._batch else None
        return [] if item is None else [item]

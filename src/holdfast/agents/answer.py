"""Put a model's streamed answer together, and refuse one that was cut off."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, message_chunk_to_message
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from holdfast.errors import HoldfastError

_SAYS_WHY_IT_ENDED = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")


class IncompleteAnswer(HoldfastError):
    """A model's stream broke off before its end, or gave a tool call whose arguments are no whole JSON object.

    It is an error of the attempt and not an answer: the step's retries ask again.
    """


class Assembly:
    """The chunks of one answer, in the order they come."""

    def __init__(self, message_id: str) -> None:
        """Give chunks without an id of the provider's `message_id`."""
        self._message_id = message_id
        self._whole: ChatGenerationChunk | None = None
        self._ended = False

    def add(self, chunk: ChatGenerationChunk) -> str:
        """Take the next chunk, give it its id, and return its text."""
        message = chunk.message
        if message.id is None:
            message.id = self._message_id
        info = {**(chunk.generation_info or {}), **message.response_metadata}
        self._ended = (
            self._ended
            or getattr(message, "chunk_position", None) == "last"
            or any(info.get(key) for key in _SAYS_WHY_IT_ENDED)
        )
        # Consumers may change the chunks they are given; adding makes new ones.
        copied = chunk.model_copy(update={"message": message.model_copy()})
        self._whole = copied if self._whole is None else self._whole + copied
        return text_of(message)

    def finish(self, *, accept_unmarked: bool) -> AIMessage:
        """Return the whole message. Raises `IncompleteAnswer` if the stream did not say that this is all."""
        if self._whole is None:
            raise IncompleteAnswer("the model's stream ended without a single chunk")
        if not self._ended and not accept_unmarked:
            raise IncompleteAnswer(
                f"the model's stream broke off after {text_of(self._whole.message)[-60:]!r}: it gave no reason for "
                "ending. If this model never gives one, use durable(model, accept_unmarked_end=True)"
            )
        chunk = self._whole.message
        message = message_chunk_to_message(chunk)
        if not isinstance(message, AIMessage):
            raise IncompleteAnswer(f"the model's stream gave a {type(message).__name__} and not an AIMessage")
        message.response_metadata = {**(self._whole.generation_info or {}), **message.response_metadata}
        if isinstance(chunk, AIMessageChunk):
            _parse_strictly(message, chunk.tool_call_chunks)
        return message


def _parse_strictly(message: AIMessage, chunks: list[ToolCallChunk]) -> None:
    """Read the tool calls again: LangChain completes broken arguments by guessing, and 10 may have been 1000."""
    calls: list[ToolCall] = []
    message.invalid_tool_calls = []
    for chunk in chunks:
        text = chunk["args"] or "{}"
        try:
            args = json.loads(text)
        except ValueError:
            args = None
        if isinstance(args, dict):
            calls.append(tool_call(name=chunk["name"] or "", args=args, id=chunk["id"]))
        else:
            broken = "the arguments are no JSON object"
            message.invalid_tool_calls.append(
                invalid_tool_call(name=chunk["name"], args=chunk["args"], id=chunk["id"], error=broken)
            )
    message.tool_calls = calls


def refuse_broken_calls(message: AIMessage) -> None:
    """Raise `IncompleteAnswer` for tool calls with broken arguments, which a streaming consumer would complete."""
    if message.invalid_tool_calls:
        broken = message.invalid_tool_calls[0]
        raise IncompleteAnswer(f"the call of tool {broken['name']!r} has broken arguments: {broken['args']!r}")


def whole_message(result: ChatResult, message_id: str | None) -> AIMessage:
    """Return the message of an answer that came in one piece, with its metadata and an id.

    Raises `IncompleteAnswer` if there is none.
    """
    generation = result.generations[0] if result.generations else None
    message = None if generation is None else message_chunk_to_message(generation.message)
    if generation is None or not isinstance(message, AIMessage):
        raise IncompleteAnswer("the model gave no AIMessage")
    metadata = {**(result.llm_output or {}), **(generation.generation_info or {}), **message.response_metadata}
    return message.model_copy(update={"id": message.id or message_id, "response_metadata": metadata})


def as_result(message: AIMessage) -> ChatResult:
    """Return a message as a model's result."""
    return ChatResult(generations=[ChatGeneration(message=message)])


def as_chunk(message: AIMessage) -> ChatGenerationChunk:
    """Return a whole message as a stream's only chunk."""
    fields: dict[str, Any] = {
        name: value
        for name, value in message.__dict__.items()
        if name not in {"type", "tool_calls", "invalid_tool_calls"}
    }
    chunks = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    return ChatGenerationChunk(message=AIMessageChunk(**fields, tool_call_chunks=chunks, chunk_position="last"))


def text_of(message: BaseMessage) -> str:
    """Return a message's text, whatever form its content has."""
    return str(message.text)

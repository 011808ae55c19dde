"""A chat model that needs no network: its answer is a pure function of the messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

Script = Callable[[list[BaseMessage]], AIMessage]


class ScriptedModel(BaseChatModel):
    """Answers with what `script` makes of the messages; notes each call in `calls`, and in a file if there is one."""

    script: Script
    calls: list[int] = Field(default_factory=list)
    notes: Path | None = None
    cut_after: int | None = None
    """The stream ends, without a word, after so many pieces."""
    bound: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "scripted-1"}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=formatted, **({"tool_choice": tool_choice} if tool_choice else {}), **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, kwargs)
        pieces = [AIMessageChunk(content=text) for text in _pieces(str(answer.text))]
        for index, call in enumerate(answer.tool_calls):
            args = json.dumps(call["args"])
            first = tool_call_chunk(name=call["name"], args=args[:5], id=call["id"], index=index)
            rest = tool_call_chunk(name=None, args=args[5:], id=None, index=index)
            pieces += [AIMessageChunk(content="", tool_call_chunks=[chunk]) for chunk in (first, rest)]
        for piece in pieces[: self.cut_after]:
            yield ChatGenerationChunk(message=piece)
        if self.cut_after is None:
            last = AIMessageChunk(content="", usage_metadata=answer.usage_metadata, chunk_position="last")
            yield ChatGenerationChunk(message=last, generation_info={"finish_reason": "stop"})

    def _answer(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        self.calls.append(len(messages))
        self.bound.append(kwargs)
        if self.notes is not None:
            note(self.notes, f"model {len(messages)}")
        return self.script(messages)


def _pieces(text: str) -> list[str]:
    words = text.split(" ")
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)] if text else []


def note(path: Path, line: str) -> None:
    """Append a line to a file in one write: it is there even if the process dies right after."""
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def says(text: str, *calls: ToolCall) -> AIMessage:
    """Make an answer, with usage as providers report it."""
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    return AIMessage(content=text, tool_calls=list(calls), usage_metadata=usage)


def calls(name: str, call_id: str = "call-1", **args: Any) -> ToolCall:
    """Make a tool call; its id is the same each time on purpose, as some models have it."""
    return ToolCall(type="tool_call", id=call_id, name=name, args=args)


def clerk(messages: list[BaseMessage]) -> AIMessage:
    """Ask for a refund of every number in the customer's last message, then say what came of it."""
    last = max(index for index, message in enumerate(messages) if isinstance(message, HumanMessage))
    asked = [word for word in str(messages[last].text).split() if word.isdigit()]
    results = [message for message in messages[last + 1 :] if isinstance(message, ToolMessage)]
    if results:
        return says("Done: " + ", ".join(str(result.text) for result in results))
    if not asked:
        return says("How may I help you today?")
    return says("", *(calls("refund", f"c{index}", order_id=int(number)) for index, number in enumerate(asked)))

"""The chat model: any that `init_chat_model` knows, or one that needs no key and answers by rules."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from apps.refund_agent.settings import Settings

_ORDER = re.compile(r"(?<!\d)#?(\d{4})(?!\d)")
_REFUND = re.compile(r"\b(refunds?|refunded|money back|return(ing)?|send back|reimburse\w*|cancel)\b", re.IGNORECASE)
_STATUS = re.compile(r"\b(status|state|progress|where is|how far|already|any news|decided|what about)\b", re.IGNORECASE)
_LIST = re.compile(r"\b(orders?|bought|buy|purchases?|purchased|ordered|history)\b", re.IGNORECASE)
_GREETING = re.compile(r"^\W*(hi|hello|hey|good (morning|afternoon|evening)|howdy)\b", re.IGNORECASE)
_THANKS = re.compile(r"\b(thanks|thank you|cheers|great|perfect|bye)\b", re.IGNORECASE)

HELP = (
    "I can list your orders, look one up, refund one, and tell how far a refund has come. "
    "For example: “Refund order 1002, please.”"
)


def chat_model(settings: Settings) -> tuple[BaseChatModel, str]:
    """Return the model to talk to, and its name for the page."""
    if settings.model:
        return init_chat_model(settings.model, max_retries=0), settings.model
    return OfflineChatModel(delay=settings.token_delay), "offline rules (no API key)"


class OfflineChatModel(BaseChatModel):
    """Answers by rules, as a pure function of the conversation: the same messages get the same answer."""

    delay: float = 0.0
    """Seconds between chunks, so that one sees it talk."""

    @property
    def _llm_type(self) -> str:
        return "offline-rules"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "offline-rules"}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools as other models do; the rules know the four tools of this agent."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.delay * 10)
        message = answer(messages)
        message.response_metadata = {"finish_reason": "tool_calls" if message.tool_calls else "stop"}
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = answer(messages)
        for word in re.findall(r"\S+\s*|\s+", str(message.content)):
            time.sleep(self.delay)
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            for index, call in enumerate(message.tool_calls)
        ]
        time.sleep(self.delay * 5 if calls else 0)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                tool_call_chunks=calls,
                response_metadata={"finish_reason": "tool_calls" if calls else "stop"},
                chunk_position="last",
            )
        )


def answer(messages: Sequence[BaseMessage]) -> AIMessage:
    """Decide what to say or which tools to call."""
    results: list[ToolMessage] = []
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            results.insert(0, message)
        else:
            break
    if results:
        return AIMessage(content=_report(results))
    said = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
    return _respond(str(said.content) if said is not None else "", messages)


def _report(results: Sequence[ToolMessage]) -> str:
    lines = [str(result.content).strip() for result in results]
    return lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)


def _respond(text: str, messages: Sequence[BaseMessage]) -> AIMessage:
    numbers = list(dict.fromkeys(int(number) for number in _ORDER.findall(text)))
    wants_refund, asks_status = bool(_REFUND.search(text)), bool(_STATUS.search(text))
    if not numbers and (wants_refund or asks_status) and re.search(r"\b(it|that|this one|them|both)\b", text):
        numbers = _last_mentioned(messages)
    if numbers and asks_status:
        return _call("refund_status", numbers)
    if numbers and wants_refund:
        return _call("process_refund", numbers)
    if numbers:
        return _call("look_up_order", numbers)
    return _without_numbers(text, wants_refund=wants_refund, asks_status=asks_status)


def _without_numbers(text: str, *, wants_refund: bool, asks_status: bool) -> AIMessage:
    if wants_refund or asks_status:
        question = "refund" if wants_refund else "ask about"
        return AIMessage(content=f"Which order do you want to {question}? Tell me its number, or say “list my orders”.")
    if _LIST.search(text):
        return AIMessage(content="", tool_calls=[ToolCall(name="list_my_orders", args={}, id="list-orders")])
    if _GREETING.search(text):
        return AIMessage(content=f"Hello! {HELP}")
    if _THANKS.search(text):
        return AIMessage(content="You're welcome. Is there anything else about your orders?")
    return AIMessage(content=f"I'm afraid I can't help with that. {HELP}")


def _call(tool: str, numbers: Sequence[int]) -> AIMessage:
    calls = [ToolCall(name=tool, args={"order_id": number}, id=f"{tool}-{number}") for number in numbers]
    return AIMessage(content="", tool_calls=calls)


def _last_mentioned(messages: Sequence[BaseMessage]) -> list[int]:
    """Return the order numbers of the latest earlier message that has some."""
    for message in list(reversed(messages))[1:]:
        numbers = [int(number) for number in _ORDER.findall(str(message.content))]
        if numbers and isinstance(message, HumanMessage):
            return list(dict.fromkeys(numbers))
    return []

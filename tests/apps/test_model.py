"""The offline model: a pure function of the conversation that drives the agent's tools."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import add_ai_message_chunks

from apps.refund_agent.model import OfflineChatModel, answer
from apps.refund_agent.refunds import TOOLS


def asked(text: str, *before: BaseMessage) -> AIMessage:
    return answer([*before, HumanMessage(text)])


def calls(message: AIMessage) -> list[tuple[str, int | None]]:
    return [(call["name"], call["args"].get("order_id")) for call in message.tool_calls]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refund order 1003, please", [("process_refund", 1003)]),
        ("I want my money back for #1002", [("process_refund", 1002)]),
        ("refund 1001, 1002 and 1004", [("process_refund", 1001), ("process_refund", 1002), ("process_refund", 1004)]),
        ("What is the status of 1003?", [("refund_status", 1003)]),
        ("has 1003 been refunded already", [("refund_status", 1003)]),
        ("tell me about order 1005", [("look_up_order", 1005)]),
        ("what did I order?", [("list_my_orders", None)]),
        ("list my orders", [("list_my_orders", None)]),
    ],
)
def test_it_calls_the_tools_that_the_text_asks_for(text: str, expected: list[tuple[str, int | None]]) -> None:
    assert calls(asked(text)) == expected


@pytest.mark.parametrize("text", ["hello", "thanks!", "write me a poem", "I want a refund"])
def test_it_talks_without_tools_where_none_is_meant(text: str) -> None:
    message = asked(text)
    assert message.tool_calls == []
    assert message.content


def test_it_refers_back_to_the_order_that_was_mentioned() -> None:
    before = [HumanMessage("tell me about 1006"), AIMessage("Order 1006 is a desk.")]
    assert calls(asked("please refund it", *before)) == [("process_refund", 1006)]


def test_it_reports_what_several_tools_said() -> None:
    results = [ToolMessage("one", tool_call_id="a"), ToolMessage("two", tool_call_id="b")]
    assert answer([HumanMessage("refund 1001 and 1002"), *results]).content == "- one\n- two"


def test_its_stream_adds_up_to_its_answer_and_says_that_it_ended() -> None:
    model = OfflineChatModel().bind_tools(TOOLS)
    chunks = list(model.stream([HumanMessage("hello")]))
    assert "".join(str(chunk.content) for chunk in chunks) == asked("hello").content
    assert len(chunks) > 3
    parts = [part for part in model.stream([HumanMessage("refund 1001 and 1002")]) if isinstance(part, AIMessageChunk)]
    called = add_ai_message_chunks(*parts)
    assert [call["args"] for call in called.tool_calls] == [{"order_id": 1001}, {"order_id": 1002}]

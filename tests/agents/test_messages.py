"""Messages, commands and sends as plain data, and what identifies a request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.types import Command, Send

from holdfast.agents.messages import (
    call_fingerprint,
    decode_value,
    encode_value,
    fingerprint,
    message_from_data,
    message_to_data,
)
from holdfast.errors import PayloadError
from tests.agents.scripted_model import calls, says

MESSAGES: list[BaseMessage] = [
    SystemMessage("rules", id="s"),
    HumanMessage([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}], name="Ada"),
    says("sure", calls("refund", order_id=4)),
    AIMessage(
        "", invalid_tool_calls=[{"type": "invalid_tool_call", "id": "x", "name": "f", "args": "{", "error": None}]
    ),
    ToolMessage("done", tool_call_id="c", artifact={"rows": [1, 2.5, None]}, status="error", id="t"),
    ChatMessage(content="x", role="critic"),
    RemoveMessage(id="gone"),
]


def test_every_kind_of_message_comes_back_equal_through_json() -> None:
    for message in MESSAGES:
        assert message_from_data(json.loads(json.dumps(message_to_data(message)))) == message


def test_a_chunk_is_written_as_the_message_it_stands_for() -> None:
    chunk = AIMessageChunk(content="hi", chunk_position="last", id="a")
    assert message_from_data(message_to_data(chunk)) == AIMessage("hi", id="a")


@dataclass
class Row:
    number: int


class OwnMessage(AIMessage):
    extra: int = 0


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (OwnMessage(content="x", extra=1), "value"),
        ({"messages": [ToolMessage("x", tool_call_id="c", artifact=Row(1))]}, "value['messages'][0]"),
        (Command(resume=1), "value"),
        ((Send("node", {"$message": 1}),), "value[0].arg"),
        (Send("node", {}, timeout=3), "value"),
    ],
)
def test_what_would_not_come_back_equal_is_refused_with_its_place(value: Any, path: str) -> None:
    with pytest.raises(PayloadError) as refused:
        encode_value(value)
    assert refused.value.path == path


@pytest.mark.parametrize(
    "value",
    [
        Command(update={"messages": [ToolMessage("x", tool_call_id="c")], "total": 3}, goto="next"),
        Command(graph=Command.PARENT, goto=[Send("a", {"messages": [HumanMessage("x")]}), "b"]),
        Command(update=[("messages", [HumanMessage("x")])]),
        [ToolMessage("x", tool_call_id="c"), Command(goto=())],
        {"plain": [1, None, "text", (1, 2)], "empty": {}},
    ],
)
def test_commands_and_sends_come_back_equal(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


def test_a_requests_fingerprint_leaves_out_what_is_made_up_anew() -> None:
    one = [HumanMessage("refund 4", id="1"), says("", calls("refund", "a", order_id=4))]
    one[1].id = "x"
    one[1].response_metadata = {"id": "chatcmpl-1"}
    other = [HumanMessage("refund 4", id="2"), AIMessage("", tool_calls=[calls("refund", "b", order_id=4)], id="y")]
    assert fingerprint(one, {"tools": [1]}) == fingerprint(
        other, {"tools": [1], "ls_structured_output_format": object()}
    )


@pytest.mark.parametrize(
    "other",
    [
        [HumanMessage("refund 5")],
        [SystemMessage("refund 4")],
        [HumanMessage("refund 4", name="Ada")],
        [HumanMessage("refund 4"), HumanMessage("")],
    ],
)
def test_a_requests_fingerprint_changes_with_what_is_asked(other: list[BaseMessage]) -> None:
    one = [HumanMessage("refund 4")]
    assert fingerprint(one, {}) != fingerprint(other, {})
    assert fingerprint(one, {}) != fingerprint(one, {"temperature": 0})


def test_a_fingerprint_counts_results_and_roles() -> None:
    failed = ToolMessage("x", tool_call_id="c", status="error")
    assert fingerprint([ToolMessage("x", tool_call_id="d")], {}) != fingerprint([failed], {})
    assert fingerprint([ChatMessage(content="x", role="a")], {}) != fingerprint(
        [ChatMessage(content="x", role="b")], {}
    )
    assert call_fingerprint("f", {"a": 1, "b": 2}) == call_fingerprint("f", {"b": 2, "a": 1})
    assert call_fingerprint("f", {"a": 1}) != call_fingerprint("f", {"a": 2})

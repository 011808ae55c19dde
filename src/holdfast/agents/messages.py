"""LangChain's messages and LangGraph's commands as plain data and back, and what of a request counts as its identity.

Everything else in a value is left to Holdfast's codec, which refuses what would not come back equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    ToolMessage,
    message_chunk_to_message,
    message_to_dict,
    messages_from_dict,
)
from langgraph.types import Command, Send

from holdfast.core.codec.digest import digest
from holdfast.errors import PayloadError

_MESSAGE, _COMMAND, _SEND = "$message", "$command", "$send"
_TAGS = frozenset({_MESSAGE, _COMMAND, _SEND})


def message_to_data(message: BaseMessage, path: str = "message") -> dict[str, Any]:
    """Return a message as LangChain's own dict form; a chunk as the whole message it stands for.

    Raises `PayloadError` if that form would not give an equal message back, such as for a `ToolMessage` whose artifact
    is an object, or for a message class of the program's own.
    """
    if isinstance(message, BaseMessageChunk):
        message = message_chunk_to_message(message)
    data = message_to_dict(message)
    try:
        same = message_from_data(data) == message
    except Exception as error:
        raise _refused(message, path) from error
    if not same:
        raise _refused(message, path)
    return data


def message_from_data(data: Mapping[str, Any]) -> BaseMessage:
    """Return the message that `message_to_data` wrote."""
    return messages_from_dict([dict(data)])[0]


def _refused(value: object, path: str) -> PayloadError:
    kind = type(value).__name__
    hint = (
        "keep artifacts and metadata plain (text, numbers, lists, dicts)"
        if isinstance(value, BaseMessage)
        else "return messages, or a Command with graph, update and goto alone"
    )
    return PayloadError(f"this {kind} can't be recorded so that it comes back equal: {hint}", path=path, type_name=kind)


def encode_value(value: Any, path: str = "value") -> Any:
    """Return a value with the messages, commands and sends in it as plain data.

    Raises `PayloadError`, naming the place, for one that would not come back equal.
    """
    if isinstance(value, BaseMessage):
        return {_MESSAGE: message_to_data(value, path)}
    if isinstance(value, Command):
        return {_COMMAND: _command_to_data(value, path)}
    if isinstance(value, Send):
        if getattr(value, "timeout", None) is not None:
            raise _refused(value, path)
        return {_SEND: {"node": value.node, "arg": encode_value(value.arg, f"{path}.arg")}}
    if type(value) is dict:
        if not _TAGS.isdisjoint(value):
            raise PayloadError(f"a dict must not use the keys {sorted(_TAGS)}", path=path, type_name="dict")
        return {key: encode_value(member, f"{path}[{key!r}]") for key, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(encode_value(member, f"{path}[{index}]") for index, member in enumerate(value))
    return value


def decode_value(data: Any) -> Any:
    """Return what `encode_value` was given."""
    if type(data) is dict:
        if len(data) == 1:
            tag, content = next(iter(data.items()))
            if tag == _MESSAGE:
                return message_from_data(content)
            if tag == _COMMAND:
                return Command(**{name: decode_value(member) for name, member in content.items()})
            if tag == _SEND:
                return Send(content["node"], decode_value(content["arg"]))
        return {key: decode_value(member) for key, member in data.items()}
    if type(data) in (list, tuple):
        return type(data)(decode_value(member) for member in data)
    return data


def _command_to_data(command: Command[Any], path: str) -> dict[str, Any]:
    if command.resume is not None:
        raise _refused(command, path)
    return {
        "graph": command.graph,
        "update": encode_value(command.update, f"{path}.update"),
        "goto": encode_value(command.goto, f"{path}.goto"),
    }


# Identity


def fingerprint(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits, equal for requests that ask a model the same.

    What counts: roles, names, contents, tool calls by name and arguments, and what is bound to the call (tools, stop
    words, …). What does not: ids, which frameworks make up anew each time, and what providers report (usage, metadata).
    """
    bound = {name: value for name, value in kwargs.items() if not name.startswith("ls_")}
    return digest(([_asked(message) for message in messages], bound))


def call_fingerprint(name: str, args: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits, equal for tool calls of the same tool with the same arguments."""
    return digest((name, dict(args)))


def _asked(message: BaseMessage) -> list[Any]:
    asked: list[Any] = [message.type, message.name, message.content]
    if isinstance(message, AIMessage):
        asked += [[call["name"], call["args"]] for call in message.tool_calls]
        asked += [["invalid", call["name"], call["args"]] for call in message.invalid_tool_calls]
    elif isinstance(message, ToolMessage):
        asked.append(message.status)
    elif role := getattr(message, "role", None):
        asked.append(role)
    return asked

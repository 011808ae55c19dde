"""A conversation's saved state: LangGraph's checkpoint of a thread, as plain data and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    create_checkpoint,
    empty_checkpoint,
)
from langgraph.graph.message import add_messages

from holdfast.agents.messages import decode_value, encode_value


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadState:
    """What a thread holds at one moment."""

    checkpoint: Checkpoint
    metadata: CheckpointMetadata

    @classmethod
    def of(cls, saved: CheckpointTuple) -> ThreadState:
        """Take it from what a saver returns."""
        return cls(checkpoint=saved.checkpoint, metadata=saved.metadata)

    @classmethod
    def empty(cls) -> ThreadState:
        """Make the state of a thread in which nothing has been said."""
        return cls(checkpoint=empty_checkpoint(), metadata={"source": "update", "step": -1, "parents": {}})

    @property
    def id(self) -> str:
        """The checkpoint's id; later states of a thread have greater ones."""
        return self.checkpoint["id"]

    @property
    def values(self) -> dict[str, Any]:
        """The graph's state."""
        return self.checkpoint["channel_values"]

    def messages(self, key: str) -> list[BaseMessage]:
        """Return the conversation."""
        return list(self.values.get(key, ()))

    def to_data(self) -> dict[str, Any]:
        """Return plain data, for the journal. Raises `PayloadError` for state that can't be recorded."""
        return {
            "checkpoint": encode_value(dict(self.checkpoint), "checkpoint"),
            "metadata": encode_value(dict(self.metadata), "metadata"),
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> ThreadState:
        """Return what `to_data` wrote."""
        return cls(
            checkpoint=cast("Checkpoint", decode_value(data["checkpoint"])),
            metadata=cast("CheckpointMetadata", decode_value(data["metadata"])),
        )

    def with_messages(self, key: str, new: Sequence[BaseMessage], saver: BaseCheckpointSaver[Any]) -> ThreadState:
        """Return a later state in which `new` has been said as well; messages with known ids replace the old ones."""
        checkpoint = create_checkpoint(self.checkpoint, None, self.metadata.get("step", -1) + 1)
        merged = add_messages(cast("Any", self.messages(key)), cast("Any", list(new)))
        checkpoint["channel_values"] = {**self.values, key: merged}
        versions = self.checkpoint["channel_versions"]
        latest = max(versions.values(), key=str) if versions else None
        checkpoint["channel_versions"] = {**versions, key: saver.get_next_version(latest, None)}
        metadata: CheckpointMetadata = {"source": "update", "step": self.metadata.get("step", -1) + 1, "parents": {}}
        return ThreadState(checkpoint=checkpoint, metadata=metadata)

    def later_than(self, other: ThreadState | None) -> ThreadState:
        """Return this state with an id that is greater than the other's: clocks of different machines disagree."""
        if other is None or self.id > other.id:
            return self
        checkpoint = self.checkpoint.copy()
        checkpoint["id"] = str(UUID(int=UUID(other.id).int + 1))
        return ThreadState(checkpoint=checkpoint, metadata=self.metadata)

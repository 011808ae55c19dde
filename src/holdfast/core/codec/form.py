"""A form: how the values of one type hint are written and read."""

from __future__ import annotations

from typing import Any, Protocol

from holdfast.core.codec.jsontext import MAX_DEPTH, RESERVED, Json, is_tagged
from holdfast.core.codec.refusal import Refusal

ESCAPE = "any"
"""The tag of a value which describes itself where a hint would have it read as something else."""


class Form(Protocol):
    """How the values of one type hint are written and read.

    Every form takes every value: what its hint does not describe is written so that it describes itself.
    """

    def write(self, value: Any, depth: int) -> Json:
        """Return the tree for a value, `depth` containers inside the whole. Raises `Refusal`."""

    def read(self, tree: Json) -> Any:
        """Return the value of a tree. Raises `Refusal`."""


class TypedForm:
    """The form of one exact class, whose own values are written bare.

    A subclass sets `kind`, the class of the values, and `shape`, what JSON has for them, and writes and reads them
    with `write_own` and `read_own`. What it writes for its own values is never null and never an object with a tag.
    """

    kind: type
    shape: type

    def __init__(self, untyped: Form) -> None:
        self.untyped = untyped

    def takes(self, value: Any) -> bool:
        """Tell whether a value is exactly what the hint says."""
        return type(value) is self.kind

    def write_own(self, value: Any, depth: int) -> Json:
        raise NotImplementedError  # a subclass says how

    def read_own(self, tree: Any) -> Any:
        raise NotImplementedError  # a subclass says how

    def write(self, value: Any, depth: int) -> Json:
        if self.takes(value):
            return self.write_own(value, depth)
        return write_foreign(self.untyped, value, depth, (self.shape,))

    def read(self, tree: Json) -> Any:
        if type(tree) is self.shape and not is_tagged(tree):
            return self.read_own(tree)
        return self.untyped.read(tree)


def write_foreign(untyped: Form, value: Any, depth: int, claimed: Any) -> Json:
    """Write a value that its hint does not describe, so that it is not read as one of the `claimed` shapes."""
    tree = untyped.write(value, depth)
    if type(tree) in claimed and not is_tagged(tree):
        return tagged(ESCAPE, tree)
    return tree


def tagged(name: str, tree: Json) -> Json:
    """Return the object that says: `tree` stands for a `name`."""
    return {RESERVED: name, "value": tree}


def deeper(depth: int) -> int:
    """Return the depth of a container's members. Raises `Refusal` beyond `MAX_DEPTH`."""
    if depth >= MAX_DEPTH:
        raise Refusal(f"it is nested more than {MAX_DEPTH} levels deep, or contains itself")
    return depth + 1

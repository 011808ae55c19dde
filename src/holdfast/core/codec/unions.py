"""Unions: bare where the text alone says which member was meant, else tagged."""

from __future__ import annotations

from collections import Counter
from typing import Any

from holdfast.core.codec.form import Form, TypedForm, write_foreign
from holdfast.core.codec.jsontext import Json, is_tagged


class UnionForm:
    """`A | B`. A JSON shape that just one member claims is that member's; all other values describe themselves.

    The order of the members plays no part: `A | B` and `B | A` are equal hints and must read each other's texts.
    """

    def __init__(self, untyped: Form, members: list[TypedForm], native: frozenset[type]) -> None:
        """Take the members that have forms, and the JSON types that are members themselves (`str` in `date | str`)."""
        self.untyped = untyped
        self.members = members
        self.native = native
        claims = Counter(member.shape for member in members)
        sole = [member for member in members if claims[member.shape] == 1 and member.shape not in native]
        self._by_shape = {member.shape: member for member in sole}
        self._by_kind = {member.kind: member for member in sole}

    @property
    def is_untyped(self) -> bool:
        """Tell whether no member is ever written bare."""
        return not self._by_shape

    def write(self, value: Any, depth: int) -> Json:
        member = self._by_kind.get(type(value))
        if member is not None and member.takes(value):
            return member.write_own(value, depth)
        return write_foreign(self.untyped, value, depth, self._by_shape)

    def read(self, tree: Json) -> Any:
        member = self._by_shape.get(type(tree))
        if member is None or is_tagged(tree):
            return self.untyped.read(tree)
        return member.read_own(tree)

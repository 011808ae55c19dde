"""Hinted lists, tuples, sets and dicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.core.codec.form import Form, TypedForm, deeper
from holdfast.core.codec.jsontext import RESERVED, Json
from holdfast.core.codec.refusal import Refusal, key_segment
from holdfast.core.codec.untyped import read_pairs, read_set, write_set

_TEXT_ONLY = frozenset({str})
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_KEY_BITS = 256


class ListForm(TypedForm):
    """`list[T]`, `Sequence[T]`: an array."""

    kind: type = list
    shape = list

    def __init__(self, untyped: Form, member: Form) -> None:
        super().__init__(untyped)
        self._member = member

    def write_own(self, value: list[Any], depth: int) -> Json:
        depth = deeper(depth)
        write, trees = self._member.write, []
        for index, member in enumerate(value):
            try:
                trees.append(write(member, depth))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                raise
        return trees

    def read_own(self, tree: list[Json]) -> Any:
        read, found = self._member.read, []
        for index, member in enumerate(tree):
            try:
                found.append(read(member))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                raise
        return found


class VariadicTupleForm(ListForm):
    """`tuple[T, ...]`: an array."""

    kind: type = tuple

    def read_own(self, tree: list[Json]) -> Any:
        return tuple(super().read_own(tree))


class TupleForm(TypedForm):
    """`tuple[A, B]`: an array of just as many members."""

    kind = tuple
    shape = list

    def __init__(self, untyped: Form, members: tuple[Form, ...]) -> None:
        super().__init__(untyped)
        self._members = members

    def takes(self, value: Any) -> bool:
        return type(value) is tuple and len(value) == len(self._members)

    def write_own(self, value: tuple[Any, ...], depth: int) -> Json:
        depth = deeper(depth)
        return self._each(value, lambda form, member: form.write(member, depth))

    def read_own(self, tree: list[Json]) -> Any:
        if len(tree) != len(self._members):
            raise Refusal(f"the stored array has {len(tree)} members, the type hint says {len(self._members)}")
        return tuple(self._each(tree, lambda form, member: form.read(member)))

    def _each(self, values: Any, do: Callable[[Form, Any], Any]) -> list[Any]:
        found = []
        for index, (form, member) in enumerate(zip(self._members, values, strict=True)):
            try:
                found.append(do(form, member))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                raise
        return found


class SetForm(TypedForm):
    """`set[T]`, `frozenset[T]`: an array, sorted by its members' text."""

    shape = list

    def __init__(self, untyped: Form, kind: type, member: Form) -> None:
        super().__init__(untyped)
        self.kind = kind
        self._member = member

    def write_own(self, value: Any, depth: int) -> Json:
        depth = deeper(depth)
        return write_set(value, lambda member: self._member.write(member, depth))

    def read_own(self, tree: list[Json]) -> Any:
        return read_set(self.kind, [self._member.read(member) for member in tree])


class DictForm(TypedForm):
    """`dict[K, V]` whose keys can be an object's keys: text, or what has a text of its own."""

    kind = dict
    shape = dict

    def __init__(self, untyped: Form, key: TypedForm | None, value: Form) -> None:
        """Take the form of the keys, None if they are text, and the form of the values."""
        super().__init__(untyped)
        self._key = key
        self._value = value

    def takes(self, value: Any) -> bool:
        if type(value) is not dict:
            return False
        if self._key is None:
            return _TEXT_ONLY.issuperset(map(type, value)) and RESERVED not in value
        return all(map(self._key.takes, value))

    def write_own(self, value: dict[Any, Any], depth: int) -> Json:
        depth = deeper(depth)
        write, key_form, trees = self._value.write, self._key, {}
        for key, member in value.items():
            try:
                text = key if key_form is None else key_form.write_own(key, depth)
                trees[text] = write(member, depth)
            except Refusal as refusal:
                refusal.inside(key_segment(key))
                raise
        if len(trees) != len(value) or RESERVED in trees:
            # Two keys with one text, or a key whose text is the reserved one: each key describes itself instead.
            return self.untyped.write(value, depth - 1)
        return trees

    def read_own(self, tree: dict[str, Json]) -> Any:
        read, found = self._value.read, {}
        for text, member in tree.items():
            try:
                key = text if self._key is None else self._key.read_own(text)
                found[key] = read(member)
            except Refusal as refusal:
                refusal.inside(key_segment(text))
                raise
        if len(found) != len(tree):
            raise Refusal("the stored dict is corrupt: a key occurs twice")
        return found


class PairsForm(TypedForm):
    """`dict[K, V]` with any other keys: an array of [key, value] pairs."""

    kind = dict
    shape = list

    def __init__(self, untyped: Form, key: Form, value: Form) -> None:
        super().__init__(untyped)
        self._key = key
        self._value = value

    def write_own(self, value: dict[Any, Any], depth: int) -> Json:
        depth = deeper(depth)
        pairs = []
        for key, member in value.items():
            try:
                pairs.append([self._key.write(key, depth), self._value.write(member, depth)])
            except Refusal as refusal:
                refusal.inside(key_segment(key))
                raise
        return pairs

    def read_own(self, tree: list[Json]) -> Any:
        return read_pairs(tree, self._key.read, self._value.read)


class IntKeyForm(TypedForm):
    """An `int` as the key of an object: its decimal digits."""

    kind = int
    shape = str

    def takes(self, value: Any) -> bool:
        return type(value) is int and value.bit_length() <= _KEY_BITS

    def write_own(self, value: int, depth: int) -> Json:
        return str(value)

    def read_own(self, tree: str) -> Any:
        if not _WHOLE.fullmatch(tree) or len(tree) > _KEY_BITS:
            raise Refusal(f"the stored key {tree[:60]!r} is no int", "int")
        return int(tree)


class TypedDictForm(TypedForm):
    """A `TypedDict`: an object; keys that it does not declare describe themselves."""

    kind = dict
    shape = dict

    def __init__(self, untyped: Form, fields: Callable[[], Mapping[str, Form]]) -> None:
        super().__init__(untyped)
        self._resolve = fields
        self._fields: Mapping[str, Form] | None = None

    @property
    def fields(self) -> Mapping[str, Form]:
        if self._fields is None:  # not before its first use: a class may name itself
            self._fields = self._resolve()
        return self._fields

    def takes(self, value: Any) -> bool:
        return type(value) is dict and _TEXT_ONLY.issuperset(map(type, value)) and RESERVED not in value

    def write_own(self, value: dict[str, Any], depth: int) -> Json:
        depth = deeper(depth)
        return self._each(value, lambda form, member: form.write(member, depth))

    def read_own(self, tree: dict[str, Json]) -> Any:
        return self._each(tree, lambda form, member: form.read(member))

    def _each(self, members: dict[str, Any], do: Callable[[Form, Any], Any]) -> dict[str, Any]:
        found, fields = {}, self.fields
        for key, member in members.items():
            try:
                found[key] = do(fields.get(key, self.untyped), member)
            except Refusal as refusal:
                refusal.inside(key_segment(key))
                raise
        return found

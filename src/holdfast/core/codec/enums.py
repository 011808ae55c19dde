"""Hinted enums and paths: one text or number for each value."""

from __future__ import annotations

from enum import Enum, Flag
from typing import Any

from holdfast.core.codec.form import Form, TypedForm
from holdfast.core.codec.jsontext import Json
from holdfast.core.codec.refusal import Refusal, qualified_name


class EnumForm(TypedForm):
    """An enum: by value where all its values are texts or all are integers, else by name."""

    def __init__(self, untyped: Form, kind: type[Enum]) -> None:
        super().__init__(untyped)
        self.kind: type[Enum] = kind
        value_types = {type(member.value) for member in kind.__members__.values()}
        self._by_value = value_types in ({str}, {int}) or issubclass(kind, Flag)
        self.shape = int if issubclass(kind, Flag) or value_types == {int} else str

    def write_own(self, value: Any, depth: int) -> Json:
        tree = value.value if self._by_value else value.name
        if type(tree) is not self.shape or self._member(tree) is not value:
            name = qualified_name(self.kind)
            raise Refusal(f"{value.name!r} is no member of {name} that could be found again", name)
        return tree

    def read_own(self, tree: Json) -> Any:
        member = self._member(tree)
        if type(member) is not self.kind:
            raise Refusal(f"{qualified_name(self.kind)} has no member {tree!r} (any more)", qualified_name(self.kind))
        return member

    def _member(self, tree: Json) -> Any:
        if not self._by_value:
            return self.kind.__members__.get(tree)
        try:
            return self.kind(tree)
        except Exception:  # noqa: BLE001 - an enum's `_missing_` may raise anything
            return None


class PathForm(TypedForm):
    """A path class: the path's text. The class is the hint's: this package does not touch files."""

    shape = str

    def __init__(self, untyped: Form, kind: Any) -> None:
        super().__init__(untyped)
        self._make = kind
        self.kind = type(kind())  # Path() is a PosixPath or a WindowsPath

    def write_own(self, value: Any, depth: int) -> Json:
        return str(value)

    def read_own(self, tree: str) -> Any:
        return self._make(tree)


def is_path_class(hint: type) -> bool:
    """Tell whether this is one of the standard library's path classes."""
    return hint.__module__.partition(".")[0] == "pathlib" and hasattr(hint, "is_absolute")

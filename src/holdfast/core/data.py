"""Dataclasses that cost little: there are a hundred of them at import, and some are made by the thousand.

To type checkers they are the standard library's. Methods are shared instead of compiled for each class, which takes a
third of the time. The fields of a frozen `dataclass` are frozen for type checkers alone: it is built three times as
fast. What users build themselves is a `strict_dataclass`, which refuses assignments.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "strict_dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
    from dataclasses import dataclass as strict_dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, eq: bool = True, **options: Any) -> Any:
        """Make a class a dataclass whose fields nothing protects at run time."""

        def made(plain: type) -> type:
            record = dataclasses.dataclass(plain, eq=False, repr=False, match_args=False, **options)
            return _with_methods(record, eq=eq, frozen=frozen)

        return made if cls is None else made(cls)

    def strict_dataclass(*, frozen: bool, **options: Any) -> Any:
        """Make a class a dataclass like the standard library's."""

        def made(plain: type) -> type:
            record = dataclasses.dataclass(plain, eq=False, repr=False, match_args=False, frozen=frozen, **options)
            return _with_methods(record, eq=True, frozen=frozen)

        return made


def _with_methods(record: Any, *, eq: bool, frozen: bool) -> Any:
    record.__repr__ = _repr
    if eq:
        record.__eq__ = _eq
        record.__hash__ = _hash if frozen else None
    return record


def _values(record: Any) -> tuple[Any, ...]:
    return tuple([getattr(record, name) for name in record.__dataclass_fields__])


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__qualname__}({fields})"


def _eq(self: Any, other: object) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))

"""The program's own types that may be written with a tag, and rebuilt from one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast.core.codec.form import TypedForm
from holdfast.core.codec.refusal import qualified_name
from holdfast.core.data import dataclass
from holdfast.errors import AlreadyRegistered


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One type: by its form, or by functions of the program's own."""

    kind: type
    name: str
    form: TypedForm | None = None
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None
    by_hand: bool = False
    """Registered, not merely found in a hint."""


class Registry:
    """Types by class and by the name that tags hold."""

    def __init__(self, reserved: frozenset[str], learn: Callable[[], None]) -> None:
        """Start empty. `learn` adds the types of all hints known so far; `reserved` are the standard tags."""
        self._reserved = reserved
        self._learn = learn
        self._by_kind: dict[type, Entry] = {}
        self._by_name: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Register a type. Raises `AlreadyRegistered` if the name means another one."""
        known = self._by_name.get(entry.name)
        if entry.name in self._reserved or (known is not None and known.by_hand and known.kind is not entry.kind):
            other = qualified_name(known.kind) if known is not None else "a standard type"
            raise AlreadyRegistered(
                f"the payload name {entry.name!r} stands for {other} already: register {qualified_name(entry.kind)} "
                "under another one, register(cls, name=…)"
            )
        self._by_kind[entry.kind] = self._by_name[entry.name] = entry

    def found(self, form: TypedForm, name: str | None = None) -> None:
        """Take note of a type that a hint names; what was registered by hand stays."""
        entry = Entry(kind=form.kind, name=name or qualified_name(form.kind), form=form)
        known = self._by_name.get(entry.name)
        if known is None or not known.by_hand:
            self._by_name[entry.name] = entry
        if form.kind not in self._by_kind:
            self._by_kind[form.kind] = entry

    def found_adapted(self, entry: Entry) -> None:
        """Take note of a class that a hint names and pydantic can write."""
        self._by_kind.setdefault(entry.kind, entry)
        self._by_name.setdefault(entry.name, entry)

    def of_kind(self, kind: type) -> Entry | None:
        """Return the entry for values of exactly this class, or one whose own functions may know a subclass."""
        entry = self._nearest(kind)
        if entry is None:
            self._learn()
            entry = self._nearest(kind)
        return entry

    def of_name(self, name: str) -> Entry | None:
        """Return the entry that a tag names."""
        entry = self._by_name.get(name)
        if entry is None:
            self._learn()
            entry = self._by_name.get(name)
        return entry

    def is_known(self, kind: type) -> bool:
        """Tell whether the program registered this class with functions of its own."""
        entry = self._by_kind.get(kind)
        return entry is not None and entry.encode is not None

    def forget_found(self) -> None:
        """Drop what was only found in hints, so that it is found anew."""
        self._by_kind = {kind: entry for kind, entry in self._by_kind.items() if entry.by_hand}
        self._by_name = {name: entry for name, entry in self._by_name.items() if entry.by_hand}

    def _nearest(self, kind: type) -> Entry | None:
        exact = self._by_kind.get(kind)
        if exact is not None:
            return exact
        above = (self._by_kind.get(base) for base in kind.__mro__[1:])
        return next((entry for entry in above if entry is not None and entry.encode is not None), None)

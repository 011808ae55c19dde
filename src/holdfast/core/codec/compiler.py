"""Type hints to forms, each made once."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from holdfast.core.codec.containers import (
    DictForm,
    IntKeyForm,
    ListForm,
    PairsForm,
    SetForm,
    TupleForm,
    TypedDictForm,
    VariadicTupleForm,
)
from holdfast.core.codec.enums import EnumForm, PathForm, is_path_class
from holdfast.core.codec.form import Form, TypedForm
from holdfast.core.codec.mapped import MappedForm, is_mapped_class, mapped_hints
from holdfast.core.codec.models import ModelForm, adapted, is_model_class, model_hints
from holdfast.core.codec.records import DataclassForm, NamedTupleForm, RecordForm, is_namedtuple_class
from holdfast.core.codec.refusal import qualified_name
from holdfast.core.codec.registry import Entry, Registry
from holdfast.core.codec.scalars import ScalarForm, scalar_of
from holdfast.core.codec.typehints import hints_of
from holdfast.core.codec.unions import UnionForm

_ARRAYS = frozenset(
    {
        list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection,
        collections.abc.Iterable,
    }
)  # fmt: skip
_OBJECTS = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
_SETS: dict[Any, type] = {
    set: set, collections.abc.MutableSet: set, collections.abc.Set: set, frozenset: frozenset,
}  # fmt: skip
_NATIVE = frozenset({str, int, float, bool})
FormT = TypeVar("FormT", bound=TypedForm)
_WRAPPERS = frozenset({typing.Required, typing.NotRequired, typing.ClassVar, typing.Final})


class Compiler:
    """Makes forms out of hints and keeps them; tells the registry of each class that it meets."""

    def __init__(self, registry: Registry, untyped: Form) -> None:
        self._registry = registry
        self._untyped = untyped
        self._forms: dict[Any, Form] = {}
        self._with_fields: list[RecordForm | TypedDictForm] = []

    def compile(self, hint: Any) -> Form:
        """Return the form of a hint; of one that says nothing about a value, the untyped form."""
        try:
            form = self._forms.get(hint)
        except TypeError:  # not hashable, such as Annotated[int, []]
            return self._make(hint)
        if form is None:
            form = self._forms[hint] = self._make(hint)
        return form

    def resolve(self) -> None:
        """Compile the fields of all classes met so far, and of those they name."""
        for form in self._with_fields:  # which grows meanwhile
            _ = form.fields

    def forget(self) -> None:
        """Make all forms anew: a class has been registered that may be written in another way now."""
        self._forms.clear()
        self._with_fields.clear()
        self._registry.forget_found()

    def _make(self, hint: Any) -> Form:  # noqa: PLR0911 - one for each kind of hint
        if type(hint) is not types.GenericAlias and isinstance(hint, type):
            return self._of_class(hint)
        if isinstance(hint, typing.NewType):
            return self.compile(hint.__supertype__)
        if isinstance(hint, typing.TypeVar):
            return self._of_type_variable(hint)
        if type(hint).__name__ == "TypeAliasType":
            return self._of_alias(hint)
        origin = typing.get_origin(hint)
        if origin is typing.Annotated or origin in _WRAPPERS:
            return self.compile(hint.__origin__ if origin is typing.Annotated else typing.get_args(hint)[0])
        if origin is typing.Union or origin is types.UnionType:
            return self._of_union(typing.get_args(hint))
        if origin is typing.Literal:
            for value in typing.get_args(hint):
                self.compile(type(value))
            return self._untyped
        return self._of_generic(hint, origin, typing.get_args(hint))

    def _of_class(self, kind: type) -> Form:
        scalar = scalar_of(kind)
        if scalar is not None:
            return ScalarForm(self._untyped, scalar)
        if kind in (tuple, set, frozenset, collections.abc.Set, collections.abc.MutableSet):
            return self._of_generic(kind, kind, ())
        if typing.is_typeddict(kind):
            return self._noted(TypedDictForm(self._untyped, lambda: self._fields(hints_of(kind))))
        if self._registry.is_known(kind):
            return self._untyped
        form = self.own_form(kind)
        if form is not None:
            return form
        functions = adapted(kind) if kind.__module__ != "builtins" else None
        if functions is not None:
            encode, decode = functions
            self._registry.found_adapted(Entry(kind=kind, name=qualified_name(kind), encode=encode, decode=decode))
        return self._untyped

    def own_form(self, kind: type, fields: Callable[[], dict[str, Any]] | None = None) -> TypedForm | None:
        """Return the form of a class that needs no functions to be recorded, None for other classes."""
        untyped = self._untyped
        form: TypedForm
        if issubclass(kind, Enum):
            if not kind.__members__:
                return None
            form = EnumForm(untyped, kind)
        elif is_path_class(kind):
            form = PathForm(untyped, kind)
            self._registry.found(form, form.kind.__name__)
            return form
        elif is_mapped_class(kind):
            form = MappedForm(untyped, kind, lambda: self._fields(mapped_hints(kind, hints_of(kind))))
        elif dataclasses.is_dataclass(kind):
            form = DataclassForm(untyped, kind, fields or (lambda: self._dataclass_fields(kind, {})))
        elif is_model_class(kind):
            form = ModelForm(untyped, kind, lambda: self._fields(model_hints(kind)))
        elif is_namedtuple_class(kind):
            form = NamedTupleForm(untyped, kind, lambda: self._namedtuple_fields(kind))
        else:
            return None
        self._registry.found(form)
        return self._noted(form)

    def _noted(self, form: FormT) -> FormT:
        if isinstance(form, RecordForm | TypedDictForm):
            self._with_fields.append(form)
        return form

    def _fields(self, hints: dict[str, Any]) -> dict[str, Form]:
        return {name: self.compile(hint) for name, hint in hints.items()}

    def _dataclass_fields(self, kind: Any, variables: dict[Any, Any]) -> dict[str, Form]:
        hints = hints_of(kind)
        declared = dataclasses.fields(kind)
        return self._fields({field.name: _substituted(hints.get(field.name, Any), variables) for field in declared})

    def _namedtuple_fields(self, kind: Any) -> dict[str, Form]:
        hints = hints_of(kind)
        return self._fields({name: hints.get(name, Any) for name in kind._fields})

    def _of_type_variable(self, variable: typing.TypeVar) -> Form:
        if variable.__constraints__:
            return self._of_union(variable.__constraints__)
        return self._untyped if variable.__bound__ is None else self.compile(variable.__bound__)

    def _of_alias(self, alias: Any) -> Form:
        """Compile `type X = …`. One that names itself describes its values: its form would have no end."""
        return self._untyped if _names(alias.__value__, alias, set()) else self.compile(alias.__value__)

    def _of_union(self, hints: tuple[Any, ...]) -> Form:
        members: list[TypedForm] = []
        native: set[type] = set()
        for hint in hints:
            form = self.compile(hint)
            if isinstance(form, UnionForm):
                members += form.members
                native |= form.native
            elif isinstance(form, TypedForm):
                members.append(form)
            else:
                native |= _native_shapes(hint)
        union = UnionForm(self._untyped, members, frozenset(native))
        return self._untyped if union.is_untyped else union

    def _of_generic(self, hint: Any, origin: Any, arguments: tuple[Any, ...]) -> Form:
        untyped = self._untyped
        if origin in _ARRAYS and arguments:
            member = self.compile(arguments[0])
            return untyped if member is untyped else ListForm(untyped, member)
        if origin in _OBJECTS and arguments:
            return self._of_dict(*arguments)
        if origin is tuple:
            return self._of_tuple(hint, arguments)
        if origin in _SETS:
            return SetForm(untyped, _SETS[origin], self.compile(arguments[0]) if arguments else untyped)
        if isinstance(origin, type) and dataclasses.is_dataclass(origin) and self.compile(origin) is not untyped:
            variables = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
            return self._noted(DataclassForm(untyped, origin, lambda: self._dataclass_fields(origin, variables)))
        return untyped

    def _of_tuple(self, hint: Any, arguments: tuple[Any, ...]) -> Form:
        if hint in (tuple, typing.Tuple):  # noqa: UP006 - the hint itself, as somebody may have written it
            arguments = (Any, ...)
        if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[member, ...]
            return VariadicTupleForm(self._untyped, self.compile(arguments[0]))
        if any(typing.get_origin(argument) is typing.Unpack for argument in arguments):
            return VariadicTupleForm(self._untyped, self._untyped)
        return TupleForm(self._untyped, tuple(map(self.compile, arguments)))

    def _of_dict(self, key_hint: Any, value_hint: Any) -> Form:
        untyped, key, value = self._untyped, self.compile(key_hint), self.compile(value_hint)
        if key_hint is int:
            return DictForm(untyped, IntKeyForm(untyped), value)
        if key is untyped:
            return untyped if value is untyped else DictForm(untyped, None, value)
        if isinstance(key, TypedForm) and key.shape is str:
            return DictForm(untyped, key, value)
        return PairsForm(untyped, key, value)


def _substituted(hint: Any, variables: dict[Any, Any]) -> Any:
    """Put a generic class's arguments in the place of its type variables."""
    if isinstance(hint, typing.TypeVar):
        return variables.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or not variables or isinstance(hint, type):
        return hint
    return hint[tuple(variables.get(parameter, parameter) for parameter in parameters)]


def _names(hint: Any, alias: Any, seen: set[int]) -> bool:
    """Tell whether a hint leads back to an alias."""
    if hint is alias or id(hint) in seen:
        return hint is alias
    seen.add(id(hint))
    inner = (getattr(hint, "__value__", None), *typing.get_args(hint))
    return any(_names(each, alias, seen) for each in inner if each is not None)


def _native_shapes(hint: Any) -> set[type]:
    """Return what JSON makes of values of a hint that needs no form."""
    origin = typing.get_origin(hint) or hint
    if origin in _NATIVE:
        return {origin}
    if origin in _ARRAYS:
        return {list}
    return {dict} if origin in _OBJECTS else set()

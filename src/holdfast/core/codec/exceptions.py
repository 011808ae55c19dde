"""Exceptions to documents and back, whatever an exception holds and whatever its class does.

Reading one builds only exception classes that the program has loaded already, by their recorded name, and does not run
their constructors; nothing is imported. What can't be built so has a stand-in.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from holdfast.core.codec.form import Form
from holdfast.core.codec.jsontext import Json
from holdfast.core.codec.refusal import qualified_name
from holdfast.errors import RecordedError

MAX_TEXT = 32_768
"""Characters of a message or traceback that are kept: its beginning and its end."""
_MAX_RECORDED = 50
"""Causes and members of groups that are recorded with one exception; a cycle of causes is cut off there."""
_MAX_NOTES = 16
_HEAP_TYPE = 1 << 9
_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    OSError: ("filename", "filename2"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}
_NOTE = "Recorded traceback:\n"
_NEVER_BUILT = (KeyboardInterrupt, SystemExit, GeneratorExit)


class ExceptionForm:
    """Writes and reads exceptions."""

    def __init__(self, untyped: Form) -> None:
        self._untyped = untyped
        self._classes: dict[str, type[BaseException]] = {}

    def write(self, error: BaseException, *, bare: bool = False) -> dict[str, Json]:
        """Return the document of an exception; `bare` leaves out all but its name and texts. Never raises."""
        return self._write(error, iter(range(0 if bare else _MAX_RECORDED)), bare=bare)

    def read(self, document: Json) -> BaseException:
        """Return the exception of a document, or a `RecordedError` in its place. Never raises, but on odd documents."""
        recorded = document if type(document) is dict else {}
        cause, members = recorded.get("cause"), recorded.get("members")
        built = self._build(recorded, [self.read(each) for each in members] if type(members) is list else None)
        text = _text(recorded, "traceback")
        if built is None:
            built = RecordedError(_text(recorded, "type") or "unknown", _text(recorded, "message"), text)
        for note in _texts(recorded.get("notes")):
            built.add_note(note)
        if text:
            built.add_note(_NOTE + text)
        if type(cause) is dict:
            built.__cause__ = self.read(cause)
        return built

    def _write(self, error: BaseException, allowance: Iterator[int], *, bare: bool = False) -> dict[str, Json]:
        """Write one exception, then its cause and members for as long as the allowance lasts."""
        document: dict[str, Json] = {
            "type": qualified_name(type(error)),
            "message": _cut(_safely(lambda: str(error), "(its message can't be made)")),
            "args": None if bare else self._written(list(_arguments(error))),
            "attributes": {} if bare else self._attributes(error),
            "traceback": _cut(_safely(lambda: _traceback(error), "")),
            "cause": None,
        }
        if notes := _safely(lambda: _notes(error), []):
            document["notes"] = notes
        cause = _safely(lambda: error.__cause__, None)
        if isinstance(cause, BaseException) and next(allowance, None) is not None:
            document["cause"] = self._write(cause, allowance)
        if issubclass(type(error), BaseExceptionGroup) and not bare:
            message, members = _group(error)
            document["args"] = self._written([message])
            document["members"] = [self._write(each, allowance) for each, _ in zip(members, allowance, strict=False)]
        return document

    def _attributes(self, error: BaseException) -> dict[str, Json]:
        own = _safely(lambda: dict(BaseException.__getattribute__(error, "__dict__")), {})
        kept = ((name, field.__get__(error)) for name, field in _interpreter_fields(type(error)))
        own |= {name: value for name, value in kept if value is not None}
        written = {}
        for name, value in own.items():
            if type(name) is str and not name.startswith("_"):
                tree = self._written(value, absent=_safely)
                if tree is not _safely:
                    written[name] = tree
        return written

    def _written(self, value: Any, absent: Any = None) -> Json:
        """Return the tree of a value, or `absent` if it has none."""
        try:
            return self._untyped.write(value, 0)
        except Exception:  # noqa: BLE001 - refused, or an object's own code raised
            return absent

    def _build(self, recorded: dict[str, Json], members: list[BaseException] | None) -> BaseException | None:
        """Build the exception without running its constructor; None if that can't be."""
        kind = self._loaded(_text(recorded, "type"))
        if kind is None or issubclass(kind, _NEVER_BUILT):
            return None
        message = _text(recorded, "message")
        try:
            args = (message,) if recorded.get("args") is None else tuple(self._untyped.read(recorded["args"]))
            if members is not None:
                args = (*args[:1], members)
            attributes = {name: self._untyped.read(tree) for name, tree in recorded.get("attributes", {}).items()}
            built = _restored(kind, args)
            for name, field in _interpreter_fields(kind):
                if name in attributes:
                    field.__set__(built, attributes.pop(name))
            BaseException.__getattribute__(built, "__dict__").update(attributes)
            str(built)  # one that can't even be printed is of no use to anybody
        except (Exception, *_NEVER_BUILT):  # noqa: BLE001 - the class has changed, needs more, or is hostile
            return None
        return built

    def _loaded(self, name: str) -> type[BaseException] | None:
        """Return the loaded exception class of that name, the newest if a function defined it several times."""
        found = self._classes.get(name)
        if found is None:
            found = next((each for each in reversed(_all_below(BaseException)) if qualified_name(each) == name), None)
            if found is not None and "<locals>" not in name:
                self._classes[name] = found
        return found


def _interpreter_fields(kind: type[BaseException]) -> list[tuple[str, Any]]:
    """Return what the interpreter keeps for a built-in exception beside its arguments, as descriptors."""
    return [(name, vars(base)[name]) for base, names in _FIELDS.items() if issubclass(kind, base) for name in names]


def _all_below(kind: type[BaseException]) -> list[type[BaseException]]:
    found = [kind]
    for each in found:  # which grows meanwhile
        found.extend(type.__subclasses__(each))
    return found


def _restored(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    builtin: Any = kind
    while builtin.__flags__ & _HEAP_TYPE:
        builtin = builtin.__base__
    built: BaseException = builtin.__new__(kind, *args)
    try:
        builtin.__init__(built, *args)  # the interpreter's own, which fills fields such as OSError.errno
    except Exception:  # noqa: BLE001 - the class called it with something else than these
        built.args = args
    return built


def _safely(get: Callable[[], Any], otherwise: Any) -> Any:
    """Call what may run an object's own code."""
    try:
        return get()
    except (Exception, *_NEVER_BUILT):  # noqa: BLE001 - a hostile __str__ may raise anything
        return otherwise


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """Return the arguments as the interpreter keeps them, whatever `args` means in its class."""
    return tuple(BaseException.args.__get__(error))  # type: ignore[attr-defined]  # a descriptor, which typeshed has as a plain attribute


def _group(error: BaseException) -> tuple[str, tuple[BaseException, ...]]:
    """Return the message and members of a group as the interpreter keeps them."""
    return tuple(vars(BaseExceptionGroup)[name].__get__(error) for name in ("message", "exceptions"))


def _traceback(error: BaseException) -> str:
    # A cause is recorded beside it; what merely happened before is part of the text.
    chain = error.__cause__ is None and not error.__suppress_context__
    return "".join(traceback.format_exception(error, chain=chain))


def _notes(error: BaseException) -> list[str]:
    return [_cut(note) for note in getattr(error, "__notes__", ())[:_MAX_NOTES] if isinstance(note, str)]


def _cut(text: str) -> str:
    plain = "".join((text,))  # noqa: FLY002 - an exact str, also of a subclass
    if len(plain) <= MAX_TEXT:
        return plain
    half = MAX_TEXT // 2
    return f"{plain[:half]}\n… {len(plain) - MAX_TEXT} characters left out …\n{plain[-half:]}"


def _text(recorded: dict[str, Json], key: str) -> str:
    value = recorded.get(key)
    return value if type(value) is str else ""


def _texts(values: Json) -> list[str]:
    return [each for each in values if type(each) is str] if type(values) is list else []

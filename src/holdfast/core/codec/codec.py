"""The codec: what the rest of Holdfast knows of payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from holdfast.core.codec.compiler import Compiler
from holdfast.core.codec.digest import digest
from holdfast.core.codec.exceptions import ExceptionForm
from holdfast.core.codec.form import Form
from holdfast.core.codec.jsontext import Json, dumps, faithful, is_plain, loads, may_hold_tags
from holdfast.core.codec.refusal import Refusal, key_segment, qualified_name
from holdfast.core.codec.registry import Entry, Registry
from holdfast.core.codec.signature import POSITIONAL, CallSignature, same_arguments
from holdfast.core.codec.typehints import MISSING
from holdfast.core.codec.untyped import STANDARD_TAGS, Untyped
from holdfast.errors import ConfigurationError, PayloadError

MAX_BYTES = 16 * 1024 * 1024


class PayloadCodec(Protocol):
    """Transforms the text of payloads on its way to the database and back: encrypts, compresses, moves away."""

    def encode(self, text: str) -> str:
        """Return what is stored in place of a JSON text: pure ASCII. What it raises reaches the caller."""

    def decode(self, text: str) -> str:
        """Return the JSON text of what was stored. What it raises reaches the caller."""


class Codec:
    """Values to text and back. Equal values come back, of the same type, or `PayloadError` is raised on writing.

    NaN is the one exception: it comes back as NaN, which equals nothing.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        payload_codec: PayloadCodec | None = None,
        signatures: Callable[[], Iterable[CallSignature]] = tuple,
    ) -> None:
        """Make a codec that refuses to store a text of more than `max_bytes`.

        The classes that the hints of `signatures` name count as registered; they are asked for whenever a class or
        tag is not known yet.
        """
        self._max_bytes = max_bytes
        self._payload_codec = payload_codec
        self._signatures = signatures
        self._registry = Registry(STANDARD_TAGS, self._learn)
        self._untyped = Untyped(self._registry)
        self._compiler = Compiler(self._registry, self._untyped)
        self._exceptions = ExceptionForm(self._untyped)

    def register(
        self,
        cls: type,
        *,
        name: str | None = None,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> None:
        """Let values of a class be recorded, also where no type hint names it.

        `name` stands for the class in the database (default: `module:QualifiedName`) and must stay what it is.
        Dataclasses, pydantic models, enums, named tuples and SQLAlchemy classes need no functions; for others
        `encode` returns a value that can be recorded, and `decode` makes an equal object of it. Functions given for
        a class serve its subclasses too, if what `decode` returns has the same class as what was encoded.

        Raises `ConfigurationError`: a class that needs functions has none; the name is taken (`AlreadyRegistered`).
        """
        if (encode is None) != (decode is None):
            raise ConfigurationError(f"register({cls.__name__}): encode= and decode= go together")
        if self._untyped.is_standard(cls):
            raise ConfigurationError(f"register({cls.__name__}): this type is recorded as it is")
        self._compiler.forget()
        form = None if encode is not None else self._compiler.own_form(cls)
        if form is None and encode is None:
            raise ConfigurationError(
                f"register({cls.__name__}): it is no dataclass, pydantic model, enum or named tuple, "
                "and needs encode= and decode="
            )
        kind = cls if form is None else form.kind
        name = name or qualified_name(kind)
        self._registry.add(Entry(kind=kind, name=name, form=form, encode=encode, decode=decode, by_hand=True))

    def encode(self, value: object, hint: object = MISSING) -> str:
        """Return the text to store for a value. Raises `PayloadError` for one that would not come back equal."""
        try:
            return self._sealed(self._written(value, self._form(hint)))
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("it is nested too deeply, or contains itself", type_name=_name(value)) from None

    def decode(self, text: str, hint: object = MISSING) -> Any:
        """Return the value of a stored text. Raises `PayloadError` for one that is corrupt or of an unknown type."""
        form = self._form(hint)
        try:
            opened = self._opened(text)
            tree = loads(opened)
            return tree if form is self._untyped and not may_hold_tags(opened) else form.read(tree)
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("the stored value is nested too deeply to be read") from None

    def encode_call(self, signature: CallSignature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the text to store for the arguments of a call: an object with a key for each one given.

        Raises `PayloadError`, or `TypeError` for arguments that the function does not take.
        """
        trees = {}
        try:
            for name, value in signature.bind(args, kwargs).items():
                try:
                    trees[name] = self._form(signature.argument_hints[name]).write(value, 0)
                except Refusal as refusal:
                    refusal.inside(key_segment(name))
                    raise
            return self._sealed(faithful(trees))
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("an argument is nested too deeply, or contains itself") from None

    def decode_call(self, signature: CallSignature, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of a recorded call.

        Raises `PayloadError`: corrupt, of an unknown type, or not what the function takes now.
        """
        try:
            trees = loads(self._opened(text))
            if type(trees) is not dict:
                raise Refusal("the stored arguments are no JSON object")
            placed = signature.place(trees)
            return signature.unbind({name: self._argument(signature, name, tree) for name, tree in placed.items()})
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("the stored arguments are nested too deeply to be read") from None

    def encode_arguments(self, args: Iterable[object], kwargs: Mapping[str, object]) -> str:
        """Return the text to store for a call of a function that is not at hand: its worker places the arguments.

        Raises `PayloadError`.
        """
        trees: dict[str, Json] = {name: self._parcel(value, key_segment(name)) for name, value in kwargs.items()}
        positional = [self._parcel(value, f"[{place}]") for place, value in enumerate(args)]
        return self._sealed_call({POSITIONAL: positional, **trees} if positional else trees)

    def same_call(self, one: str, other: str) -> bool:
        """Tell whether two recorded calls give the same arguments: a payload codec may write one in many ways.

        False as well if one of them can't be read.
        """
        try:
            documents = [loads(self._opened(text)) for text in (one, other)]
        except Exception:  # noqa: BLE001 - a payload codec may raise anything, for another key
            return False
        return all(isinstance(each, dict) for each in documents) and same_arguments(*documents)

    def edit_call(self, text: str, changes: Mapping[str, object]) -> str:
        """Return the text of a recorded call with other values for some arguments. Raises `PayloadError`."""
        try:
            trees = loads(self._opened(text))
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        changed = {name: self._parcel(value, key_segment(name)) for name, value in changes.items()}
        return self._sealed_call({**trees, **changed})

    def _parcel(self, value: object, where: str) -> Json:
        """Write a value whose hint is not known: by a tag, or, where it has none, as its own class is written."""
        try:
            try:
                return self._untyped.write(value, 0)
            except Refusal:
                return self._form(type(value)).write(value, 0)
        except Refusal as refusal:
            refusal.inside(where)
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("it is nested too deeply, or contains itself", path=where) from None

    def _sealed_call(self, trees: dict[str, Json]) -> str:
        try:
            return self._sealed(faithful(trees))
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__

    def encode_error(self, error: BaseException) -> str:
        """Return the text to store for an exception: type, message, arguments, attributes, traceback, cause.

        Whatever the exception holds, this does not raise: what can't be recorded is left out.
        """
        for bare in (False, True):
            try:
                text = dumps(self._exceptions.write(error, bare=bare))
            except (ValueError, RecursionError):
                continue
            if len(text) <= self._max_bytes:
                return self._transformed(text)
        name = qualified_name(type(error))
        return self._transformed(dumps({"type": name, "message": "(too large to be recorded)"}))

    def note_on_error(self, text: str, note: str) -> str:
        """Return the text of a recorded exception with one more note, all else as it is."""
        document = loads(self._opened(text))
        if type(document) is not dict:
            return text
        notes = document.get("notes")
        noted = dumps({**document, "notes": [*(notes if type(notes) is list else []), note]})
        return self._transformed(noted) if len(noted) <= self._max_bytes else text

    def decode_error(self, text: str) -> BaseException:
        """Return the recorded exception, or a `RecordedError` in its place if its class is not loaded.

        The recorded traceback is a note on it. Raises `PayloadError` if the text is no JSON.
        """
        try:
            return self._exceptions.read(loads(self._opened(text)))
        except Refusal as refusal:
            raise refusal.error() from refusal.__cause__
        except RecursionError:
            raise PayloadError("the stored error is nested too deeply to be read") from None

    def digest(self, *parts: object) -> str:
        """Return a short fingerprint, equal for equal values in every process; never raises.

        Sets and dicts count without their order, objects by their fields, or, if they have none, by their type.
        """
        return digest(parts)

    def learn(self, *hints: object) -> None:
        """Register the classes that these hints name."""
        for hint in hints:
            self._form(hint)
        self._compiler.resolve()

    def _learn(self) -> None:
        for signature in self._signatures():
            self.learn(signature.return_hint, *signature.argument_hints.values())
        self._compiler.resolve()

    def _form(self, hint: object) -> Form:
        return self._untyped if hint is MISSING else self._compiler.compile(hint)

    def _written(self, value: object, form: Form) -> str:
        if form is self._untyped and is_plain(value):
            try:
                return faithful(value)
            except (ValueError, Refusal):
                pass  # a NaN, an infinity, a giant integer or a split pair of surrogates: they need tags
        return faithful(form.write(value, 0))

    def _argument(self, signature: CallSignature, name: str, tree: Json) -> Any:
        try:
            return self._form(signature.argument_hints.get(name, MISSING)).read(tree)
        except Refusal as refusal:
            refusal.inside(key_segment(name))
            raise

    def _sealed(self, text: str) -> str:
        stored = self._transformed(text)
        if len(stored) > self._max_bytes:
            raise Refusal(
                f"it takes {len(stored):,} bytes, more than the limit of {self._max_bytes:,}: "
                "store it elsewhere and record where, or use a payload codec that does so"
            )
        return stored

    def _transformed(self, text: str) -> str:
        if self._payload_codec is None:
            return text
        stored: object = self._payload_codec.encode(text)
        if not isinstance(stored, str) or not stored.isascii():
            raise PayloadError("the payload codec must return a text of ASCII characters")
        return stored

    def _opened(self, text: str) -> str:
        return text if self._payload_codec is None else self._payload_codec.decode(text)


def _name(value: object) -> str:
    return qualified_name(type(value))

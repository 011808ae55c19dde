"""The arguments of a call, by name and by the hints of the function."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import pytest

from holdfast.core.codec import MISSING, CallSignature, Codec
from holdfast.errors import PayloadError

T = TypeVar("T")


@dataclasses.dataclass
class Line:
    price: Decimal


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


def refund(order_id: int, at: date = date(2024, 1, 1), *, line: Line | None = None) -> Line:
    raise NotImplementedError  # never called: its signature counts


def everything(first: date, /, second: int = 2, *rest: date, key: Annotated[date, "x"], **more: Decimal) -> None: ...


def untyped(value, other=None):  # type: ignore[no-untyped-def]  # without hints on purpose
    return value


def half_known(day: date, thing: NotThere) -> NotThere:  # type: ignore[name-defined] # noqa: F821 - a name that is not there on purpose
    raise NotImplementedError  # never called: its signature counts


class Service:
    def pay(self, day: date) -> Decimal:
        raise NotImplementedError  # never called: its signature counts

    def __call__(self, day: date) -> Decimal:
        raise NotImplementedError  # never called: its signature counts


DAY = date(2024, 5, 1)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "text"),
    [
        (refund, (42,), {}, '{"order_id": 42}'),
        (refund, (42, DAY), {}, '{"order_id": 42, "at": "2024-05-01"}'),
        (refund, (), {"at": DAY, "order_id": 42}, '{"order_id": 42, "at": "2024-05-01"}'),
        (refund, (42,), {"line": Line(Decimal(1))}, '{"order_id": 42, "line": {"price": "1"}}'),
        (refund, ("42",), {}, '{"order_id": "42"}'),
        (everything, (DAY,), {"key": DAY}, '{"first": "2024-05-01", "key": "2024-05-01"}'),
        (
            everything,
            (DAY, 5, DAY),
            {"key": DAY, "fee": Decimal(2)},
            '{"first": "2024-05-01", "second": 5, "rest": ["2024-05-01"], "key": "2024-05-01", "more": {"fee": "2"}}',
        ),
        (untyped, (DAY,), {}, '{"value": {"$type": "date", "value": "2024-05-01"}}'),
        (half_known, (DAY, "x"), {}, '{"day": "2024-05-01", "thing": "x"}'),
        (functools.partial(refund, at=DAY), (1,), {}, '{"order_id": 1}'),
        (Service().pay, (DAY,), {}, '{"day": "2024-05-01"}'),
        (Service(), (DAY,), {}, '{"day": "2024-05-01"}'),
        (max, (1, 2), {}, '{"args": [1, 2]}'),
        (lambda: None, (), {}, "{}"),
    ],
)
def test_arguments_come_back(function: Callable[..., Any], args: Any, kwargs: Any, text: str) -> None:
    codec, signature = Codec(), CallSignature.of(function)
    assert codec.encode_call(signature, args, kwargs) == text
    read_args, read_kwargs = codec.decode_call(signature, text)
    assert signature.bind(read_args, read_kwargs) == signature.bind(args, kwargs)


def test_the_first_parameter_of_a_method_may_be_left_out() -> None:
    signature = CallSignature.of(Service.pay, skip_first=True)
    assert list(signature.parameters) == ["day"]
    assert Codec().encode_call(signature, (DAY,), {}) == '{"day": "2024-05-01"}'


def test_hints_are_known_as_far_as_they_can_be_resolved() -> None:
    assert CallSignature.of(refund).return_hint is Line
    assert CallSignature.of(half_known).parameters == {"day": date, "thing": MISSING}
    assert CallSignature.of(half_known).return_hint is MISSING
    assert CallSignature.of(untyped).parameters == {"value": MISSING, "other": MISSING}


def test_a_wrapped_function_keeps_its_hints() -> None:
    @functools.wraps(refund)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return refund(*args, **kwargs)

    assert CallSignature.of(wrapper).parameters == CallSignature.of(refund).parameters


def test_hints_may_name_what_a_nested_function_sees() -> None:
    @dataclasses.dataclass
    class Local:
        day: date

    def make(value: Local) -> Local:
        return Local(value.day)

    signature = CallSignature.of(make)
    assert signature.return_hint is Local
    text = Codec().encode_call(signature, (Local(DAY),), {})
    assert text == '{"value": {"day": "2024-05-01"}}'


def test_a_generic_dataclass_is_read_by_its_arguments() -> None:
    value = Box(Box(DAY))
    text = Codec().encode(value, Box[Box[date]])
    assert text == '{"content": {"content": "2024-05-01"}}'
    assert Codec().decode(text, Box[Box[date]]) == value


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((), {}, r"refund\(\): missing a required argument: 'order_id'"),
        ((1,), {"x": 1}, "unexpected keyword argument 'x'"),
        ((1, DAY, 2), {}, "too many"),
    ],
)
def test_wrong_arguments_are_a_type_error_as_in_any_call(args: Any, kwargs: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Codec().encode_call(CallSignature.of(refund), args, kwargs)


def test_an_argument_that_can_not_be_recorded_is_named() -> None:
    with pytest.raises(PayloadError) as refused:
        Codec().encode_call(CallSignature.of(refund), (1,), {"line": [Line(Decimal(1)), 1j]})
    assert refused.value.path == "line[1]"


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"order_id": 1, "gone": 2}', "", "takes no argument 'gone'"),
        ('{"at": "2024-05-01"}', "", "missing a required argument: 'order_id'"),
        ('{"order_id": 1, "at": "x"}', "at", "is no date"),
        ("[1]", "", "no JSON object"),
        ('{"order_id": 1, "order_id": 1}', "", "occurs twice"),
    ],
)
def test_a_call_that_the_function_does_not_take_is_refused(text: str, path: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason) as refused:
        Codec().decode_call(CallSignature.of(refund), text)
    assert refused.value.path == path


def test_classes_that_known_signatures_name_count_as_registered() -> None:
    codec = Codec(signatures=lambda: [CallSignature.of(refund)])
    text = codec.encode({"line": Line(Decimal(1))})
    fresh = Codec(signatures=lambda: [CallSignature.of(refund)])
    assert fresh.decode(text) == {"line": Line(Decimal(1))}
    with pytest.raises(PayloadError, match="has not registered"):
        Codec().decode(text)


def test_arguments_by_position_are_placed_by_who_has_the_function() -> None:
    codec = Codec()

    def call(first: int, second: Decimal, *others: str, last: bool = False) -> None: ...

    signature = CallSignature.of(call)
    text = codec.encode_arguments((1, Decimal("2.5"), "a", "b"), {"last": True})
    assert codec.decode_call(signature, text) == ((1, Decimal("2.5"), "a", "b"), {"last": True})
    text = codec.encode_arguments((1,), {"second": Decimal(3)})
    assert codec.decode_call(signature, text) == ((1, Decimal(3)), {})
    assert codec.encode_arguments((), {"a": 1}) == '{"a": 1}'


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1, 2, 3), {}), ((1,), {"first": 1}), ((1,), {"third": 1}), ((), {"first": 1})]
)
def test_arguments_that_do_not_fit_are_refused_where_the_function_is(args: Any, kwargs: Any) -> None:
    codec = Codec()

    def call(first: int, second: int) -> None: ...

    with pytest.raises(PayloadError):
        codec.decode_call(CallSignature.of(call), codec.encode_arguments(args, kwargs))


def test_a_value_that_can_not_be_recorded_names_its_place() -> None:
    with pytest.raises(PayloadError, match=r"\[1\]"):
        Codec().encode_arguments((1, object()), {})


def test_a_recorded_call_gets_other_arguments() -> None:
    codec = Codec()

    def call(first: int, second: Decimal = Decimal(0)) -> None: ...

    signature = CallSignature.of(call)
    text = codec.edit_call(codec.encode_call(signature, (1,), {}), {"second": Decimal("1.5")})
    assert codec.decode_call(signature, text) == ((1, Decimal("1.5")), {})
    with pytest.raises(PayloadError):
        codec.edit_call("not json", {"second": 1})

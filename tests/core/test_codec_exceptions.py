"""Exceptions are recorded whatever they hold, and come back as what `except` clauses look for."""

from __future__ import annotations

import asyncio
import json
import traceback
from datetime import date
from typing import Any, Never, Self

import pytest

from holdfast.core.codec import Codec
from holdfast.core.codec.exceptions import MAX_TEXT
from holdfast.errors import PayloadError, RecordedError, WorkflowSetAside


class PaymentRefused(Exception):
    def __init__(self, order_id: int, *, reason: str) -> None:
        super().__init__(f"order {order_id}: {reason}")
        self.order_id = order_id
        self.reason = reason
        self.client = object()
        self._secret = "hidden"


class Explosive(Exception):
    armed = True

    def __new__(cls, *args: Any) -> Self:
        if not cls.armed:
            raise AssertionError("its __new__ was run")
        return super().__new__(cls, *args)

    def __init__(self) -> None:
        if not self.armed:
            raise AssertionError("its __init__ was run")
        super().__init__("bang")


class Needy(Exception):
    def __str__(self) -> str:
        return str(self.response.status)  # type: ignore[attr-defined]  # set from outside, as some libraries do


class Shout(str):
    __slots__ = ()

    def __getitem__(self, key: Any) -> Never:
        raise RuntimeError("no slices")

    __len__ = __add__ = __iter__ = __format__ = __getitem__  # type: ignore[assignment]  # hostile on purpose


class Hostile(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__

    @property
    def args(self) -> Any:  # type: ignore[override]  # hostile on purpose
        raise SystemExit

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # hostile on purpose
        raise GeneratorExit

    def __getattribute__(self, name: str) -> Any:
        raise KeyboardInterrupt


class Shouting(Exception):
    def __str__(self) -> str:
        return Shout("x" * 100_000)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - it has just been raised
        return caught


def back(error: BaseException, codec: Codec | None = None) -> BaseException:
    codec = codec or Codec()
    return codec.decode_error(codec.encode_error(error))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        ValueError("no", 1, None, date(2024, 1, 1)),
        KeyError("a"),
        OSError(2, "not there", "/tmp/x"),
        ConnectionResetError(104, "reset"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        StopIteration(5),
        json.JSONDecodeError("bad", "{}", 1),
        asyncio.CancelledError("stop"),
        ZeroDivisionError(),
        TimeoutError("late"),
    ],
    ids=repr,
)
def test_a_loaded_exception_comes_back_as_itself(error: BaseException) -> None:
    found = back(raised(error))
    assert type(found) is type(error)
    assert (found.args, str(found)) == (error.args, str(error))
    for name in ("errno", "strerror", "filename", "encoding", "object", "value", "pos", "doc"):
        assert getattr(found, name, None) == getattr(error, name, None)


def test_attributes_come_back_as_far_as_they_can_be_recorded() -> None:
    error = PaymentRefused(7, reason="card")
    document = json.loads(Codec().encode_error(raised(error)))
    assert document["type"] == f"{__name__}:PaymentRefused"
    assert document["message"] == "order 7: card"
    assert document["args"] == ["order 7: card"]
    assert document["attributes"] == {"order_id": 7, "reason": "card"}
    assert document["cause"] is None
    assert "raise error from cause" in document["traceback"]
    found = back(error)
    assert isinstance(found, PaymentRefused)
    assert (found.order_id, found.reason, str(found)) == (7, "card", "order 7: card")
    assert not hasattr(found, "client")


def test_an_exception_is_rebuilt_without_its_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Codec().encode_error(Explosive())
    monkeypatch.setattr(Explosive, "armed", False)
    found = Codec().decode_error(text)
    assert type(found) is Explosive
    assert found.args == ("bang",)


def test_holdfasts_own_errors_come_back_with_their_fields() -> None:
    found = back(PayloadError("no", path="items[3]", type_name="m:T"))
    assert isinstance(found, PayloadError)
    assert (found.path, found.reason, found.type_name, str(found)) == ("items[3]", "no", "m:T", "items[3]: no")
    aside = back(WorkflowSetAside("w", "dead", "It crashed."))
    assert isinstance(aside, WorkflowSetAside)
    assert aside.workflow_id == "w"


def test_the_recorded_traceback_is_shown_with_the_exception() -> None:
    found = back(raised(ValueError("no")))
    assert found.__traceback__ is None
    shown = "".join(traceback.format_exception(found))
    assert "Recorded traceback:" in shown
    assert "in raised" in shown


def test_notes_come_back() -> None:
    error = ValueError("no")
    error.add_note("look here")
    assert back(error).__notes__[0] == "look here"


def test_causes_come_back() -> None:
    error = raised(ValueError("outer"), raised(PaymentRefused(1, reason="x"), KeyError("inner")))
    found = back(error)
    assert isinstance(found.__cause__, PaymentRefused)
    assert isinstance(found.__cause__.__cause__, KeyError)


def test_what_happened_before_is_in_the_traceback_text() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904 - it is what the test is about
    except ValueError as error:
        document = json.loads(Codec().encode_error(error))
    assert document["cause"] is None
    assert "KeyError: 'first'" in document["traceback"]


def test_a_cycle_of_causes_is_cut_off() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(back(first).__cause__, ValueError)


def test_groups_come_back_with_their_members() -> None:
    group = ExceptionGroup("both", [ValueError("a"), ExceptionGroup("inner", [PaymentRefused(1, reason="x")])])
    found = back(raised(group))
    assert isinstance(found, ExceptionGroup)
    assert found.message == "both"
    matched, rest = found.split(PaymentRefused)
    assert matched is not None
    assert rest is not None
    assert isinstance(rest.exceptions[0], ValueError)


def test_a_member_that_would_end_the_process_has_a_stand_in() -> None:
    found = back(BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError("a")]))
    assert isinstance(found, ExceptionGroup)
    assert [type(each) for each in found.exceptions] == [RecordedError, ValueError]


def test_an_unknown_exception_has_a_stand_in() -> None:
    text = Codec().encode_error(raised(PaymentRefused(1, reason="x"), KeyError("k")))
    found = Codec().decode_error(text.replace("PaymentRefused", "Gone"))
    assert isinstance(found, RecordedError)
    assert found.type_name == f"{__name__}:Gone"
    assert found.message == "order 1: x"
    assert "raise error from cause" in found.recorded_traceback
    assert isinstance(found.__cause__, KeyError)


def test_an_exception_that_can_not_be_printed_any_more_has_a_stand_in() -> None:
    error = Needy()
    error.response = type("Response", (), {"status": 402})()  # type: ignore[attr-defined]  # set from outside, as some libraries do
    found = back(error)
    assert isinstance(found, RecordedError)
    assert found.message == "402"


def test_an_argument_that_can_not_be_recorded_leaves_the_message() -> None:
    found = back(ValueError("bad", object()))
    assert isinstance(found, ValueError)
    assert str(found).startswith("('bad', <object object")


@pytest.mark.parametrize("error", [KeyboardInterrupt("a"), SystemExit(3), GeneratorExit()], ids=repr)
def test_what_would_end_the_process_has_a_stand_in(error: BaseException) -> None:
    found = back(raised(error))
    assert isinstance(found, RecordedError)
    assert found.type_name == f"builtins:{type(error).__name__}"


def test_recording_never_raises() -> None:
    deep: BaseException = ValueError("deep")
    for _ in range(2000):
        outer = ValueError("deep")
        outer.__cause__ = deep
        deep = outer
    circular: list[Any] = []
    circular.append(circular)
    held = ValueError(circular, 10**6000, "\ud800\x00")
    held.held = circular  # type: ignore[attr-defined]  # set from outside, as some libraries do
    assert isinstance(back(Hostile("x")), RecordedError)
    assert len(json.loads(Codec().encode_error(Shouting()))["message"]) < MAX_TEXT + 200
    for error in (deep, held, RecursionError("x"), MemoryError()):
        assert type(back(raised(error))) is type(error)


def test_an_endless_recursion_is_recorded() -> None:
    def endless() -> None:
        endless()

    with pytest.raises(RecursionError) as caught:
        endless()
    assert isinstance(back(caught.value), RecursionError)


def test_what_is_too_large_is_left_out() -> None:
    codec = Codec(max_bytes=2000)
    found = back(raised(ValueError("short", "x" * 1500)), codec)
    assert isinstance(found, ValueError | RecordedError)
    tiny = Codec(max_bytes=100)
    assert len(tiny.encode_error(raised(ValueError("x" * 10_000)))) <= 100


def test_the_newest_of_several_classes_of_one_name_is_built() -> None:
    def define() -> type[Exception]:
        class Local(Exception):
            pass

        return Local

    codec, first = Codec(), define()
    assert type(back(first("a"), codec)) is first
    second = define()
    assert type(back(second("a"), codec)) is second


def test_a_document_without_content_is_some_error() -> None:
    assert isinstance(Codec().decode_error("{}"), RecordedError)

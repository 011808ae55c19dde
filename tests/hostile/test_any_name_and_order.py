"""Any text as a name, any payload, messages in any order: on each database, as Hypothesis comes upon them."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import (
    Client,
    Config,
    Holdfast,
    WorkflowFilter,
    get_event,
    options,
    read_stream,
    recv,
    send,
    set_attributes,
    set_event,
    step,
    workflow,
    write_stream,
)
from holdfast.errors import HoldfastError

CONFIG = Config(suspend_after=5.0, heartbeat=0.2, lease=5.0, poll=1.0, shutdown_timeout=2.0)
ODD = [
    "'",
    '"',
    ";",
    "--",
    "%",
    "_",
    "\\",
    "\0",
    "\n",
    "\ud800",
    " ",
    "\u0130",
    "ß",
    "\u202e",
    "$1",
    ":a",
    "/",
    "#",
    "[",
]
NAMES = st.text(st.characters(), max_size=20) | st.lists(st.sampled_from([*ODD, "a", "A"]), max_size=8).map("".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
unique = itertools.count()


@pytest.fixture(params=[12, pytest.param(400, marks=pytest.mark.chaos)])
def fuzz(request: pytest.FixtureRequest) -> settings:
    """How many examples are tried; each has ids of its own in the test's one database."""
    return settings(max_examples=request.param, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url, config=CONFIG) as launched:
        yield launched


@pytest.fixture
def client(app: Holdfast, store_url: str) -> Iterator[Client]:
    with Client(store_url) as connected:
        yield connected


@step(key=lambda key, _value: key)
def any_step(key: str, value: Any) -> Any:
    return value


@workflow
def any_names(name: str, value: Any) -> dict[str, Any]:
    """Use one text as the name of everything that has one; say which of them took it."""
    took: dict[str, Any] = {}
    writes: dict[str, Callable[[], Any]] = {
        "step": lambda: any_step(name, value),
        "event": lambda: set_event(name, value),
        "stream": lambda: write_stream(name, value),
        "attribute": lambda: set_attributes(**{name: "found"}),
    }
    for what, write in writes.items():
        try:
            took[what] = write()
        except HoldfastError as error:
            took[what] = type(error).__name__
    return took


@workflow
def any_echo(value: Any) -> Any:
    return value


def same(one: Any, other: Any) -> bool:
    """Compare values, NaN with NaN, and 1, 1.0 and True as three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def test_any_text_is_the_id_of_its_own_workflow_or_refused_and_nothing_is_written(
    app: Holdfast, fuzz: settings
) -> None:
    started: set[str] = set()

    @fuzz
    @given(name=NAMES)
    def check(name: str) -> None:
        try:
            handle = options(id=name).start(any_echo, name)
        except HoldfastError:
            assert name not in started
            return
        started.add(name)
        assert handle.result(30) == name
        assert app.get_workflow(name).workflow_id == name

    check()
    assert {each.workflow_id for each in app.list_workflows(WorkflowFilter(limit=1000))} == started
    for each in started:
        found = app.list_workflows(WorkflowFilter(id_prefix=each, limit=1000))
        assert {record.workflow_id for record in found} == {other for other in started if other.startswith(each)}


def test_any_text_names_its_own_step_event_stream_and_attribute_or_is_refused(app: Holdfast, fuzz: settings) -> None:
    @fuzz
    @given(name=NAMES, value=VALUES)
    def check(name: str, value: Any) -> None:
        workflow_id = f"w-{next(unique)}"
        took = options(id=workflow_id).start(any_names, name, value).result(30)
        if took["step"] != "UsageError":
            assert same(took["step"], value)
        if took["event"] is None:
            assert same(get_event(workflow_id, name, timeout=0), value)
        if took["stream"] is None:
            [(_, item)] = list(itertools.islice(read_stream(workflow_id, name), 1))
            assert same(item, value)
        if took["attribute"] is None:
            found = app.list_workflows(WorkflowFilter(attributes={name: "found"}, limit=1000))
            assert workflow_id in {each.workflow_id for each in found}
        # What is not taken says so by a rule about names, and by nothing of the database's.
        assert {each for each in took.values() if isinstance(each, str) and each.endswith("Error")} <= {"UsageError"}

    check()


def test_any_payload_goes_through_a_workflow_and_a_message_as_it_is(
    app: Holdfast, client: Client, fuzz: settings
) -> None:
    @fuzz
    @given(value=VALUES)
    def check(value: Any) -> None:
        workflow_id = f"w-{next(unique)}"
        assert same(options(id=workflow_id).start(any_echo, value).result(30), value)
        reader = options(id=f"{workflow_id}-reader").start(any_reader, ["t"])
        client.send(reader.id, value, topic="t")
        client.send(reader.id, None, topic="go")
        assert same(reader.result(30), [("t", value)])

    check()


@workflow
def any_reader(plan: list[str]) -> list[Any]:
    """Wait until all is sent, then receive from topics in this order; of an empty one, note that it was."""
    recv("go", timeout=20)
    return [(topic, recv(topic, timeout=0)) for topic in plan]


TOPICS = st.sampled_from(["", "a", "A", "a ", "'", "%", "go-"])
SENDS = st.lists(st.tuples(TOPICS, st.none() | st.sampled_from(["k", "K", "k'"]), st.integers(0, 9)), max_size=12)


def test_messages_in_any_order_are_received_once_and_in_the_order_of_their_topic(
    app: Holdfast, client: Client, fuzz: settings
) -> None:
    @fuzz
    @given(sends=SENDS, plan=st.lists(TOPICS, max_size=12), through_client=st.booleans())
    def check(sends: list[tuple[str, str | None, int]], plan: list[str], *, through_client: bool) -> None:
        reader = options(id=f"r-{next(unique)}").start(any_reader, plan)
        expected: defaultdict[str, deque[int]] = defaultdict(deque)
        keys: set[str] = set()
        for topic, key, value in sends:
            (client.send if through_client else send)(reader.id, value, topic=topic, key=key)
            if key is None or key not in keys:
                expected[topic].append(value)
            keys |= set() if key is None else {key}
        client.send(reader.id, None, topic="go")
        received = [(topic, expected[topic].popleft() if expected[topic] else None) for topic in plan]
        assert reader.result(30) == received

    check()

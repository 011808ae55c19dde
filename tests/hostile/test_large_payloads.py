"""Values that are too large: refused before anything happens, or, as a step's result, recorded as its error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast import (
    Config,
    Holdfast,
    WorkflowFilter,
    get_event,
    options,
    recv,
    send,
    set_event,
    step,
    workflow,
    write_stream,
)
from holdfast.errors import PayloadError
from tests.helpers import run_script

LARGE = "x" * (17 << 20)
"""More than the limit, which is 16 MiB unless a program says otherwise."""
HUGE_BYTES = 64 << 20
begun: list[str] = []


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    begun.clear()
    yield
    begun.clear()


@step
def large_result() -> str:
    begun.append("result")
    return LARGE


@step
def large_small() -> str:
    return "small"


@workflow
def large_takes(text: str) -> int:
    begun.append("workflow")
    return len(text)


@workflow
def large_gives() -> str:
    return LARGE


@workflow
def large_catches() -> str:
    try:
        large_result()
    except PayloadError as error:
        large_small()
        return str(error)
    return "recorded"


VERBS: dict[str, Callable[[], object]] = {
    "start": lambda: options(id="child").start(large_takes, LARGE),
    "call": lambda: large_takes(LARGE),
    "send": lambda: send("reader", LARGE, topic="t"),
    "event": lambda: set_event("e", LARGE),
    "stream": lambda: write_stream("s", LARGE),
}


@workflow
def large_reader() -> str:
    word: str = recv("t", type=str)
    return word


@workflow
def large_writes(verb: str) -> str:
    try:
        VERBS[verb]()
    except PayloadError as error:
        return f"refused: {error}"
    return "written"


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url) as launched:
        yield launched


def test_an_argument_over_the_limit_is_refused_before_anything_is_written(app: Holdfast) -> None:
    with pytest.raises(PayloadError, match=r"17,825,804 bytes, more than the limit of 16,777,216"):
        options(id="large").start(large_takes, LARGE)
    assert app.list_workflows(WorkflowFilter(limit=10)) == []
    assert begun == []


def test_what_a_workflow_writes_over_the_limit_is_refused_and_nothing_of_it_is_seen(app: Holdfast) -> None:
    reader = options(id="reader").start(large_reader)
    for verb in VERBS:
        assert options(id=verb).start(large_writes, verb).result(30).startswith("refused: ")
    assert begun == []
    assert get_event("event", "e", timeout=0) is None
    assert {each.workflow_id for each in app.list_workflows(WorkflowFilter(limit=100))} == {"reader", *VERBS}
    send("reader", "small", topic="t")
    assert reader.result(30) == "small"


def test_a_result_over_the_limit_is_recorded_as_an_error_and_its_step_is_not_run_again(app: Holdfast) -> None:
    assert "more than the limit" in options(id="catches").start(large_catches).result(30)
    assert begun == ["result"]
    [recorded, after] = app.get_journal("catches")
    assert recorded.error is not None
    assert after.name == "large_small"
    with pytest.raises(PayloadError, match="more than the limit"):
        options(id="gives").start(large_gives).result(30)


@pytest.mark.chaos
def test_sixty_four_megabytes_come_back_where_the_limit_allows_them(store_url: str) -> None:
    huge = os.urandom(1 << 20).hex() * (HUGE_BYTES >> 21)
    with Holdfast(store_url, config=Config(max_payload=2 * HUGE_BYTES)) as app:
        handle = options(id="huge").start(large_reader)
        send("huge", huge, topic="t")
        assert handle.result(120) == huge
        assert app.retrieve("huge").result(120) == huge


STEPS = 100_000
REPLAYING = '''
import sys, time
from holdfast import Config, Holdfast, options, recv, send, step, workflow
from tests.helpers import eventually

@step
def numbered(number: int) -> int:
    return number

@workflow
def long(count: int) -> int:
    total = 0
    for number in range(count):
        total += numbered(number)
    return total + recv("more", type=int)

def memory(what):
    """Megabytes: VmRSS at this moment, VmHWM at most so far. What getrusage says includes the parent's."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) >> 10 for line in file if line.startswith(what))

url, what, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Holdfast(url, config=Config(suspend_after=0.1)) as app:
    if what == "run":
        handle = options(id="long").start(long, count)
        eventually(lambda: handle.status() == "suspended", timeout=900)
    else:
        before, began = memory("VmRSS"), time.monotonic()
        send("long", 1, topic="more")
        total = app.retrieve("long").result(600)
        print("replayed", total, memory("VmHWM") - before, round(time.monotonic() - began, 1), flush=True)
'''


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_steps_are_replayed_in_bounded_memory(sqlite_url: str, tmp_path: Path) -> None:
    program = tmp_path / "replaying.py"
    program.write_text(REPLAYING)
    run_script(program, arguments=[sqlite_url, "run", str(STEPS)], timeout=900)
    said = run_script(program, arguments=[sqlite_url, "replay", "0"], timeout=300).splitlines()[-1]
    sys.stdout.write(f"{said}\n")
    _, total, megabytes, seconds = said.split()
    assert int(total) == sum(range(STEPS)) + 1
    # Some two kilobytes for each step.
    assert int(megabytes) < 250
    assert float(seconds) < 60

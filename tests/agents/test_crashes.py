"""Agents in processes that are killed: what had ended is not done again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.agents.openai_server import OpenAIServer, clerk
from tests.helpers import ROOT, ScriptProcess, eventually

pytestmark = pytest.mark.crash

PROGRAM = ROOT / "tests" / "agents" / "crash_program.py"
ANSWER = "Done: refunded 1, refunded 2, refunded 3"
THREAD = f"refund 1 2 3 | refunded 1 | refunded 2 | refunded 3 | {ANSWER}"

# How often model calls (by the number of messages they are asked with) and tools have run when all is done.
RUNS = {
    "in a tool": {"model 1": 1, "model 5": 1, "tool 1": 1, "tool 2": 2, "tool 3": 1},
    "in a model call": {"model 1": 1, "model 5": 2, "tool 1": 1, "tool 2": 1, "tool 3": 1},
    "between tokens": {"model 1": 1, "model 5": 2, "tool 1": 1, "tool 2": 1, "tool 3": 1},
    "at the end": {"model 1": 1, "model 5": 1, "tool 1": 1, "tool 2": 1, "tool 3": 1},
}


def program(url: str, folder: Path, kind: str, moment: str, server: str = "") -> ScriptProcess:
    return ScriptProcess(PROGRAM, arguments=[url, str(folder), kind, moment, server])


def killed(process: ScriptProcess) -> None:
    """Wait until the process has killed itself."""
    with pytest.raises(AssertionError, match="exit code -9"):
        process.finish()


def notes(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "notes").read_text().splitlines()]


# Each case starts two processes: every moment, every kind of agent and both stores occur, not all together.
CASES = [
    ("sqlite", "tool_node", "in a tool"),
    ("sqlite", "create_agent", "in a tool"),
    ("sqlite", "create_agent async", "in a tool"),
    ("sqlite", "tool_node", "in a model call"),
    ("sqlite", "create_agent async", "in a model call"),
    ("sqlite", "create_agent", "between tokens"),
    ("sqlite", "create_agent async", "between tokens"),
    ("sqlite", "tool_node", "at the end"),
    ("postgres", "create_agent async", "in a tool"),
    ("postgres", "create_agent", "at the end"),
]


@pytest.mark.parametrize(("store", "kind", "moment"), CASES)
def test_a_killed_turn_goes_on_and_repeats_nothing_that_had_ended(
    request: pytest.FixtureRequest, tmp_path: Path, store: str, kind: str, moment: str
) -> None:
    store_url = request.getfixturevalue(f"{store}_url")
    with program(store_url, tmp_path, kind, moment) as first:
        killed(first)
    with program(store_url, tmp_path, kind, moment) as second:
        output = second.finish()
    assert f"answer: {ANSWER}" in output
    assert f"tokens: {ANSWER}" in output
    assert f"thread: {THREAD}" in output
    assert Counter(" ".join(words[:2]) for words in notes(tmp_path)) == RUNS[moment]
    keys = {(words[1], words[2]) for words in notes(tmp_path) if words[0] == "tool"}
    assert len(keys) == 3, "a repeated tool sees another idempotency key"


def test_a_turn_killed_while_openai_answers_asks_that_alone_again(sqlite_url: str, tmp_path: Path) -> None:
    with OpenAIServer(clerk) as server:
        with program(sqlite_url, tmp_path, "create_agent", "in a tool", server.url) as first:
            killed(first)
        assert len(server.requests) == 1
        server.hold.clear()
        with program(sqlite_url, tmp_path, "create_agent", "never", server.url) as second:
            eventually(lambda: len(server.requests) == 2, timeout=30)
            second.kill()
        server.hold.set()
        with program(sqlite_url, tmp_path, "create_agent", "never", server.url) as third:
            output = third.finish()
    assert f"answer: {ANSWER}" in output
    assert f"thread: {THREAD}" in output
    assert [len(request["messages"]) for request in server.requests] == [1, 5, 5]

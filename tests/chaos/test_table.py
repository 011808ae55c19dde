"""The table of failure modes names tests that exist, and leaves no scenario out."""

from __future__ import annotations

import ast
import re

from tests.helpers import ROOT

_PAGE = ROOT / "docs" / "failure-modes.md"
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_all_scenarios_are_there_each_with_a_test_or_a_reason() -> None:
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    assert [int(number) for number, _, _ in rows] == list(range(1, 65))
    assert all(shown.strip() for _, _, shown in rows)


def test_every_named_test_exists() -> None:
    named = _TEST.findall(_PAGE.read_text(encoding="utf-8"))
    assert named
    missing = [f"{path}::{name}" for path, name in named if name not in _functions(path)]
    assert missing == []


def _functions(path: str) -> set[str]:
    file = ROOT / path
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

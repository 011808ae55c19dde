"""Every test that the page of guarantees names is there."""

from __future__ import annotations

import ast
import re

from tests.helpers import ROOT

PAGE = ROOT / "docs" / "guarantees.md"
NAMED = re.compile(r"`([a-z_/]+\.py)(?:::(test_\w+))?`")


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 25
    missing = [f"{path}::{test}" for path, test in named if test and test not in functions(path)]
    assert not missing
    assert all((ROOT / "tests" / path).exists() for path, _ in named)

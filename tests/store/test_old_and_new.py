"""An older library and a newer one on one database: the newer one is this one with a migration more, run for real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import SchemaTooNew
from holdfast.store.migrate import load_migrations
from holdfast.store.open import open_store
from tests.helpers import ROOT, ScriptProcess

KNOWN = len(load_migrations("holdfast.store.sqlite"))
ADDED = {
    "sqlite": "CREATE TABLE holdfast_novelties (id TEXT) STRICT;\n"
    "ALTER TABLE holdfast_workflow_info ADD COLUMN novelty TEXT;\n",
    "postgres": "CREATE TABLE {schema}.novelties (id text);\n"
    "ALTER TABLE {schema}.workflow_info ADD COLUMN novelty text;\n",
}
PROGRAM = """
import sys
from holdfast import Holdfast, step, workflow

@step
def double(number: int) -> int:
    return 2 * number

@workflow(name="double_all")
def double_all(numbers: int) -> int:
    return sum(double(number) for number in range(numbers))

with Holdfast(sys.argv[1]):
    print("doubled", double_all(4), flush=True)
"""


@pytest.fixture
def newer(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Copy this library with one more migration, which begins with the given line; return the environment for it."""

    def copy(header: str) -> dict[str, str]:
        folder = tmp_path / "newer"
        shutil.copytree(ROOT / "src" / "holdfast", folder / "holdfast", ignore=shutil.ignore_patterns("__pycache__"))
        for dialect, sql in ADDED.items():
            file = folder / "holdfast" / "store" / dialect / "migrations" / f"{KNOWN + 1:04}_novelties.sql"
            file.write_text(f"{header}\n{sql}")
        return {"PYTHONPATH": str(folder)}

    return copy


def run(url: str, env: dict[str, str]) -> str:
    with ScriptProcess(PROGRAM, arguments=[url], env=env) as process:
        return process.finish()


@pytest.mark.parametrize("header", ["-- compatible: additive", f"-- compatible: from {KNOWN}"])
def test_an_older_library_goes_on_beside_a_newer_one_that_lets_it(
    empty_store_url: str, newer: Callable[[str], dict[str, str]], header: str
) -> None:
    assert "doubled 12" in run(empty_store_url, {})
    new = newer(header)
    assert "doubled 12" in run(empty_store_url, new)
    assert "doubled 12" in run(empty_store_url, {})
    assert "doubled 12" in run(empty_store_url, new)


@pytest.mark.parametrize("header", ["-- nothing is said", f"-- compatible: from {KNOWN + 1}"])
def test_an_older_library_is_refused_by_a_newer_schema_that_does_not_let_it(
    empty_store_url: str, newer: Callable[[str], dict[str, str]], header: str
) -> None:
    assert "doubled 12" in run(empty_store_url, newer(header))
    store = open_store(empty_store_url)
    with pytest.raises(SchemaTooNew) as refused:
        store.open()
    store.close()
    assert (refused.value.found, refused.value.known) == (KNOWN + 1, KNOWN)

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holdfast.store.queries import load_queries


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the test's own, with an empty folder for queries."""
    name = f"queries_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name / "queries").mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return name


def write(package: str, **files: str) -> None:
    folder = Path(next(path for path in sys.path if (Path(path) / package).is_dir())) / package / "queries"
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)


def test_statements_are_found_by_name_in_all_files(package: str) -> None:
    write(
        package,
        one="-- About one.\n\n-- name: a\nSELECT 1;\n\n-- name: b\n-- why\nSELECT 2",
        two="-- name: c\nSELECT 3;",
    )
    assert dict(load_queries(package)) == {"a": "SELECT 1", "b": "-- why\nSELECT 2", "c": "SELECT 3"}


def test_a_name_given_twice_is_an_error(package: str) -> None:
    write(package, one="-- name: a\nSELECT 1;", two="-- name: a\nSELECT 2;")
    with pytest.raises(ValueError, match="the name a is taken"):
        load_queries(package)


def test_a_statement_without_a_name_is_an_error(package: str) -> None:
    write(package, one="SELECT 1;\n-- name: a\nSELECT 2;")
    with pytest.raises(ValueError, match="without a name"):
        load_queries(package)


def test_what_is_loaded_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        load_queries("holdfast.store.sqlite")["journal"] = ""  # type: ignore[index]  # wrong on purpose


@pytest.mark.parametrize("package", ["holdfast.store.sqlite", "holdfast.store.postgres"])
def test_every_query_is_used_by_its_store(package: str) -> None:
    folder = Path(__file__).parents[2] / "src" / Path(*package.split("."))
    shared = folder.parent.glob("*.py")  # what both stores read through
    code = "".join(path.read_text() for path in [*folder.rglob("*.py"), *shared])
    assert [name for name in load_queries(package) if f'"{name}"' not in code] == []

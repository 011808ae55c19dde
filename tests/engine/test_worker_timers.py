"""When a worker looks at the database again, where polling would not help."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Config, Handle, Holdfast, workflow
from holdfast.errors import StoreUnavailable
from tests.helpers import eventually


@workflow(name="begun_in_time")
def begun_in_time() -> str:
    return "begun"


def test_what_is_due_is_found_soon_although_the_worker_could_not_ask_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with Holdfast(url, config=Config(poll=3600)) as app, Client(url) as client:
        ask = app.store.next_due

        def away(*_arguments: Any, **_named: Any) -> float | None:
            monkeypatch.setattr(app.store, "next_due", ask)
            raise StoreUnavailable("away for a moment")

        monkeypatch.setattr(app.store, "next_due", away)
        handle = client.options(delay=0.5).start("begun_in_time")
        assert app.retrieve(handle.id).result(20) == "begun"


def test_a_timer_that_is_set_while_the_worker_looks_ahead_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    second: list[Handle[str]] = []
    with Holdfast(f"sqlite:///{tmp_path / 'a.db'}", config=Config(poll=3600)) as app:
        ask = app.store.next_due

        def just_missed(*arguments: Any, **named: Any) -> float | None:
            found = ask(*arguments, **named)
            if found is None and begun.is_set() and not second:
                second.append(app.options(delay=0.5).start(begun_in_time))
            return found

        monkeypatch.setattr(app.store, "next_due", just_missed)
        first = app.options(delay=0.1).start(begun_in_time)
        begun.set()
        assert first.result(20) == "begun"
        eventually(lambda: second)
        assert second[0].result(20) == "begun"

"""A worker whose look at the database has failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Config, Holdfast, workflow
from holdfast.errors import StoreUnavailable


@workflow(name="begun_after_a_failure")
def begun_after_a_failure() -> str:
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
        handle = client.options(delay=0.5).start("begun_after_a_failure")
        assert app.retrieve(handle.id).result(20) == "begun"

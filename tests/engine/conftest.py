"""An application on each kind of store, whose waits leave memory soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast import Config, Holdfast

QUICK = Config(suspend_after=0.05, poll=1.0, heartbeat=0.2, lease=2.0, shutdown_timeout=2.0)


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    """A launched application on a fresh database."""
    with Holdfast(store_url, config=QUICK) as launched:
        yield launched

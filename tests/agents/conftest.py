"""What the tests of the agent integrations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast import Config, Holdfast


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Holdfast]:
    """A launched application on SQLite."""
    with Holdfast(sqlite_url, config=Config(suspend_after=0.05)) as launched:
        yield launched

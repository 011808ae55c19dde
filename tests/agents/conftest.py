"""What the tests of the agent integrations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast import Holdfast
from tests.agents.replaying import QUICK


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Holdfast]:
    """A launched application on SQLite."""
    with Holdfast(sqlite_url, config=QUICK) as launched:
        yield launched

"""Commands run in this process, on a database of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click.testing
import pytest

from holdfast import Config, Holdfast, Queue, Rate
from holdfast.approvals import Approvals, LogDelivery
from holdfast.cli.commands import holdfast
from holdfast.store.base import Store
from holdfast.store.open import open_store

APP = "tests.cli.programs:make_app"
QUICK = Config(suspend_after=0.05, poll=1.0, heartbeat=0.2, lease=2.0, shutdown_timeout=2.0)


class Command:
    """Runs `holdfast` with arguments, on one database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0, stdin: str | None = None) -> str:
        """Run a command that is to end with `code`; return what it printed."""
        result = click.testing.CliRunner().invoke(holdfast, arguments, env={"HOLDFAST_URL": self.url}, input=stdin)
        assert result.exit_code == code, f"exit code {result.exit_code}: {result.output}\n{result.exception!r}"
        return result.output

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json; return the document on standard output."""
        result = click.testing.CliRunner().invoke(holdfast, [*arguments, "--json"], env={"HOLDFAST_URL": self.url})
        assert result.exit_code == code, f"exit code {result.exit_code}: {result.output}\n{result.exception!r}"
        return json.loads(result.stdout)


@pytest.fixture
def command(store_url: str) -> Command:
    """Commands on a migrated database."""
    store = open_store(store_url)
    store.open()
    store.close()
    return Command(store_url)


@pytest.fixture
def working(store_url: str) -> Iterator[Holdfast]:
    """A launched application that runs the workflows of `tests.cli.programs`."""
    app = Holdfast(store_url, config=QUICK, queues=[Queue("cli-mail", concurrency=2, rate=Rate(5, 60))])
    Approvals(app, delivery=LogDelivery(), base_url="https://example.org/approvals")
    with app:
        yield app


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """This test's database, open."""
    opened = open_store(store_url)
    opened.open()
    yield opened
    opened.close()

"""One process that tells a story, and may be killed at a pass of a failpoint.

It writes each pass to a log as it happens, and when the story is over all that the checks look at.
"""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast import Config, Holdfast, failpoints
from holdfast.approvals import ApprovalRequest, Approvals
from holdfast.core.model import WorkflowFilter
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.testing.killing import Pass, Reaper
from tests.crash.matrix.stories import QUEUES, Story
from tests.helpers import eventually

CONFIG = Config(suspend_after=0.05, heartbeat=0.2, lease=2.0, poll=0.5, shutdown_timeout=5.0)
TABLE = "CREATE TABLE IF NOT EXISTS effects (name TEXT)"
UNREAD = {
    "sqlite": "SELECT count(*) FROM holdfast_messages WHERE consumed_by IS NULL",
    "postgresql": "SELECT count(*) FROM holdfast.messages WHERE consumed_by IS NULL",
}
EFFECTS = "SELECT name FROM effects"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a story takes place."""

    url: str
    other_url: str
    folder: Path

    @property
    def log(self) -> Path:
        """Passes of failpoints, one a line: label, tab, idempotency key."""
        return self.folder / "passes"

    def facts(self, name: str) -> Path:
        """Return where a process leaves what it found."""
        return self.folder / f"{name}.json"


class Nowhere:
    """Delivers requests to nobody."""

    def deliver(self, request: ApprovalRequest) -> None:
        """Do nothing."""


def tell(story: Story, place: Place, *, name: str, kill_at: Pass | None) -> None:
    """Tell a story to its end, and leave what can be seen then."""
    # Dead workers and failed workflows are what this is about.
    logging.getLogger("holdfast").setLevel(logging.CRITICAL)
    failpoints.install(Reaper(place.log, kill_at))
    before = _journals(place.url)
    app = Holdfast(place.url, config=CONFIG, databases={"other": place.other_url}, queues=QUEUES)
    Approvals(app, delivery=Nowhere(), base_url="https://example.com/approvals")
    if story.prepare is not None:
        story.prepare(app)
    with app:
        seen = story.tell(app)
        statuses = eventually(lambda: _all_ended(app.store), timeout=40)
        facts = {
            "seen": seen,
            "statuses": statuses,
            "before": before,
            "journals": _journals_of(app.store),
            "effects": _rows(app, EFFECTS),
            "elsewhere": _elsewhere(place.other_url),
            "unread": _rows(app, UNREAD[app.store.dialect]),
        }
    place.facts(name).write_text(json.dumps(facts, default=str), encoding="utf-8")


def _all_ended(store: Store) -> list[str] | None:
    records = store.list_workflows(WorkflowFilter(limit=1000))
    assert all(record.status.is_terminal for record in records), [(each.name, each.status) for each in records]
    return sorted(f"{record.name}: {record.status}" for record in records)


def _journals(url: str) -> dict[str, list[list[Any]]]:
    """Read what a dead process left; nothing, if it did not come as far as a schema."""
    with closing(open_store(url)) as store:
        try:
            store.open(migrate=False)
        except (ConfigurationError, HoldfastError):
            return {}
        return _journals_of(store)


def _journals_of(store: Store) -> dict[str, list[list[Any]]]:
    records = store.list_workflows(WorkflowFilter(limit=1000))
    return {
        record.workflow_id: [
            [entry.step_id, entry.kind.value, entry.digest, entry.output, entry.error, entry.seq]
            for entry in store.journal(record.workflow_id)
        ]
        for record in records
    }


def _rows(app: Holdfast, query: str) -> list[Any]:
    with app.store.transaction() as opened:
        opened.begin(None, None)
        return [row[0] for row in opened.connection.execute(query).fetchall()]


def _elsewhere(url: str) -> list[str]:
    import sqlite3

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return [name for (name,) in connection.execute(EFFECTS)]

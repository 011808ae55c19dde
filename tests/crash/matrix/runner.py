"""Goes through the matrix: tells each story undisturbed, then once for each pass, killed there and told again.

Processes are forked from one that has imported everything and has no threads, so that a kill costs little more than
the recovery itself.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401 - else each process imports it anew
from psycopg import sql

from holdfast.store.open import open_store
from holdfast.testing.killing import Pass, choose_passes, in_child, read_log
from holdfast.testing.recovery import Log
from tests.crash.matrix.checks import faults
from tests.crash.matrix.process import TABLE, Place, tell
from tests.crash.matrix.stories import Story

OFTEN = 8
"""Passes of one label in one story at which it is killed: the first ones, and the last."""
RECOVERING: Sequence[Pass] = (("takeover.before", 1), ("takeover.after", 1), ("claim.loaded", 1))
"""Where a process that recovers from a kill is killed as well."""
FIRST_DEATHS = ("step.after", "transaction.ran", "workflow.before")
"""Where the one before it was killed: at the first of these that the story passes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """What became of one kill."""

    story: str
    store: str
    at: Pass
    happened: bool
    """False: this time the story ended without passing there."""
    faults: list[str] = field(default_factory=list)


class Stage:
    """Makes empty databases of one kind, with and without a schema."""

    def __init__(self, store: str, folder: Path, postgres_url: str) -> None:
        self.store = store
        self._folder = folder
        self._postgres_url = postgres_url
        self._template = f"matrix_{token_hex(6)}"
        folder.mkdir(parents=True, exist_ok=True)
        if store == "postgres":
            self._create(self._template)
        in_child(lambda: self._migrate(self._url(self._template)))
        os.environ["MATRIX_DIALECT"] = "sqlite" if store == "sqlite" else "postgresql"

    def _url(self, name: str) -> str:
        if self.store == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        return urlunsplit(urlsplit(self._postgres_url)._replace(path=f"/{name}"))

    def _migrate(self, url: str) -> None:
        with closing(open_store(url)) as store:
            store.open()

    def _create(self, name: str, template: str = "template0") -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self._postgres_url, autocommit=True) as admin:
            admin.execute(create)

    def close(self) -> None:
        """Drop the template."""
        self._drop(self._template)

    def _drop(self, name: str) -> None:
        if self.store == "postgres":
            with psycopg.connect(self._postgres_url, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def place(self, *, with_schema: bool) -> Iterator[Place]:
        """Lend a place for one story."""
        name = f"matrix_{token_hex(6)}"
        folder = self._folder / name
        folder.mkdir()
        url = self._url(name) if self.store == "postgres" else f"sqlite:///{folder / 'holdfast.db'}"
        if self.store == "postgres":
            self._create(name, self._template if with_schema else "template0")
        elif with_schema:
            shutil.copy(self._folder / f"{self._template}.db", folder / "holdfast.db")
        place = Place(url=url, other_url=f"sqlite:///{folder / 'other.db'}", folder=folder)
        in_child(lambda: _make_tables(place))
        try:
            yield place
        finally:
            self._drop(name)
            shutil.rmtree(folder)


def _make_tables(place: Place) -> None:
    import sqlite3

    urls = [place.url, place.other_url] if place.url.startswith("sqlite") else [place.other_url]
    for url in urls:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(TABLE)
    if len(urls) == 1:
        with psycopg.connect(place.url) as server:
            server.execute(TABLE)


class Matrix:
    """One story after another, on one kind of store."""

    def __init__(
        self, stage: Stage, *, choose: Callable[[Sequence[Pass]], Sequence[Pass]] | None = None, often: int = OFTEN
    ) -> None:
        self._stage = stage
        self._often = often
        self._choose = choose or (lambda passes: passes)
        self.passed: Counter[str] = Counter()
        """How often each label was passed undisturbed, over all stories."""

    def kills(self, story: Story) -> Iterator[Kill]:
        """Tell a story undisturbed, then killed at each pass that was chosen."""
        with self._stage.place(with_schema=not story.first_launch) as place:
            self._tell(story, place, "undisturbed", None)
            undisturbed = json.loads(place.facts("undisturbed").read_text())
            counts = Counter(label for label, _ in read_log(place.log))
        self.passed += counts
        for at in self._choose(choose_passes(counts, most=self._often)):
            yield self._kill(story, at, undisturbed)
        first = next((point, 1) for point in FIRST_DEATHS if counts[point])
        for at in self._choose(RECOVERING):
            yield self._kill(story, at, undisturbed, first=first)

    def _kill(self, story: Story, at: Pass, undisturbed: dict[str, Any], *, first: Pass | None = None) -> Kill:
        with self._stage.place(with_schema=not story.first_launch) as place:
            if first is not None:
                self._tell(story, place, "died", first)
            died = not self._tell(story, place, "killed", at)
            after: Log = []
            found = place.facts("killed")
            if died:
                before = len(read_log(place.log))
                try:
                    self._tell(story, place, "recovered", None)
                except AssertionError as error:
                    return self._made(story, at, [f"stuck: {error}"])
                found, after = place.facts("recovered"), read_log(place.log)[before:]
            wrong = faults(undisturbed, json.loads(found.read_text()), after)
            return self._made(story, at, wrong, happened=died)

    def _made(self, story: Story, at: Pass, wrong: list[str], *, happened: bool = True) -> Kill:
        return Kill(story=story.name, store=self._stage.store, at=at, happened=happened, faults=wrong)

    def _tell(self, story: Story, place: Place, name: str, kill_at: Pass | None) -> bool:
        """Tell it in a process of its own; False: that was killed."""
        return in_child(lambda: tell(story, place, name=name, kill_at=kill_at), may_die=kill_at is not None)

"""Conversations in the application's database, written in the same transactions as everything else.

LangGraph's own savers do the reading and writing (its tools can show the threads); here they work on the connection of
the running `@transaction`, so that a conversation, orders and recorded outcomes change together or not at all.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from holdfast.agents.thread_state import ThreadState
from holdfast.api.verbs import connection
from holdfast.errors import ConfigurationError, MissingExtra


class ThreadStore:
    """The conversations of one database, each under a `thread_id`.

    `load`, `save`, `messages`, `append` and `delete` work inside a function decorated with `@transaction` (or
    `@transaction(database=…)`) and raise `OutsideTransaction` elsewhere. `messages_key` is the name of the
    conversation in the graph's state.
    """

    def __init__(self, url: str, *, messages_key: str = "messages") -> None:
        """Take `sqlite:///file.db` or `postgresql://…`; nothing is opened. Raises `ConfigurationError`."""
        self._url = url
        self.messages_key = messages_key
        scheme = url.partition("://")[0]
        if scheme not in {"sqlite", "postgresql", "postgres"}:
            raise ConfigurationError(f"threads are kept in sqlite:///… or postgresql://…, not in {url!r}")
        self._is_sqlite = scheme == "sqlite"

    def setup(self) -> None:
        """Create the tables where they are missing, on a connection of its own; call it once, at launch."""
        if self._is_sqlite:
            self._setup_sqlite()
        else:
            self._setup_postgres()

    async def asetup(self) -> None:
        """Create the tables in a coroutine; see `setup`."""
        await asyncio.to_thread(self.setup)

    # Inside a transaction

    def load(self, thread_id: str) -> ThreadState | None:
        """Return the thread's latest state, or None if nothing has been said in it."""
        return _load(self._saver(), thread_id)

    def messages(self, thread_id: str) -> list[BaseMessage]:
        """Return the thread's conversation."""
        state = self.load(thread_id)
        return [] if state is None else state.messages(self.messages_key)

    def save(self, thread_id: str, base: ThreadState | None, final: ThreadState) -> None:
        """Make `final`, which came out of `base`, the thread's latest state.

        If something else was said in the thread meanwhile, that stays, and what is new in `final` comes after it.
        """
        saver = self._saver()
        self._lock(thread_id)
        latest = _load(saver, thread_id)
        if latest is not None and (base is None or latest.id != base.id):
            known = {message.id for message in (base.messages(self.messages_key) if base is not None else ())}
            new = [message for message in final.messages(self.messages_key) if message.id not in known]
            final = latest.with_messages(self.messages_key, new, saver)
        _put(saver, thread_id, final.later_than(latest), latest)

    def append(self, thread_id: str, messages: Sequence[BaseMessage]) -> None:
        """Add messages to the thread, from outside of its graph: a decision that has come, a notice."""
        saver = self._saver()
        self._lock(thread_id)
        latest = _load(saver, thread_id)
        state = (latest or ThreadState.empty()).with_messages(self.messages_key, messages, saver)
        _put(saver, thread_id, state.later_than(latest), latest)

    def delete(self, thread_id: str) -> None:
        """Forget the thread."""
        saver = self._saver()
        self._lock(thread_id)
        saver.delete_thread(thread_id)

    def _saver(self) -> BaseCheckpointSaver[Any]:
        if self._is_sqlite:
            saver = _savers("sqlite").SqliteSaver(connection())
            saver.is_setup = True  # its setup commits, which would end the transaction
            return saver  # type: ignore[no-any-return] # an optional dependency has no type here
        # psycopg's classes are looked at by type, so it must be the connection itself. The saver never commits.
        return _savers("postgres").PostgresSaver(connection()._connection)  # type: ignore[no-any-return] # as above # noqa: SLF001 - the driver's connection inside

    def _lock(self, thread_id: str) -> None:
        """Let one transaction at a time read and write the thread; SQLite has one writer anyway."""
        if not self._is_sqlite:
            connection().execute(
                "SELECT pg_advisory_xact_lock(hashtext('holdfast:thread'), hashtext(%s))", (thread_id,)
            )

    # Setting up

    def _setup_sqlite(self) -> None:
        path = self._url.partition("://")[2].removeprefix("/")
        if not path:
            raise ConfigurationError("threads can't be kept in an SQLite database in memory: give it a file")
        with closing(sqlite3.connect(path, timeout=30)) as own:
            _savers("sqlite").SqliteSaver(own).setup()

    def _setup_postgres(self) -> None:
        # It creates indexes concurrently, which PostgreSQL does outside of transactions only.
        with _savers("postgres").PostgresSaver.from_conn_string(self._url) as saver:
            saver.setup()


def _load(saver: BaseCheckpointSaver[Any], thread_id: str) -> ThreadState | None:
    saved = saver.get_tuple(at(thread_id))
    return None if saved is None else ThreadState.of(saved)


def _put(saver: BaseCheckpointSaver[Any], thread_id: str, state: ThreadState, parent: ThreadState | None) -> None:
    config = at(thread_id)
    if parent is not None:
        config["configurable"]["checkpoint_id"] = parent.id
    saver.put(config, state.checkpoint, state.metadata, state.checkpoint["channel_versions"])


def at(thread_id: str) -> RunnableConfig:
    """Return LangGraph's configuration for a thread."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


def _savers(dialect: str) -> Any:
    try:
        if dialect == "sqlite":
            import langgraph.checkpoint.sqlite as sqlite_saver

            return sqlite_saver
        import langgraph.checkpoint.postgres as postgres_saver

        return postgres_saver
    except ModuleNotFoundError as error:
        raise MissingExtra(f"ThreadStore on {dialect}", "app") from error

"""Both stores call the same thing by the same name."""

from __future__ import annotations

import re

from holdfast.store.migrate import load_migrations
from holdfast.store.queries import load_queries

ONLY_SQLITE = {
    "commits": "PostgreSQL hears of others by NOTIFY",
    "count_commit": "PostgreSQL hears of others by NOTIFY",
    "consume_message": "PostgreSQL consumes many at once: consume_messages",
    "dead_workers": "PostgreSQL locks the rows it looks at: lock_workers",
    "begin_timeouts": "part of claim_workflows and admit_workflows on PostgreSQL",
    "delete_report": "part of cancel_workflow and resume_workflow on PostgreSQL",
    "put_attribute": "PostgreSQL sets all of one call in one statement: put_attributes",
    "drop_attribute": "PostgreSQL sets all of one call in one statement: put_attributes",
    "suspect_of_worker": "part of claim_workflows on PostgreSQL, where UPDATE can stand in WITH",
    "due_suspect": "part of claim_workflows on PostgreSQL, where UPDATE can stand in WITH",
    "due_workflows": "part of claim_workflows on PostgreSQL, where UPDATE can stand in WITH",
    "event_waits": "part of suspend_workflow on PostgreSQL, to save round trips",
    "message_waits": "part of suspend_workflow on PostgreSQL, to save round trips",
    "outcome_waits": "part of suspend_workflow on PostgreSQL, to save round trips",
    "insert_wait": "part of suspend_workflow on PostgreSQL, to save round trips",
    "outcome_waiters": "part of wake_workflows on PostgreSQL, to save round trips",
    "insert_event_write": "part of put_event on PostgreSQL, to save round trips",
    "stream_offset": "part of insert_stream_item on PostgreSQL, to save round trips",
    "held_checkpoint": "PostgreSQL asks for both in one round trip: fence and checkpoint",
    "has_schema_table": "PostgreSQL asks for its schema: schema_exists",
}
ONLY_POSTGRES = {
    "begin": "sent with the statements that follow, in one round trip",
    "begin_default": "user transactions on SQLite have one level of isolation",
    "begin_repeatable_read": "user transactions on SQLite have one level of isolation",
    "begin_serializable": "user transactions on SQLite have one level of isolation",
    "commit": "sent with the statements that come before, in one round trip",
    "create_schema": "SQLite has no schemas",
    "schema_exists": "SQLite has no schemas",
    "durability": "a server may be set up not to sync",
    "drop_lock": "advisory locks; SQLite locks files",
    "hold_lock": "advisory locks; SQLite locks files",
    "try_lock": "advisory locks; SQLite locks files",
    "heartbeat_age": "what goes with a lock that the server may have given up",
    "lock_migrations": "SQLite has one writer at a time",
    "lock_approval": "SQLite has one writer at a time",
    "lock_schedule": "SQLite has one writer at a time",
    "release_held_workflow": "SQLite uses wake_workflows and delete_waits",
    "lock_running_of_worker": "SQLite has one writer at a time",
    "lock_workers": "SQLite has one writer at a time",
    "lock_doomed_worker": "SQLite has one writer at a time",
    "fence": "SQLite has one writer at a time",
    "insert_fenced_checkpoint": "the fence is checked in the statement: nothing is locked while user code runs",
    "transaction_began": "tells whether user code ended the transaction; sqlite3 knows that without asking",
    "consume_messages": "SQLite consumes one after the other: consume_message",
    "put_attributes": "SQLite has no UPDATE in WITH: put_attribute, drop_attribute",
    "release_strays": "a dead worker's creations; SQLite uses release_workflow",
    "notify": "SQLite watches its log file",
    "now": "SQLite's clock is this machine's",
    "admit_workflows": "claim_workflows does it on SQLite, where nobody else holds a row",
    "lock_queue_key": "SQLite has one writer at a time",
    "connection_counts": "a server has a limit of connections",
    "server_role": "a server may be a standby or read-only",
    "schema_privileges": "SQLite's rights are those of its file",
    "database_privileges": "SQLite's rights are those of its file",
}


def test_names_are_the_same_but_for_those_with_a_reason() -> None:
    sqlite = set(load_queries("holdfast.store.sqlite"))
    postgres = set(load_queries("holdfast.store.postgres"))
    assert sqlite - postgres == set(ONLY_SQLITE)
    assert postgres - sqlite == set(ONLY_POSTGRES)


def test_tables_are_the_same_but_for_the_prefix() -> None:
    sqlite, postgres = (load_migrations(f"holdfast.store.{dialect}") for dialect in ("sqlite", "postgres"))
    assert [migration.name for migration in sqlite] == [migration.name for migration in postgres]
    prefixed = re.findall(r"^CREATE TABLE holdfast_(\w+)", "".join(each.sql for each in sqlite), re.MULTILINE)
    bare = re.findall(r"^CREATE TABLE \{schema\}\.(\w+)", "".join(each.sql for each in postgres), re.MULTILINE)
    # SQLite tells other processes' commits from its own by counting all.
    assert set(prefixed) - {"commits"} == set(bare)

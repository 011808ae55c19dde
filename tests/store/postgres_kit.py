"""What the tests of the PostgreSQL store have beside it: a session of their own, and a look at who waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.helpers import eventually


@contextmanager
def superuser(url: str) -> Iterator[psycopg.Connection]:
    """Connect beside the store."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def terminate(url: str, purpose: str = "%") -> int:
    """End the store's sessions on the server's side; return how many."""
    with superuser(url) as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND datname = current_database()",
            [f"holdfast {purpose}"],
        ).fetchall()
    return len(ended)


def wait_until_blocked(url: str, purpose: str) -> None:
    """Wait until a session of the store waits for a lock that another session holds."""
    with superuser(url) as admin:

        def blocked() -> bool:
            found = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                " AND datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0",
                [f"holdfast {purpose}"],
            ).fetchone()
            return found is not None and found[0] > 0

        eventually(blocked, message=f"the {purpose} session waits for a lock")

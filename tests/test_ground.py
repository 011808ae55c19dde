"""The tests' own tools keep their word."""

from __future__ import annotations

import psycopg
import pytest

from tests.helpers import ScriptProcess, aeventually, eventually, kill_at_line, run_script
from tests.postgres_server import PostgresServer


def test_eventually_returns_the_first_true_value() -> None:
    values = iter([0, "", 7])
    assert eventually(lambda: next(values)) == 7


def test_eventually_says_what_was_missing() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: the light is green; last: AssertionError"):
        eventually(lambda: _fail("red"), timeout=0.02, message="the light is green")


def _fail(colour: str) -> bool:
    assert colour == "green", colour
    return True


async def test_aeventually_awaits_coroutine_conditions() -> None:
    values = iter([None, 3])

    async def condition() -> int | None:
        return next(values)

    assert await aeventually(condition) == 3


def test_a_script_is_killed_at_the_line_it_prints() -> None:
    output = kill_at_line("import time\nprint('ready', 1)\ntime.sleep(60)\nprint('survived')", "ready")
    assert output == "ready 1"


def test_a_script_that_ends_without_the_line_is_an_error() -> None:
    with (
        ScriptProcess("print('something else')") as process,
        pytest.raises(AssertionError, match="something else"),
    ):
        process.wait_for_line("ready")


def test_a_failing_script_is_an_error_with_its_output() -> None:
    with pytest.raises(AssertionError, match="exit code 3; it printed:\nbye"):
        run_script("import sys; print('bye'); sys.exit(3)")


def test_each_test_has_a_postgres_database_of_its_own(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (0,)


def test_a_server_of_its_own_keeps_data_and_port_over_a_crash(own_postgres_server: PostgresServer) -> None:
    with psycopg.connect(own_postgres_server.url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    own_postgres_server.restart()
    with psycopg.connect(own_postgres_server.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_stopped_server_is_started_again_by_who_needs_it_running(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.stop()
    own_postgres_server.ensure_running()
    with psycopg.connect(own_postgres_server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite import writer
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.sqlite.wal import LockFile, WalGauge, has_reset_bug, journal_safety
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import new


@pytest.mark.parametrize(
    ("version", "broken"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_with_the_reset_bug_are_known(version: tuple[int, ...], *, broken: bool) -> None:
    assert has_reset_bug(version) is broken
    assert ("lock file" in journal_safety(in_memory=False, version=version)) is broken


def test_a_database_in_memory_promises_nothing() -> None:
    assert "nothing survives" in journal_safety(in_memory=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE item (text TEXT)")
        yield connection


def frames(database: sqlite3.Connection, mode: str = "NOOP") -> int:
    [(_, found, _)] = database.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
    return int(found)


def test_the_gauge_tells_when_the_log_has_grown(database: sqlite3.Connection, tmp_path: Path) -> None:
    gauge = WalGauge(tmp_path / "a.db-wal", 20)
    long_after = 0
    while not gauge.is_long():
        database.execute("INSERT INTO item VALUES ('x')")
        long_after += 1
    assert 10 < long_after < 25
    gauge.copied(frames(database, "PASSIVE"))
    assert not gauge.is_long()
    # The log begins anew, in the same file.
    for _ in range(10):
        database.execute("INSERT INTO item VALUES ('x')")
    assert not gauge.is_long()
    for _ in range(20):
        database.execute("INSERT INTO item VALUES ('x')")
    assert gauge.is_long()
    gauge.close()


def test_without_a_log_nothing_is_long(tmp_path: Path) -> None:
    gauge = WalGauge(tmp_path / "missing-wal", 10)
    gauge.make_room()
    assert not gauge.is_long()
    (tmp_path / "missing-wal").touch()
    assert not gauge.is_long()
    gauge.close()


def test_room_is_made_when_the_log_reaches_its_end_and_not_by_turns(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    log = tmp_path / "a.db-wal"
    one, other = WalGauge(log, 10_000), WalGauge(log, 10_000)
    sizes = []
    for number in range(400):
        database.execute("BEGIN IMMEDIATE")
        (one if number % 2 else other).make_room()
        database.execute("INSERT INTO item VALUES (?)", (f"{number:>3000}",))
        database.execute("COMMIT")
        sizes.append(log.stat().st_size)
    # What one of them has added is no reason for the other to add more.
    used = frames(database) * 4120
    assert used < sizes[-1] <= used + (1 << 19) + 4120
    assert len(set(sizes)) < 20
    one.close()
    other.close()


def test_a_log_in_which_nothing_is_written_gets_room_once(tmp_path: Path) -> None:
    log = tmp_path / "a.db-wal"
    log.touch()
    for _ in range(3):
        gauge = WalGauge(log, 10_000)
        gauge.make_room()
        gauge.make_room()
        assert log.stat().st_size == 1 << 19
        gauge.close()


def test_what_is_in_the_log_is_found_behind_which_there_is_room(database: sqlite3.Connection, tmp_path: Path) -> None:
    gauge = WalGauge(tmp_path / "a.db-wal", 10_000)
    for number in range(20):
        database.execute("BEGIN IMMEDIATE")
        gauge.make_room()
        database.execute("INSERT INTO item VALUES (?)", (str(number),))
        database.execute("COMMIT")
    # What a machine finds that has lost its power: the two files, without what was in memory.
    for name in ("a.db", "a.db-wal"):
        (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    with closing(sqlite3.connect(tmp_path / "copy-a.db")) as copy:
        assert copy.execute("SELECT count(*) FROM item").fetchone() == (20,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    gauge.close()


def test_a_log_that_begins_anew_gets_no_more_room(database: sqlite3.Connection, tmp_path: Path) -> None:
    gauge = WalGauge(tmp_path / "a.db-wal", 10_000)
    sizes = set()
    for number in range(60):
        database.execute("BEGIN IMMEDIATE")
        gauge.make_room()
        database.execute("INSERT INTO item VALUES (?)", (f"{number:>3000}",))
        database.execute("COMMIT")
        if number % 10 == 9:
            frames(database, "PASSIVE")
            sizes.add((tmp_path / "a.db-wal").stat().st_size)
    assert len(sizes) == 1
    gauge.close()


def test_a_lock_file_is_shared_or_taken_alone(tmp_path: Path) -> None:
    one, two = LockFile(tmp_path / "lock"), LockFile(tmp_path / "lock")
    one.share(0)
    two.share(0)
    assert not one.take()
    two.release()
    assert one.take()
    with pytest.raises(StoreUnavailable, match="checkpointing"):
        two.share(0)
    one.release()
    two.share(0)
    one.close()
    two.close()
    two.close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setattr(writer, "CHECKPOINT_PAGES", 50)
    store = SqliteStore(tmp_path / "a.db", patience=0.2)
    store.open()
    yield store
    store.close()


def commit(store: SqliteStore, *names: str) -> None:
    store.commit([Unit(writes=(Create(workflow=new(name)),)) for name in names])


def test_the_log_stays_short_whatever_is_committed(store: SqliteStore, tmp_path: Path) -> None:
    for number in range(300):
        commit(store, f"{number}")
    assert (tmp_path / "a.db-wal").stat().st_size < (1 << 19) + 100 * 4120
    assert (tmp_path / "a.db").stat().st_size > 50_000


def test_nobody_checkpoints_while_another_process_writes(store: SqliteStore, tmp_path: Path) -> None:
    if not has_reset_bug(sqlite3.sqlite_version_info):
        pytest.skip("this SQLite needs no lock file")
    other = LockFile(tmp_path / "a.db-checkpoint.lock")
    other.share(0)
    for number in range(100):
        commit(store, f"{number}")
    grown = (tmp_path / "a.db-wal").stat().st_size
    assert grown > 200 * 4120
    other.release()
    for number in range(100):
        commit(store, f"after-{number}")
    assert (tmp_path / "a.db-wal").stat().st_size < grown + 100 * 4120
    other.close()


def test_nobody_writes_while_another_process_checkpoints(store: SqliteStore, tmp_path: Path) -> None:
    if not has_reset_bug(sqlite3.sqlite_version_info):
        pytest.skip("this SQLite needs no lock file")
    other = LockFile(tmp_path / "a.db-checkpoint.lock")
    assert other.take()
    with pytest.raises(StoreUnavailable, match="checkpointing"):
        commit(store, "one")
    other.close()
    commit(store, "one")


def test_no_connection_checkpoints_on_its_own(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(None, None)
        assert transaction.connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert transaction.connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert transaction.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_closing_leaves_one_whole_file(store: SqliteStore, tmp_path: Path) -> None:
    commit(store, "one")
    store.close()
    assert not (tmp_path / "a.db-wal").exists()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert connection.execute("SELECT id FROM holdfast_workflows").fetchall() == [("one",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

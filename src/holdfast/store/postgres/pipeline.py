"""The store's own statements, sent through libpq as a pipeline: prepared once, many to a round trip.

The driver's cursors do this too, with four times the processor time: of a small commit that is half. So what the driver
is made of is used here as it is, `psycopg.pq` and its loaders. Errors are the driver's own.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from holdfast.core.data import dataclass
from holdfast.store.postgres import silence

_PARAMETER = re.compile(rb"%(?:\((\w+)\)s|(%))")
_READ_EVENTS = select.POLLIN | select.POLLPRI
_GOOD = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as PostgreSQL takes it, with numbered parameters."""

    name: bytes
    text: bytes
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, name: str, query: bytes) -> Statement:
        """Take a query with `%(name)s` for its parameters."""
        places: dict[str, int] = {}

        def numbered(found: re.Match[bytes]) -> bytes:
            if found[2]:
                return b"%"
            return b"$%d" % places.setdefault(found[1].decode(), len(places) + 1)

        text = _PARAMETER.sub(numbered, query)
        return cls(f"holdfast_{name}".encode(), text, tuple(places))


class Statements:
    """The named queries of a store, made into statements as they are needed."""

    def __init__(self, queries: Mapping[str, bytes]) -> None:
        self._queries = queries
        self._made: dict[str, Statement] = {}

    def __getitem__(self, name: str) -> Statement:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = Statement.of(name, self._queries[name])
        return found


class Rows:
    """What a statement gives, once: fetched when it is first asked for."""

    __slots__ = ("_pipeline", "_rows")

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def arrived(self, found: Sequence[tuple[Any, ...]]) -> None:
        """Take the rows in; for the pipeline."""
        self._rows = iter(found)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            self._pipeline.send()
        if self._rows is None:
            raise RuntimeError("a statement was sent and gave neither rows nor an error")
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""
        return next(iter(self), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        return list(self)


class Prepared:
    """What is prepared in one session."""

    __slots__ = ("_generation", "_names")

    def __init__(self) -> None:
        self._names: dict[bytes, bytes] = {}
        self._generation = 0

    def find(self, statement: Statement) -> bytes | None:
        """Return the name under which the server knows a statement."""
        return self._names.get(statement.name)

    def name(self, statement: Statement) -> bytes:
        """Make a name for a statement that is being prepared."""
        made = self._names[statement.name] = b"%s_%d" % (statement.name, self._generation)
        return made

    def forget(self) -> None:
        """Rely on nothing any more: after an error the driver may have dropped all of it."""
        self._names.clear()
        self._generation += 1


_prepared: WeakKeyDictionary[psycopg.Connection, Prepared] = WeakKeyDictionary()


class Pipeline:
    """A connection's way to send statements, for one use of it by one thread."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._pgconn = connection.pgconn
        self._prepares = connection.prepare_threshold is not None
        self._prepared = _prepared.setdefault(connection, Prepared())
        self._transformer = Transformer(connection)
        self._queue: list[tuple[Statement, list[bytes | None], Rows]] = []
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, _READ_EVENTS)

    @contextmanager
    def open(self) -> Iterator[Pipeline]:
        """Take statements while the block runs; what is left of them is sent at its end. Raises `psycopg.Error`."""
        self._pgconn.enter_pipeline_mode()
        try:
            yield self
            self.send()
        except BaseException:
            self._prepared.forget()
            raise
        finally:
            self._queue.clear()
            with suppress(psycopg.Error):  # replies that nobody took in: the connection is not used any more
                self._pgconn.exit_pipeline_mode()

    def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Rows:
        """Queue a statement. Raises `psycopg.DataError` for text that PostgreSQL can't hold."""
        rows = Rows(self)
        self._queue.append((statement, [_value(parameters[name]) for name in statement.parameters], rows))
        return rows

    def send(self) -> None:
        """Send what is queued, and take in what comes back. Raises the first error of the server's."""
        queue, self._queue = self._queue, []
        if not queue:
            return
        pgconn = self._pgconn
        expected: list[Rows | None] = []
        for statement, values, rows in queue:
            if self._prepares:
                name = self._prepared.find(statement)
                if name is None:
                    name = self._prepared.name(statement)
                    pgconn.send_prepare(name, statement.text)
                    expected.append(None)
                pgconn.send_query_prepared(name, values)
            else:
                pgconn.send_query_params(statement.text, values)
            expected.append(rows)
        pgconn.pipeline_sync()
        self._flush()
        self._receive(expected)

    def _receive(self, expected: Sequence[Rows | None]) -> None:
        failed: PGresult | None = None
        for rows in expected:
            result = self._result()
            if result.status not in _GOOD:
                failed = failed or result
            elif rows is not None:
                rows.arrived(self._rows(result))
            self._end_of_result()
        if self._result().status != ExecStatus.PIPELINE_SYNC:
            raise psycopg.OperationalError("the server's replies are out of step with what was sent")
        if failed is not None:
            raise error_from_result(failed)

    def _rows(self, result: PGresult) -> Sequence[tuple[Any, ...]]:
        if result.status != ExecStatus.TUPLES_OK or not result.ntuples:
            return ()
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _flush(self) -> None:
        self._poll.modify(self._pgconn.socket, _READ_EVENTS | select.POLLOUT)
        try:
            while self._pgconn.flush():
                # Both ways: a server that can't get rid of its replies takes nothing more.
                if any(event & ~select.POLLOUT for _, event in self._wait()):
                    self._pgconn.consume_input()
        finally:
            self._poll.modify(self._pgconn.socket, _READ_EVENTS)

    def _result(self) -> PGresult:
        result = self._next()
        if result is None:
            reason = self._pgconn.error_message.decode(errors="replace")
            raise psycopg.OperationalError(f"the connection is lost: {reason}")
        return result

    def _end_of_result(self) -> None:
        while self._next() is not None:
            continue

    def _next(self) -> PGresult | None:
        while self._pgconn.is_busy():
            self._wait()
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self) -> list[tuple[int, int]]:
        return self._poll.poll(silence.SILENCE * 1000) or silence.give_up(self._pgconn)


def _value(value: Any) -> bytes | None:
    """Write a parameter as text. Its type is what the statement makes of it."""
    if value is None:
        return None
    if type(value) is str:
        data = value.encode()
        if b"\0" in data:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return data
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int | float):
        return repr(value).encode()
    if isinstance(value, str):
        return _value(str(value))
    raise TypeError(f"no way to write a {type(value).__name__} as a parameter")


def forget_prepared(connection: psycopg.Connection) -> None:
    """Rely on no statement being prepared in this session any more."""
    known = _prepared.get(connection)
    if known is not None:
        known.forget()

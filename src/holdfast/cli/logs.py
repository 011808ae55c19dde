"""The log of a worker: lines for people, JSON for programs, always on standard error and without secrets."""

from __future__ import annotations

import json
import logging
import sys
import traceback

from holdfast.cli.exits import redacted
from holdfast.cli.output import iso
from holdfast.cli.text import one_line, spelled_out

_FIELDS = ("action", "workflow_id", "step")


class PlainFormatter(logging.Formatter):
    """One line for each message; what came from the database can't make two of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        moment = self.formatTime(record, "%H:%M:%S")
        text = f"{moment} {record.levelname.lower():7} {one_line(redacted(record.getMessage()), length=4000)}"
        return f"{text}\n{spelled_out(_trace(record))}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """One document for each message, in pure ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        document = {
            "at": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        document |= {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None}
        if record.exc_info:
            document["traceback"] = _trace(record)
        return json.dumps(document, default=str)


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "" if error is None else redacted("".join(traceback.format_exception(error)))


def configure_logging(level: str, *, as_json: bool) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

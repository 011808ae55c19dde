"""A link's token and its code are in the mail, and nowhere else."""

from __future__ import annotations

import logging
import re
import sqlite3
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from holdfast import Status, start, workflow
from holdfast.approvals import Approvals, SmtpDelivery, request_approval
from holdfast.approvals.links import hash_of
from tests.approvals.kit import MANAGER, hidden_fields
from tests.approvals.mail_server import Mailbox, parts, serving
from tests.helpers import eventually


@workflow
def asks_in_secret() -> str:
    return request_approval("Refund order 42", {"Amount": "1,299.00"}, to=MANAGER).status


def dump(url: str) -> str:
    """Return all that a reader of the database can see."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        files = [each for each in path.parent.iterdir() if each.is_file()]
        with sqlite3.connect(path) as connection:
            rows = "\n".join(connection.iterdump())
        connection.close()
        return rows + "".join(each.read_bytes().decode("latin-1") for each in files)
    with psycopg.connect(url) as server:
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'holdfast'").fetchall()
        texts = [
            str(server.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("holdfast", name))).fetchall())
            for (name,) in tables
        ]
    return "\n".join(texts)


def of_this_program(record: logging.LogRecord) -> bool:
    """Tell a line of the application or its web server from those of the person's browser and mail server."""
    return record.name.split(".")[0] not in {"mail", "httpx", "httpcore"}


def test_promise_approval_nothing_that_reads_the_database_or_the_logs_can_approve(
    approvals: Approvals, store_url: str, origin: str, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with serving(mailbox) as mail_port:
        approvals.delivery = SmtpDelivery(f"smtp://127.0.0.1:{mail_port}", sender="refunds@example.com")
        handle = start(asks_in_secret)
        eventually(lambda: mailbox.taken)
        eventually(lambda: handle.status() is Status.SUSPENDED)
    text, _ = parts(mailbox.taken[0][1])
    link = re.findall(r"http://\S+for=approve", text)[0]
    token = link.rpartition("/")[2].partition("?")[0]
    code = "".join(re.findall(r"Your code: +(\d+) (\d+)", text)[0])
    with httpx.Client(headers={"Origin": origin}) as browser:
        page = browser.get(link).text
        form = {**hidden_fields(page), "choice": "approve", "code": code}
        assert browser.post(link, data={**form, "code": "1"}).status_code == 422
        assert browser.post(link, data=form).status_code == 303
    assert handle.result(timeout=10) == "approved"
    stored = dump(store_url)
    assert hash_of(token) in stored
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records if of_this_program(record))
    assert "POST /approvals/" in logged
    for seen in (stored, logged):
        assert token not in seen
        assert token.partition(".")[0] not in seen
        assert not re.search(rf"(?<![0-9A-Za-z.]){code}(?![0-9A-Za-z])", seen)
    assert code not in page

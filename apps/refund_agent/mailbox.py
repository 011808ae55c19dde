"""A real SMTP server for the demo, whose mails can be read in the browser."""

from __future__ import annotations

import sqlite3
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape


class Inbox:
    """The mails that have come, as they came."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, recipient TEXT, raw BLOB)")

    def add(self, recipients: list[str], raw: bytes) -> None:
        """Keep a mail."""
        with self._lock:
            self._database.execute("INSERT INTO mails (recipient, raw) VALUES (?, ?)", (", ".join(recipients), raw))

    def list(self) -> list[tuple[int, str, EmailMessage]]:
        """List all mails, newest first."""
        with self._lock:
            rows = self._database.execute("SELECT id, recipient, raw FROM mails ORDER BY id DESC").fetchall()
        return [(number, to, _parsed(raw)) for number, to, raw in rows]

    def get(self, number: int) -> EmailMessage | None:
        """Return one mail."""
        with self._lock:
            row = self._database.execute("SELECT raw FROM mails WHERE id = ?", (number,)).fetchone()
        return None if row is None else _parsed(row[0])

    def clear(self) -> None:
        """Forget all mails: the demo's reset."""
        with self._lock:
            self._database.execute("DELETE FROM mails")


def _parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("the policy makes EmailMessages")
    return message


class _Handler:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self._inbox.add(list(envelope.rcpt_tos), envelope.content)
        return "250 Message accepted for delivery"


def smtp_server(inbox: Inbox, port: int) -> Controller:
    """Return an SMTP server on loopback, not started yet."""
    return Controller(_Handler(inbox), hostname="127.0.0.1", port=port)


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1rem/1.5 system-ui;margin:2rem auto;max-width:46rem;padding:0 1rem;color-scheme:light dark}}
li{{padding:.5rem 0;border-bottom:1px solid #8884;list-style:none}}ul{{padding:0}}pre{{white-space:pre-wrap}}
iframe{{width:100%;height:34rem;border:1px solid #8884;border-radius:8px;background:#fff}}</style>
{body}</html>"""


def add_routes(app: FastAPI, inbox: Inbox) -> None:
    """Add the mailbox's pages to an application."""

    @app.get("/mailbox", response_class=HTMLResponse)
    def mails() -> str:
        entries = "".join(
            f'<li><a href="/mailbox/{number}">{escape(mail["subject"])}</a><br><small>to {escape(to)}</small>'
            for number, to, mail in inbox.list()
        )
        return _PAGE.format(body=f"<h1>Mailbox</h1><ul>{entries or '<li>No mail yet.'}</ul>")

    @app.get("/mailbox/{number}", response_class=HTMLResponse)
    def mail(number: int) -> str:
        found = inbox.get(number)
        if found is None:
            raise HTTPException(404)
        html, text = found.get_body(("html",)), found.get_body(("plain",))
        frame = (
            Markup(
                '<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="The mail" srcdoc="{}"></iframe>'
            ).format('<base target="_blank">' + html.get_content())
            if html
            else ""
        )
        plain = escape(text.get_content()) if text else ""
        head = f'<p><a href="/mailbox">All mail</a></p><h1>{escape(found["subject"])}</h1>'
        return _PAGE.format(body=f"{head}{frame}<h2>As text</h2><pre>{plain}</pre>")

"""The demo's mail: a real SMTP conversation, and what the browser shows of it."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from pathlib import Path

import httpx
from fastapi import FastAPI

from apps.refund_agent.mailbox import Inbox, add_routes, smtp_server
from tests.browser.conftest import free_ports


async def test_a_mail_sent_over_smtp_can_be_read_in_the_browser(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "mail.db")
    (port,) = free_ports(1)
    server = smtp_server(inbox, port)
    server.start()
    try:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "<b>Decide</b>"
        message.set_content("in plain words <script>alert(1)</script>")
        message.add_alternative("<p>in <b>HTML</b></p>", subtype="html")
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.send_message(message)
    finally:
        server.stop()
    app = FastAPI()
    add_routes(app, inbox)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        listed = (await client.get("/mailbox")).text
        assert "&lt;b&gt;Decide" in listed
        shown = (await client.get("/mailbox/1")).text
        assert "<script>" not in shown
        assert 'sandbox="allow-popups' in shown
        assert (await client.get("/mailbox/2")).status_code == 404

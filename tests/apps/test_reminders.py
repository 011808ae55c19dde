"""Managers are reminded once a day of what waits for them, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.refund_agent import backend, refunds, reminders
from apps.refund_agent.mailbox import Inbox, smtp_server
from holdfast import Holdfast, Tick, options
from holdfast.approvals import Approvals, LogDelivery
from tests.apps.test_web import settings
from tests.browser.conftest import free_ports
from tests.helpers import eventually


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "mail.db")


@pytest.fixture
def shop(store_url: str, tmp_path: Path, inbox: Inbox) -> Iterator[Holdfast]:
    (port,) = free_ports(1)
    used = replace(settings(store_url, tmp_path), smtp_url=f"smtp://127.0.0.1:{port}")
    app = Holdfast(store_url, queues=[reminders.MAIL])
    refunds.configure(used)
    reminders.configure(used, Approvals(app, delivery=LogDelivery(), base_url="http://127.0.0.1:8000/approvals"))
    server = smtp_server(inbox, port)
    server.start()
    with app:
        backend.prepare()
        yield app
    server.stop()


def ask(shop: Holdfast) -> None:
    shop.options(id="c1/review").start(refunds.review, 1003, "Carbon road bike", 285_000, "c1")
    eventually(lambda: shop.store.approvals(status="pending"))


def mails(inbox: Inbox) -> list[str]:
    return [str(mail["Subject"]) for _, _, mail in inbox.list()]


def test_what_waits_since_yesterday_is_mailed_once_a_day(shop: Holdfast, inbox: Inbox) -> None:
    ask(shop)
    tomorrow = Tick(schedule="daily-reminder", at=datetime.now(UTC) + timedelta(days=1))
    for again in ("one", "two"):
        assert options(id=again).call(reminders.remind, tomorrow) == 1
    eventually(lambda: mails(inbox))
    (sent,) = [workflow for workflow in shop.list_workflows() if workflow.name == "send_reminder"]
    assert shop.retrieve(sent.workflow_id).result(timeout=30) == "manager@example.com"
    assert mails(inbox) == ["Reminder: Refund of 2,850.00 for order 1003"]


def test_what_was_asked_for_just_now_needs_no_reminder(shop: Holdfast) -> None:
    ask(shop)
    assert reminders.remind(Tick(schedule="daily-reminder", at=datetime.now(UTC))) == 0


async def test_the_reminder_is_scheduled_for_the_morning(store_url: str) -> None:
    async with Holdfast(store_url, queues=[reminders.MAIL]) as app:
        await reminders.schedule(app)
        await reminders.schedule(app)
        (upcoming,) = await app.schedules.anext_runs("daily-reminder", 1)
        assert (upcoming.hour, upcoming.minute) == (9, 0)

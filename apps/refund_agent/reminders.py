"""A reminder each morning of refunds that nobody has decided about, mailed no faster than the mail server takes it."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import urlsplit

from apps.refund_agent.settings import Settings
from holdfast import Holdfast, Queue, Rate, Tick, options, step, workflow
from holdfast.approvals import Approvals

MAIL = Queue("mail", concurrency=2, rate=Rate(30, 60))
"""Two at a time and thirty a minute, over all workers."""
FRESH_HOURS = 12
"""What was asked for less long ago needs no reminder yet."""

_configured: dict[str, object] = {}


@dataclass(frozen=True)
class Undecided:
    """A question that waits for an answer."""

    approval_id: str
    subject: str
    recipient: str
    asked_on: str


def configure(settings: Settings, approvals: Approvals) -> None:
    """Say where mails go and where the questions are; called once, before the application is launched."""
    _configured["settings"], _configured["approvals"] = settings, approvals


async def schedule(app: Holdfast) -> None:
    """Remind every morning at nine. The same again changes nothing."""
    await app.schedules.acreate("daily-reminder", remind, "0 9 * * *", queue="mail", catchup=6 * 3600)


@workflow
def remind(tick: Tick) -> int:
    """Start a reminder for each question that waits; return how many there are."""
    undecided = find_undecided(tick.at)
    for question in undecided:
        name = f"reminder/{question.approval_id}/{question.recipient}/{tick.at:%Y-%m-%d}"
        options(id=name, queue="mail").start(send_reminder, question)
    return len(undecided)


@workflow
def send_reminder(question: Undecided) -> str:
    """Mail one reminder."""
    return mail_reminder(question)


@step
def find_undecided(now: datetime) -> list[Undecided]:
    """List whom to remind of what."""
    approvals = _configured["approvals"]
    assert isinstance(approvals, Approvals)
    before = now.timestamp() - FRESH_HOURS * 3600
    return [
        Undecided(
            approval_id=approval.approval_id,
            subject=approval.subject,
            recipient=recipient,
            asked_on=f"{datetime.fromtimestamp(approval.requested_at, UTC):%d %B}",
        )
        for approval in approvals.list(status="pending", limit=1000)
        if approval.requested_at < before
        for recipient in approval.recipients
    ]


@step(retries=10, backoff=1.0, max_delay=300)
def mail_reminder(question: Undecided) -> str:
    """Send the mail. It holds no link: links are secrets, and the first mail has them."""
    settings = _configured["settings"]
    assert isinstance(settings, Settings)
    message = EmailMessage()
    message["From"], message["To"] = settings.sender, question.recipient
    message["Subject"] = f"Reminder: {question.subject}"
    message.set_content(
        f"{question.subject} still waits for your decision.\n"
        f"The links and the code are in the mail of {question.asked_on}, “Approval needed: {question.subject}”.\n"
    )
    server = urlsplit(settings.smtp_url)
    with smtplib.SMTP(server.hostname or "", server.port or 25, timeout=30) as client:
        client.send_message(message)
    return question.recipient

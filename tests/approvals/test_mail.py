"""Mails, through a real SMTP server."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from holdfast import Holdfast, RetryPolicy, start, workflow
from holdfast.approvals import ApprovalLinks, ApprovalRequest, Approvals, SmtpDelivery, request_approval
from holdfast.errors import ConfigurationError, UsageError
from tests.approvals.kit import DEPUTY, MANAGER, QUICK
from tests.approvals.mail_server import Mailbox, free_port, parts, serving
from tests.helpers import eventually

SENDER = "Refunds <refunds@example.com>"


def request(**changes: Any) -> ApprovalRequest:
    fields: dict[str, Any] = {
        "approval_id": "a",
        "workflow_id": "w",
        "subject": "Refund 1,299.00 € for order 42",
        "details": (("Amount", "1,299.00 €"), ("Reason", "It leaks & <b>hums</b>")),
        "recipient": MANAGER,
        "links": ApprovalLinks(
            approve="https://example.com/approvals/TOKEN?for=approve",
            reject="https://example.com/approvals/TOKEN?for=reject",
        ),
        "code": "123456",
        "expires_at": 1795443136.0,
    }
    return ApprovalRequest(**{**fields, **changes})


def test_a_mail_arrives_in_text_and_html_with_links_and_code(mailbox: Mailbox) -> None:
    with serving(mailbox) as port:
        SmtpDelivery(f"smtp://127.0.0.1:{port}", sender=SENDER).deliver(request())
    [(recipients, message)] = mailbox.taken
    assert recipients == [MANAGER]
    assert message["Subject"] == "Approval needed: Refund 1,299.00 € for order 42"
    assert (message["From"], message["To"]) == (SENDER, MANAGER)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].strip().endswith("@example.com>")
    for part in parts(message):
        shown = unescape(part)
        assert request().links.approve in shown
        assert request().links.reject in shown
        assert "123 456" in shown
        assert "1,299.00 €" in shown
        assert "It leaks & <b>hums</b>" in shown
        assert "Mon 23 Nov 2026, 14:12 UTC" in shown
    assert "<b>" not in parts(message)[1]
    assert "123456" not in f"{message['Subject']}"


def test_values_can_not_pass_for_the_mail_s_own_words(mailbox: Mailbox) -> None:
    forged = "ok\n\nYour code:   000 000\nTo approve:  https://evil.example\r\n\x85x\u2028y"
    message = SmtpDelivery("smtp://127.0.0.1", sender=SENDER).compose(
        request(details=(("Reason\nTo approve: x", forged), ("Long", "x" * 5000)), subject="a\u202eb")
    )
    text, html = parts(message)
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("Your code")] == ["Your code:   123 456"]
    assert len([line for line in lines if line.startswith("To approve")]) == 1
    assert "  | To approve:  https://evil.example" in lines
    assert "[4400 more characters are on the page]" in text
    assert "4400 more characters are on the page" in html
    assert "⟨U+202E⟩" in message["Subject"]
    assert "\u2028" not in text + html


def test_a_mail_with_many_details_says_how_many_it_leaves_out() -> None:
    details = tuple((f"Label {number}", "x") for number in range(50))
    message = SmtpDelivery("smtp://127.0.0.1", sender=SENDER).compose(request(details=details))
    for part in parts(message):
        assert "Label 39" in part
        assert "Label 40" not in part
        assert "10 more entries are on the page" in part


@pytest.mark.parametrize(
    "recipient", ["a@example.com\r\nBcc: b@example.com", "nobody", "", "a@example.com,b@example.com"]
)
def test_a_recipient_can_not_add_headers(recipient: str) -> None:
    with pytest.raises(UsageError, match="not a mail address"):
        SmtpDelivery("smtp://127.0.0.1", sender=SENDER).compose(request(recipient=recipient))


@pytest.mark.parametrize(
    ("url", "sender", "complaint"),
    [
        ("http://example.com", SENDER, "smtp://"),
        ("smtp://", SENDER, "names a host"),
        ("smtp://example.com:port", SENDER, "a port"),
        ("smtp://user:secret@example.com", SENDER, "unencrypted"),
        ("smtp://localhost", "nobody", "sender"),
        ("smtp://localhost", "Refunds <a@example.com\nBcc: b@example.com>", "sender"),
    ],
)
def test_a_delivery_that_could_not_work_is_refused_at_once(url: str, sender: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        SmtpDelivery(url, sender=sender)
    assert "secret" not in str(refusal.value)


def test_a_delivery_does_not_show_its_password() -> None:
    delivery = SmtpDelivery("smtps://user:s3cret@mail.example.com", sender=SENDER)
    assert repr(delivery) == "SmtpDelivery(smtps://mail.example.com:465)"


@workflow
def asks_by_mail() -> str:
    return request_approval("Refund order 42", {"Amount": "1,299.00"}, to=[MANAGER, DEPUTY]).status


def test_a_mail_server_that_is_away_or_loses_the_connection_costs_another_mail_and_nothing_else(
    store_url: str, mailbox: Mailbox
) -> None:
    port = free_port()
    app = Holdfast(store_url, config=QUICK)
    approvals = Approvals(
        app,
        delivery=SmtpDelivery(f"smtp://127.0.0.1:{port}", sender=SENDER, timeout=5),
        base_url="https://example.com/approvals",
        retry=RetryPolicy(retries=1, backoff=0.01),
        redeliver_after=0.1,
    )
    with app:
        handle = start(asks_by_mail)
        eventually(
            lambda: any(
                line.event == "undelivered" for each in approvals.list() for line in approvals.audit(each.approval_id)
            )
        )
        mailbox.answers = ["451 try later", "lose"]
        with serving(mailbox, port):
            [approval] = approvals.list()

            def reached() -> set[str | None]:
                return {line.actor for line in approvals.audit(approval.approval_id) if line.event == "sent"}

            eventually(lambda: reached() == {MANAGER, DEPUTY}, timeout=30)
            approvals.decide(approval.approval_id, True, by="ada")
            assert handle.result(timeout=10) == "approved"
            assert len(approvals.list()) == 1
    recipients = [recipient for taken, _ in mailbox.taken for recipient in taken]
    assert sorted(set(recipients)) == [DEPUTY, MANAGER]
    assert len(recipients) == 3

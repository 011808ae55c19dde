"""The product's main job in a real browser: refunds are asked for, the system is crashed, a manager decides by mail.

Then the ledger, the orders and the chat must agree that everything happened once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo
from tests.helpers import eventually

pytestmark = pytest.mark.browser

PATIENCE = 30_000
"""Milliseconds for what includes a crash and a restart."""


@dataclass(frozen=True)
class Chat:
    """A customer in front of the chat page."""

    page: Page

    def say(self, text: str) -> None:
        self.page.get_by_label("Your message").fill(text)
        self.page.get_by_role("button", name="Send").click()

    def expect_answers(self, count: int) -> None:
        expect(self.page.locator("li.answer.done")).to_have_count(count, timeout=PATIENCE)

    def crash(self) -> None:
        self.page.get_by_role("button", name="Crash System").click()
        expect(self.page.get_by_role("status")).to_contain_text(
            re.compile("crash|lost", re.IGNORECASE), timeout=PATIENCE
        )


def open_chat(browser: Browser, demo: Demo) -> Chat:
    page = browser.new_page()
    page.goto(demo.url)
    expect(page.get_by_role("tab", selected=True)).to_be_visible(timeout=PATIENCE)
    return Chat(page)


def open_newest_mail(browser: Browser, demo: Demo) -> Page:
    """Wait for the manager's mail and open it in the mailbox."""
    page = browser.new_page()

    def has_mail() -> bool:
        page.goto(f"{demo.url}/mailbox")
        return page.get_by_role("link", name=re.compile("Approval needed")).count() > 0

    eventually(has_mail, timeout=30, message="no mail to the manager")
    page.get_by_role("link", name=re.compile("Approval needed")).first.click()
    return page


def decide(browser: Browser, demo: Demo, verdict: str) -> Page:
    """Decide as the manager does: open the mail, follow a link, choose, type the code, submit."""
    mail = open_newest_mail(browser, demo).locator("pre").inner_text()
    link = re.search(rf"To {verdict}:\s+(\S+)", mail)
    code = re.search(r"Your code:\s+([\d ]+)", mail)
    assert link is not None
    assert code is not None
    page = browser.new_page()
    page.goto(link.group(1))
    page.get_by_role("radio", name=re.compile(f"^{verdict}", re.IGNORECASE)).check()
    page.get_by_role("textbox", name=re.compile("code", re.IGNORECASE)).fill(code.group(1))
    page.locator("form button, form input[type=submit]").last.click()
    return page


def test_the_whole_story_with_crashes_ends_in_exactly_one_refund_each(
    browser: Browser, demo_on_each_store: Demo
) -> None:
    demo = demo_on_each_store
    chat = open_chat(browser, demo)
    chat.say("Hello")
    chat.expect_answers(1)

    # Crashed during the model call, while its answer is being written.
    chat.say("I would like a long answer about everything that you can do")
    expect(chat.page.locator("li.answer.partial")).to_contain_text(re.compile(r"\w"), timeout=PATIENCE)
    chat.crash()
    chat.expect_answers(2)

    # Crashed in the refund.
    chat.say("Please refund order 1002")
    chat.crash()
    chat.expect_answers(3)
    eventually(lambda: demo.refund_of(1002) == "paid", timeout=30)

    # Crashed while the manager's decision is awaited; the chat goes on meanwhile.
    chat.say("And refund order 1003")
    chat.expect_answers(4)
    assert demo.refund_of(1003) == "review"
    open_newest_mail(browser, demo)
    chat.crash()
    chat.say("Refund order 1003, please")
    chat.expect_answers(5)
    expect(chat.page.locator("li.answer.done").last).to_contain_text("review")

    page = decide(browser, demo, "approve")
    expect(page.locator("body")).to_contain_text(re.compile("approved", re.IGNORECASE))
    expect(chat.page.locator("li.notice")).to_contain_text("1003", timeout=PATIENCE)
    eventually(lambda: demo.refund_of(1003) == "paid", timeout=30)

    # A second decision changes nothing and is told so.
    again = decide_again(browser, demo)
    expect(again.locator("body")).to_contain_text(re.compile("approved", re.IGNORECASE))

    paid = sorted((entry["order_id"], entry["amount"]) for entry in demo.ledger())
    assert paid == [("1002", 12_990), ("1003", 285_000)]
    said = chat.page.locator("li.said").all_inner_texts()
    assert len(said) == 5
    assert len(said) == len(set(said))


def decide_again(browser: Browser, demo: Demo) -> Page:
    """Open the rejecting link of a mail whose question is decided already."""
    mail = open_newest_mail(browser, demo).locator("pre").inner_text()
    link = re.search(r"To reject:\s+(\S+)", mail)
    assert link is not None
    page = browser.new_page()
    page.goto(link.group(1))
    return page


def test_a_rejected_refund_is_told_in_the_open_chat_and_pays_nothing(browser: Browser, demo: Demo) -> None:
    chat = open_chat(browser, demo)
    chat.say("Refund 1005")
    chat.expect_answers(1)
    decide(browser, demo, "reject")
    expect(chat.page.locator("li.notice")).to_contain_text("not approved", timeout=PATIENCE)
    assert demo.refund_of(1005) == "rejected"
    assert demo.ledger() == []


def test_a_message_sent_while_the_system_is_down_is_answered_once_after_it_is_back(
    browser: Browser, demo: Demo
) -> None:
    chat = open_chat(browser, demo)
    chat.page.get_by_role("button", name="Crash System").click()
    chat.say("Refund 1007")
    chat.expect_answers(1)
    eventually(lambda: demo.refund_of(1007) == "paid", timeout=30)
    assert [entry["order_id"] for entry in demo.ledger()] == ["1007"]


def test_conversations_are_separate_and_a_reset_begins_anew(browser: Browser, demo: Demo) -> None:
    chat = open_chat(browser, demo)
    chat.say("Refund 1007")
    chat.expect_answers(1)
    chat.page.get_by_role("button", name="+ New conversation").click()
    expect(chat.page.get_by_role("tab", name="Conversation 2", selected=True)).to_be_visible(timeout=PATIENCE)
    expect(chat.page.locator("li.said")).to_have_count(0)
    chat.say("hello")
    chat.expect_answers(1)
    chat.page.get_by_role("tab", name="Conversation 1").click()
    expect(chat.page.locator("li.said")).to_have_text("Refund 1007", timeout=PATIENCE)
    chat.page.get_by_role("button", name="Reset").click()
    expect(chat.page.get_by_role("tab", name="Conversation 2")).to_have_count(0, timeout=PATIENCE)
    expect(chat.page.locator("li.said")).to_have_count(0)
    assert demo.refund_of(1007) == "none"
    assert demo.ledger() == []
    chat.say("Refund 1007")
    chat.expect_answers(1)
    eventually(lambda: demo.refund_of(1007) == "paid", timeout=30)

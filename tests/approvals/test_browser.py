"""The page in a real browser: a mail scanner that presses everything decides nothing, a person does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from holdfast import start, workflow
from holdfast.approvals import ApprovalRequest, Approvals, Decision, request_approval
from tests.approvals.kit import MANAGER, Inbox
from tests.helpers import eventually

pytestmark = pytest.mark.browser

LETTER = "The machine leaks\u202e and hums. " + "I have written before. " * 60


@workflow
def asks_a_browser() -> Decision:
    details = {"Customer": "Ada Lovelace", "Amount": "1,299.00 €", "Letter": LETTER, "Word": "x" * 200}
    return request_approval("Refund 1,299.00 € for order 42", details, to=[MANAGER])


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """A browser does not see the kind of store."""
    return sqlite_url


@pytest.fixture
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def asked(origin: str, inbox: Inbox) -> ApprovalRequest:
    start(asks_a_browser)
    return inbox.wait()


def press_everything(page: Page, link: str) -> None:
    """Do what thorough mail scanners do: run the page, tick every box, fill every field, press every button."""
    for number in range((page.goto(link) and page.locator("button, input[type=submit]").count()) or 0):
        for choice in range(page.locator("input[type=radio]").count()):
            page.goto(link)
            page.locator("input[type=radio]").nth(choice).check()
            for field in page.locator("textarea, input[type=text]").all():
                field.fill("test@example.com")
            page.locator("button, input[type=submit]").nth(number).click()
            page.wait_for_load_state()
            page.goto(link)
            page.locator("button, input[type=submit]").nth(number).click()
            page.wait_for_load_state()


def test_a_scanner_that_presses_every_button_decides_nothing(
    asked: ApprovalRequest, approvals: Approvals, browser: Browser
) -> None:
    page = browser.new_page()
    for link in (asked.links.approve, asked.links.reject):
        press_everything(page, link)
    assert approvals.get(asked.approval_id).status == "pending"
    # Nor has it used up the person's tries.
    assert {line.event for line in approvals.audit(asked.approval_id)} == {"requested", "sent", "viewed"}


def test_a_person_rejects_on_a_phone(asked: ApprovalRequest, approvals: Approvals, browser: Browser) -> None:
    errors: list[str] = []
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(asked.links.reject)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert not page.get_by_text("show all 1,").is_hidden()
    page.get_by_text("show all 1,").click()
    page.get_by_role("button", name="Record my decision").click()
    assert page.get_by_role("alert").get_by_role("link").count() == 2
    assert page.evaluate("document.activeElement.className") == "problems"
    page.get_by_label("Reject", exact=True).check()
    page.get_by_label("Comment").fill("Out of warranty")
    page.get_by_label("Code from the mail").fill(f"{asked.code[:3]} {asked.code[3:]}")
    page.get_by_role("button", name="Record my decision").click()
    assert "Rejected" in (page.get_by_role("status").text_content() or "")
    page.reload()
    assert MANAGER in (page.get_by_role("status").text_content() or "")
    decision = approvals.get(asked.approval_id)
    assert (decision.status, decision.decided_by, decision.comment) == ("rejected", MANAGER, "Out of warranty")
    # The first answer to the form was 422, which the browser mentions.
    assert [error for error in errors if "422" not in error] == []


def test_a_person_approves_by_keyboard_alone(asked: ApprovalRequest, approvals: Approvals, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(asked.links.approve)
    page.get_by_label("Approve", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("fine")
    page.keyboard.press("Tab")
    page.keyboard.type(asked.code)
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    assert approvals.get(asked.approval_id).status == "approved"


def test_another_site_can_not_send_the_form(asked: ApprovalRequest, approvals: Approvals, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(asked.links.approve)
    page.route(
        "http://evil.example/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<form method=post action='{asked.links.approve}'><input name=choice value=approve>"
            f"<input name=code value={asked.code}></form><script>document.forms[0].submit()</script>",
        ),
    )
    page.goto("http://evil.example/")
    page.get_by_text("sent by another site").wait_for()
    assert approvals.get(asked.approval_id).status == "pending"
    eventually(lambda: any(line.event == "refused" for line in approvals.audit(asked.approval_id)))

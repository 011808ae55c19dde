"""The pages behind the links: they show what is recorded, and decide only what a person filled in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette

from holdfast import Holdfast
from holdfast.approvals import Approvals
from holdfast.approvals.details import digest_of, is_intact
from tests.approvals.kit import DEPUTY, MANAGER, ORIGIN, Ask, Inbox, Person, alter, hidden_fields, status, trail
from tests.helpers import aeventually


async def test_promise_approval_opening_the_page_never_decides(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    before = approvals.get(request.approval_id)
    for method in ("GET", "HEAD", "OPTIONS", "GET", "PUT", "DELETE", "PATCH"):
        for link in (request.links.approve, request.links.reject):
            response = await person.client.request(method, link)
            assert response.status_code == (200 if method in {"GET", "HEAD"} else 405)
    assert approvals.get(request.approval_id) == before
    await aeventually(lambda: len(trail(approvals, request, "viewed")) == 4)
    assert {line.event for line in approvals.audit(request.approval_id)} == {"requested", "sent", "viewed"}
    line = trail(approvals, request, "viewed")[0]
    assert (line.actor, line.detail["ip"], line.detail["user_agent"]) == (MANAGER, "192.0.2.7", "a browser")


async def test_a_person_decides_with_a_choice_and_the_code(ask: Ask, approvals: Approvals, person: Person) -> None:
    handle, request = await ask()
    answer = await person.decide(request, "approve", comment="Seen\r\nthe \x00machine")
    assert answer.status_code == 303
    page = await person.open(str(answer.next_request.url if answer.next_request else ""))
    assert page.status_code == 200
    assert "Approved" in page.text
    assert f'Decided by <strong dir="ltr">{MANAGER}</strong>' in page.text
    assert "<form" not in page.text
    decision = await handle.aresult(timeout=10)
    assert (decision.approved, decision.decided_by, decision.via) == (True, MANAGER, "link")
    assert decision.comment == "Seen\nthe \ufffdmachine"
    [decided] = trail(approvals, request, "decided")
    assert decided.actor == MANAGER
    assert decided.detail["digest"] == approvals.get(request.approval_id).digest
    assert (decided.detail["ip"], decided.detail["user_agent"]) == ("192.0.2.7", "a browser")


async def test_five_wrong_codes_lock_the_link_and_no_other(
    ask: Ask, inbox: Inbox, approvals: Approvals, person: Person
) -> None:
    handle, request = await ask()
    wrong = f"{(int(request.code) + 1) % 10**6:06}"
    for left in ("4 more tries", "3 more tries", "2 more tries", "one more try"):
        answer = await person.send(request, {"choice": "approve", "code": wrong})
        assert (answer.status_code, left in answer.text) == (422, True)
    assert (await person.send(request, {"choice": "approve", "code": wrong})).status_code == 423
    locked = await person.decide(request, "approve")
    assert locked.status_code == 423
    assert "This link is locked" in locked.text
    assert status(approvals, request) == "pending"
    assert [line.detail["reason"] for line in trail(approvals, request, "refused")] == ["code"] * 5
    other = inbox.requests[1]
    assert (await person.decide(other, "reject")).status_code == 303
    assert (await handle.aresult(timeout=10)).decided_by == DEPUTY


async def test_codes_can_not_be_guessed_side_by_side(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)

    async def guess(number: int) -> int:
        form = {**hidden, "choice": "approve", "code": f"{(int(request.code) + 1 + number) % 10**6:06}"}
        return (await person.client.post(request.links.approve, data=form, headers=person.same_origin)).status_code

    answers = await asyncio.gather(*(guess(number) for number in range(30)))
    assert sorted(answers) == [422] * 4 + [423] * 26
    assert len(trail(approvals, request, "refused")) == 5


async def test_the_code_of_another_link_is_wrong(ask: Ask, inbox: Inbox, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    other = inbox.requests[1]
    assert request.code != other.code
    assert (await person.send(request, {"choice": "approve", "code": other.code})).status_code == 422


async def test_a_second_click_says_what_was_decided_by_whom_and_when(
    ask: Ask, inbox: Inbox, approvals: Approvals, person: Person, new_person: Callable[[], Person]
) -> None:
    _, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    await person.decide(request, "reject")
    again = await person.client.post(
        request.links.approve,
        data={**hidden, "choice": "reject", "code": request.code},
        headers=person.same_origin,
    )
    assert again.status_code == 303
    deputy = new_person()
    async with deputy.client:
        late = await deputy.decide(inbox.requests[1], "approve")
    assert late.status_code == 409
    assert "Rejected" in late.text
    assert re.search(rf"Decided by <strong dir=\"ltr\">{MANAGER}</strong> on \w+ \d+ \w+ \d+, \d\d:\d\d UTC", late.text)
    assert len(trail(approvals, request, "decided")) == 1


async def test_of_fifty_people_who_press_at_once_one_decides_and_the_others_are_told(
    ask: Ask, approvals: Approvals, new_person: Callable[[], Person]
) -> None:
    handle, request = await ask()
    people = [new_person() for _ in range(50)]
    choices = ["approve" if number % 2 else "reject" for number in range(50)]
    answers = await asyncio.gather(
        *(person.decide(request, choice) for person, choice in zip(people, choices, strict=True))
    )
    decision = await handle.aresult(timeout=10)
    won = "approve" if decision.approved else "reject"
    for choice, answer in zip(choices, answers, strict=True):
        assert answer.status_code == (303 if choice == won else 409)
        assert answer.status_code == 303 or decision.status.capitalize() in answer.text
    assert len(trail(approvals, request, "decided")) == 1
    for person in people:
        await person.client.aclose()


async def test_after_the_expiry_the_page_says_so_and_takes_nothing(
    ask: Ask, approvals: Approvals, person: Person
) -> None:
    handle, request = await ask(timeout=0.5)
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    assert (await handle.aresult(timeout=10)).status == "expired"
    page = await person.open(request.links.approve)
    assert (page.status_code, "Expired" in page.text, "<form" in page.text) == (200, True, False)
    form = {**hidden, "choice": "approve", "code": request.code}
    late = await person.client.post(request.links.approve, data=form, headers=person.same_origin)
    assert (late.status_code, "Expired" in late.text) == (409, True)
    assert status(approvals, request) == "expired"


async def test_a_cancelled_workflow_s_page_says_so_and_takes_nothing(
    ask: Ask, approvals: Approvals, person: Person
) -> None:
    handle, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    await handle.acancel()
    form = {**hidden, "choice": "approve", "code": request.code}
    late = await person.client.post(request.links.approve, data=form, headers=person.same_origin)
    assert (late.status_code, "Withdrawn" in late.text) == (409, True)
    await aeventually(lambda: status(approvals, request) == "cancelled")
    assert "Withdrawn" in (await person.open(request.links.approve)).text


@pytest.mark.parametrize(
    "change",
    [("details", '[["Amount", "9,999.00"]]'), ("subject", "Refund everything"), ("digest", "0" * 64), ("details", "x")],
)
async def test_a_link_is_void_once_the_record_was_altered(
    ask: Ask, app: Holdfast, approvals: Approvals, person: Person, change: tuple[str, str]
) -> None:
    _, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    await asyncio.to_thread(alter, app, *change)
    page = await person.open(request.links.approve)
    assert (page.status_code, "This link is void" in page.text) == (409, True)
    assert "9,999.00" not in page.text
    form = {**hidden, "choice": "approve", "code": request.code}
    answer = await person.client.post(request.links.approve, data=form, headers=person.same_origin)
    assert answer.status_code in {403, 409}
    assert status(approvals, request) == "pending"


async def test_a_link_is_void_if_details_and_digest_were_altered_together(
    ask: Ask, app: Holdfast, approvals: Approvals, person: Person
) -> None:
    _, request = await ask()
    rows = [("Amount", "9,999.00")]
    digest = digest_of(
        approval_id=request.approval_id, workflow_id=request.workflow_id, subject=request.subject, rows=rows
    )
    await asyncio.to_thread(alter, app, "details", '[["Amount", "9,999.00"]]')
    await asyncio.to_thread(alter, app, "digest", digest)
    assert is_intact(approvals.get(request.approval_id))
    assert (await person.open(request.links.approve)).status_code == 409
    assert (await person.decide(request, "approve", digest=digest)).status_code in {403, 409}
    assert status(approvals, request) == "pending"


async def test_a_closed_application_asks_to_come_back_later(
    unlaunched: Holdfast, site: Starlette, approvals: Approvals
) -> None:
    transport = httpx.ASGITransport(app=site)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        page = await client.get(f"{ORIGIN}/approvals/anything")
        posted = await client.post(f"{ORIGIN}/approvals/anything", data={"choice": "approve"})
    assert page.status_code == posted.status_code == 503
    assert "Nothing was recorded" in page.text

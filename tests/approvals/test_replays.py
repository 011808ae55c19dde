"""Forms and links that are used again, elsewhere, or twice at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from holdfast.approvals import Approvals
from tests.approvals.kit import Ask, Inbox, Person, hidden_fields, trail


async def test_nothing_of_one_workflows_link_decides_anothers(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, mine = await ask(Amount="1.00")
    _, other = await ask(Amount="9,999.00")
    filled = {}
    for request in (mine, other):
        page = await person.open(request.links.approve)
        filled[request.approval_id] = {**hidden_fields(page.text), "choice": "approve", "code": request.code}
    one, two = filled[mine.approval_id], filled[other.approval_id]
    assert one["digest"] != two["digest"]
    # The whole form, and each mixture that has anything of it. A nonce is the browser's, for all its pages.
    for nonce, digest, code in itertools.product((one, two), repeat=3):
        if digest is two and code is two:
            continue
        form = {"nonce": nonce["nonce"], "digest": digest["digest"], "code": code["code"], "choice": "approve"}
        answer = await person.client.post(other.links.approve, data=form, headers=person.same_origin)
        assert answer.status_code in {403, 409, 422}
    assert {approvals.get(each.approval_id).status for each in (mine, other)} == {"pending"}


async def test_one_form_sent_many_times_at_once_decides_once(
    ask: Ask, inbox: Inbox, approvals: Approvals, person: Person, new_person: Callable[[], Person]
) -> None:
    handle, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    form = {**hidden, "choice": "approve", "code": request.code}
    answers = await asyncio.gather(
        *(person.client.post(request.links.approve, data=form, headers=person.same_origin) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {303}
    assert (await handle.aresult(timeout=10)).approved
    assert len(trail(approvals, request, "decided")) == 1
    # Replayed afterwards, and turned round: it is told what was decided, and nothing changes.
    late = await person.client.post(
        request.links.approve, data={**form, "choice": "reject"}, headers=person.same_origin
    )
    assert late.status_code == 409
    assert approvals.get(request.approval_id).status == "approved"

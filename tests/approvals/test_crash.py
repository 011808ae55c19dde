"""Processes that ask are killed; the question stays, and is answered once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from holdfast import Holdfast
from holdfast.approvals import Approvals
from tests.approvals.kit import MANAGER, QUICK, Inbox
from tests.approvals.mail_server import Mailbox, parts, serving
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

PROGRAMS = {
    "sync": "from tests.approvals.programs import main; main()",
    "async": "import asyncio; from tests.approvals.programs import amain; asyncio.run(amain())",
}


@pytest.fixture
def approvals(store_url: str) -> Iterator[Approvals]:
    """The approvals as another program sees them, which does not know the workflow that asks."""
    app = Holdfast(store_url, config=QUICK)
    approvals = Approvals(app, delivery=Inbox(), base_url="https://refunds.example.com/approvals")
    with app:
        yield approvals


def program(kind: str, url: str, port: int, point: str = "") -> ScriptProcess:
    return ScriptProcess(PROGRAMS[kind], arguments=[kind, url, str(port), point])


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_promise_approval_waiting_survives_a_killed_process(
    approvals: Approvals, store_url: str, mailbox: Mailbox, kind: str
) -> None:
    with serving(mailbox) as port:
        with program(kind, store_url, port) as process:
            process.wait_for_line("launched")
            eventually(lambda: [each for each in approvals.list() if len(approvals.audit(each.approval_id)) == 2])
            process.kill()
        [approval] = approvals.list()
        approvals.decide(approval.approval_id, True, by="ada")
        with program(kind, store_url, port) as process:
            assert process.wait_for_line("result") == "result approved by ada"
            process.finish()
    assert 1 <= len(mailbox.taken) <= 2
    assert [each.approval_id for each in approvals.list()] == [approval.approval_id]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_process_killed_after_the_mail_went_out_sends_another_for_the_same_approval(
    approvals: Approvals, store_url: str, mailbox: Mailbox, kind: str
) -> None:
    with serving(mailbox) as port:
        with program(kind, store_url, port, "sent") as process:
            eventually(lambda: mailbox.taken, timeout=30)
            with pytest.raises(AssertionError, match="exit code -9"):
                process.finish()
        with program(kind, store_url, port) as process:
            eventually(lambda: len(mailbox.taken) == 2, timeout=30)
            links = [re.findall(r"https://\S+approve", parts(message)[0])[0] for _, message in mailbox.taken]
            assert links[0] != links[1]
            [approval] = approvals.list()
            tokens = [link.rpartition("/")[2].partition("?")[0] for link in links]
            assert [approvals.desk.by_token(token) for token in tokens] == [(approval, MANAGER)] * 2
            approvals.decide(approval.approval_id, False, by="ada")
            assert process.wait_for_line("result") == "result rejected by ada"
            process.finish()

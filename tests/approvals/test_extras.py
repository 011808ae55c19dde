"""Without the `web` extra, workflows ask and code decides; what needs the extra says so."""

from __future__ import annotations

from tests.helpers import run_script

PROGRAM = """
import sys
for name in ("jinja2", "starlette", "markupsafe", "multipart", "python_multipart"):
    sys.modules[name] = None

from holdfast import Holdfast, start, workflow
from holdfast.approvals import Approvals, LogDelivery, SmtpDelivery, request_approval
from holdfast.errors import MissingExtra

@workflow
def ask() -> str:
    return request_approval("Refund", {"Amount": 5}, to="ada@example.com").status

app = Holdfast(sys.argv[1])
approvals = Approvals(app, delivery=LogDelivery(), base_url="https://example.com/approvals")
with app:
    handle = start(ask)
    while not any(entry.event == "sent" for asked in approvals.list() for entry in approvals.audit(asked.approval_id)):
        pass
    approvals.decide(approvals.list()[0].approval_id, True, by="ada")
    print(handle.result(timeout=10))
for needs_web in (approvals.asgi, approvals.routes, lambda: SmtpDelivery("smtp://localhost", sender="a@example.com")):
    try:
        needs_web()
    except MissingExtra as error:
        print(error)
"""


def test_without_the_web_extra_approvals_work_from_code(sqlite_url: str) -> None:
    printed = run_script(PROGRAM, arguments=[sqlite_url])
    assert "approved" in printed
    assert "code:" in printed
    assert printed.count("pip install 'holdfast[web]'") == 3

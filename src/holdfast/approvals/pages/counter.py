"""The counter at which links are opened and decisions taken: all that the pages do, without HTTP. Blocks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.approvals.decision import PENDING
from holdfast.approvals.desk import Desk, Verdict
from holdfast.approvals.details import is_intact
from holdfast.approvals.links import hash_of, is_code_of, link_name, typed_code, was_made_for
from holdfast.core.model import Approval
from holdfast.runtime.committer import Ticket
from holdfast.runtime.effects import drive

log = logging.getLogger("holdfast.approvals")

WRONG_CODES = 5
LONGEST_COMMENT = 2000
_VIEWS_KEPT = 20
"""A link that is opened more often than this goes on to work, but fills the trail no further."""
STATUSES = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What a link opens."""

    token: str
    approval: Approval
    """As it stands for somebody who wants to decide now."""
    recipient: str
    wrong_codes: int
    altered: bool
    """The record is not what the link was sent for."""

    @property
    def state(self) -> str:
        """Name what the page is about."""
        if self.approval.status != PENDING:
            return self.approval.status
        if self.altered:
            return "altered"
        return "locked" if self.wrong_codes >= WRONG_CODES else PENDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a form: either errors by field, or an approval that can't be decided any more."""

    opened: Opened
    errors: Mapping[str, str]
    """By field: what is missing or wrong, in words for the person."""
    counted: bool = False
    """The approval stands as this person wanted it."""


class Counter:
    """Opens links and takes decisions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # One form at a time, so that codes can't be guessed faster than wrong ones are counted.
        self._one_form = threading.Lock()

    def open(self, token: str) -> Opened | None:
        """Find what a link opens; None if it opens nothing."""
        found = self._desk.by_token(token)
        if found is None:
            return None
        approval, recipient = found
        return Opened(
            token=token,
            approval=self._desk.standing(approval),
            recipient=recipient,
            wrong_codes=self._count(approval, token, "refused", reason="code"),
            altered=not (is_intact(approval) and was_made_for(token, approval.digest)),
        )

    def viewed(self, opened: Opened, visitor: Mapping[str, str]) -> None:
        """Note in the audit trail that a link was opened. It says nothing about who, or what, opened it."""
        if self._count(opened.approval, opened.token, "viewed") < _VIEWS_KEPT:
            # Not waited for: a page can be read while the database takes no writes.
            self._note(opened, "viewed", visitor)

    def refuse(self, opened: Opened, reason: str, visitor: Mapping[str, str]) -> None:
        """Note in the audit trail that a form was not taken."""
        self._note(opened, "refused", {**visitor, "reason": reason}).wait()

    def take(self, token: str, form: Mapping[str, str], visitor: Mapping[str, str]) -> Answer | None:
        """Take a form: decide, or say what is wrong with it. None if the link opens nothing."""
        with self._one_form:
            opened = self.open(token)
            if opened is None:
                return None
            status = STATUSES.get(form.get("choice", ""))
            if opened.state != PENDING:
                return Answer(opened=opened, errors={}, counted=_is_own(opened, status))
            if form.get("digest") != opened.approval.digest:
                self.refuse(opened, "something else was shown", visitor)
                return Answer(opened=replace(opened, altered=True), errors={})
            errors = _missing(form)
            if errors:
                return Answer(opened=opened, errors=errors)
            if not is_code_of(token, form["code"]):
                return self._wrong_code(opened, visitor)
            return self._decide(opened, form, visitor)

    def _decide(self, opened: Opened, form: Mapping[str, str], visitor: Mapping[str, str]) -> Answer:
        status = STATUSES[form["choice"]]
        verdict = Verdict(
            status=status,
            by=opened.recipient,
            via="link",
            comment=_comment(form) or None,
            digest=form["digest"],
            detail={**visitor, "link": link_name(hash_of(opened.token)), "digest": form["digest"]},
        )
        decided = drive(self._desk.decide(opened.approval, verdict))
        after = replace(opened, approval=self._desk.standing(decided))
        if after.state == PENDING:
            after = replace(after, altered=True)
        return Answer(opened=after, errors={}, counted=_is_own(after, status))

    def _wrong_code(self, opened: Opened, visitor: Mapping[str, str]) -> Answer:
        wrong = opened.wrong_codes + 1
        self.refuse(opened, "code", {**visitor, "wrong": str(wrong)})
        left = WRONG_CODES - wrong
        if left <= 0:
            log.warning(
                "a link of approval %s, sent to %s, is locked after %d wrong codes",
                opened.approval.approval_id,
                opened.recipient,
                WRONG_CODES,
                extra={"action": "approval_link_locked"},
            )
        tries = "one more try" if left == 1 else f"{left} more tries"
        error = (
            f"That is not the code in the mail that this link came in. There {'is' if left == 1 else 'are'} {tries}."
        )
        return Answer(opened=replace(opened, wrong_codes=wrong), errors={"code": error})

    def _count(self, approval: Approval, token: str, event: str, reason: str | None = None) -> int:
        name = link_name(hash_of(token))
        return sum(
            line.event == event
            and line.detail.get("link") == name
            and (reason is None or line.detail.get("reason") == reason)
            for line in self._desk.trail(approval.approval_id)
        )

    def _note(self, opened: Opened, event: str, detail: Mapping[str, str]) -> Ticket:
        told = {**detail, "link": link_name(hash_of(opened.token))}
        return self._desk.note(opened.approval, event, opened.recipient, told)


def _is_own(opened: Opened, status: str | None) -> bool:
    """Tell whether the approval stands as the holder of this link wanted it, decided by that very person."""
    approval = opened.approval
    return status is not None and approval.status == status and approval.decided_by == opened.recipient


def _missing(form: Mapping[str, str]) -> dict[str, str]:
    errors = {}
    if form.get("choice") not in STATUSES:
        errors["choice"] = "Choose whether you approve or reject this."
    if typed_code(form.get("code", "")) is None:
        # Not counted as a wrong code: a scanner that fills in every field must not lock the person out.
        errors["code"] = "Type the six-digit code from the mail that this link came in."
    if len(_comment(form)) > LONGEST_COMMENT:
        errors["comment"] = f"The comment can have up to {LONGEST_COMMENT} characters."
    return errors


def _comment(form: Mapping[str, str]) -> str:
    """Return the comment as it can be stored: NUL and lone surrogates have no place in a database's text."""
    text = form.get("comment", "").replace("\r\n", "\n").strip()
    return "".join(
        "\ufffd" if character == "\x00" or "\ud800" <= character <= "\udfff" else character for character in text
    )

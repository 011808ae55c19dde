"""Taking messages that the database still shows as new: nobody takes one twice, and nobody passes over one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from holdfast.core.model import MailboxMessage
from holdfast.runtime.mailbox import Look, LookAgain, Mailbox

MESSAGES = [MailboxMessage(message_id=f"m{number}", body=str(number)) for number in range(1, 5)]


def read(look: Look, messages: Sequence[MailboxMessage] = MESSAGES) -> Sequence[MailboxMessage]:
    return messages[: look.limit]


def durable() -> bool:
    return True


def not_durable() -> bool:
    return False


def taken(mailbox: Mailbox, look: Look, found: Sequence[MailboxMessage]) -> str | None:
    message = mailbox.take(look, found)
    if message is None:
        return None
    mailbox.recorded()
    return message.body


def test_one_after_the_other() -> None:
    mailbox = Mailbox()
    bodies = []
    for _ in range(5):
        look = mailbox.look(not_durable)
        bodies.append(taken(mailbox, look, read(look)))
    assert bodies == ["1", "2", "3", "4", None]


def test_what_is_durable_is_not_read_past_any_more() -> None:
    mailbox = Mailbox()
    look = mailbox.look(not_durable)
    assert taken(mailbox, look, read(look)) == "1"
    look = mailbox.look(durable)
    assert look.limit == 1
    assert taken(mailbox, look, read(look, MESSAGES[1:])) == "2"


def test_two_branches_that_read_the_same_message() -> None:
    mailbox = Mailbox()
    one, other = mailbox.look(not_durable), mailbox.look(not_durable)
    found, also_found = read(one), read(other)
    assert taken(mailbox, one, found) == "1"
    with pytest.raises(LookAgain):
        mailbox.take(other, also_found)
    again = mailbox.look(not_durable)
    assert taken(mailbox, again, read(again)) == "2"


def test_a_branch_that_read_before_what_another_one_took_was_durable() -> None:
    mailbox = Mailbox()
    slow, quick = mailbox.look(not_durable), mailbox.look(not_durable)
    found = read(slow)
    assert taken(mailbox, quick, read(quick)) == "1"
    mailbox.look(durable)
    with pytest.raises(LookAgain):
        mailbox.take(slow, found)


def test_what_was_taken_and_is_not_handed_in_is_not_taken_for_durable() -> None:
    mailbox = Mailbox()
    one = mailbox.look(durable)
    message = mailbox.take(one, read(one))
    assert message == MESSAGES[0]
    other = mailbox.look(durable)
    assert taken(mailbox, other, read(other)) == "2"

"""What a workflow takes from its mailbox: nobody but the owner of its epoch does, so taking a message needs no commit.

A message is read, and that it was received rides along with the next write, as any outcome does. Until that is durable
the database still shows it as new, so what was taken is remembered here: several branches may receive at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from holdfast.core.data import dataclass
from holdfast.core.model import MailboxMessage

MOST_TAKEN = 100
"""Messages that may wait for their commit: each look reads past them."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look into the mailbox, on its way to the database and back."""

    limit: int
    """How many of the oldest messages to read."""
    round: int


class Mailbox:
    """The messages of one workflow that were taken and are perhaps not recorded yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._unrecorded = 0
        """How many of them nobody has handed in yet to be recorded."""
        self._round = 0
        """Counts how often `_taken` was emptied."""

    @property
    def is_full(self) -> bool:
        """Tell whether what was taken should become durable before more is."""
        return len(self._taken) >= MOST_TAKEN

    def look(self, is_durable: Callable[[], bool]) -> Look:
        """Begin to look. `is_durable` tells whether all that the workflow has recorded so far is committed."""
        with self._lock:
            if self._taken and not self._unrecorded and is_durable():
                self._taken.clear()
                self._round += 1
            return Look(len(self._taken) + 1, self._round)

    def take(self, look: Look, found: Sequence[MailboxMessage]) -> MailboxMessage | None:
        """Take the oldest message that nobody has taken; None if there is none. Raises `LookAgain`."""
        with self._lock:
            if look.round != self._round:
                # Read before something became durable that is forgotten by now.
                raise LookAgain
            for message in found:
                if message.message_id not in self._taken:
                    self._taken.add(message.message_id)
                    self._unrecorded += 1
                    return message
            if len(found) == look.limit:
                # Another branch has taken what was read; there may be more behind it.
                raise LookAgain
            return None

    def recorded(self) -> None:
        """Take note that what was taken rides along with the next write."""
        with self._lock:
            self._unrecorded -= 1


class LookAgain(Exception):
    """Other branches have changed meanwhile what a look can tell."""

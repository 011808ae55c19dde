from __future__ import annotations

import os
import signal
import threading

from holdfast.cli.inbox import Inbox


def test_events_come_in_order_and_a_missing_one_after_the_timeout() -> None:
    with Inbox(on_stop="stop") as inbox:
        inbox.put("one")
        inbox.put("two")
        assert [inbox.get(), inbox.get(), inbox.get(0.01)] == ["one", "two", None]


def test_a_signal_is_an_event_however_the_reader_is_waiting() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Inbox(on_stop="stop") as inbox:
        for _ in range(200):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()
            assert inbox.get(30) == "stop"
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_event_after_the_end_is_ignored() -> None:
    with Inbox(on_stop="stop") as inbox:
        pass
    inbox.put("late")

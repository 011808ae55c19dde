"""The only source of ids and chance."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable


def time_ordered_id() -> str:
    """Make a UUID version 7: unique, and ordered by time, which keeps the tables' indexes compact."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


class Ids:
    """Makes ids and draws chance; tests hand in their own."""

    def __init__(
        self, new_id: Callable[[], str] = time_ordered_id, chance: Callable[[], float] = random.random
    ) -> None:
        self.new = new_id
        self.chance = chance

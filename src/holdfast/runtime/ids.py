"""The only source of ids and chance."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

_ENTROPY, _IDS_A_READ = 10, 256
_entropy: list[bytes] = []
# A child process must not draw what its parent draws.
os.register_at_fork(after_in_child=_entropy.clear)


def time_ordered_id() -> str:
    """Make a UUID version 7: unique, and ordered by time, which keeps the tables' indexes compact."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(_draw(), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _draw() -> bytes:
    """Return random bytes from the system, read for many ids at once: each read lets go of the interpreter's lock."""
    try:
        return _entropy.pop()
    except IndexError:
        read = os.urandom(_ENTROPY * _IDS_A_READ)
        _entropy.extend(read[place : place + _ENTROPY] for place in range(_ENTROPY, len(read), _ENTROPY))
        return read[:_ENTROPY]


class Ids:
    """Makes ids and draws chance; tests hand in their own."""

    def __init__(
        self, new_id: Callable[[], str] = time_ordered_id, chance: Callable[[], float] = random.random
    ) -> None:
        self.new = new_id
        self.chance = chance

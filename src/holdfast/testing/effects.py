"""Effects of a program on the outside world, as its tests' stand-ins for that world note them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from holdfast.errors import UsageError

VARIABLE = "HOLDFAST_TEST_EFFECTS"
"""Names the file to which effects are appended; nothing is noted without it."""


def record_effect(name: str, *about: object, key: str | None = None) -> None:
    """Note that the outside world was changed: call it in the stand-in for a payment provider, a mail server, ….

    `about` tells this effect from others of the name; its `repr` counts. `key` is the idempotency key that was handed
    over with the request: a provider that is given the same one twice acts once, so such effects count once. Does
    nothing outside of `crash_everywhere`.
    """
    file = os.environ.get(VARIABLE)
    if file is None:
        return
    line = json.dumps([f"{name}({', '.join(map(repr, about))})", key])
    with Path(file).open("a", encoding="utf-8") as effects:
        effects.write(f"{line}\n")


def read_effects(file: Path) -> list[str]:
    """Return the effects that the world has seen, in the order in which they came. Raises `UsageError`."""
    seen: set[tuple[str, str]] = set()
    found: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            effect, key = json.loads(line)
        except ValueError:
            raise UsageError(f"{file} holds something else than effects") from None
        if key is not None and (effect, key) in seen:
            continue
        seen.add((effect, key))
        found.append(effect)
    return found

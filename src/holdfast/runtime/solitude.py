"""A suspect's time alone in its process: what runs beside it could have killed the worker just as well.

reserved    nothing else begins here from now on; whoever reserves sees whether anything runs
alone       the suspect runs; if the process dies now, there is no doubt about who killed it
over        the suspect has got an outcome further and that is durable, or has left memory, or its time is up

The time grows with every death that left a doubt, so that one that kills late is alone at last; and it ends, so that
one that is only slow does not keep the others waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution

GROWTH, MOST_GROWTH = 4, 8
"""By how much more time each doubtful death gives, and how often it does."""


class Solitude:
    """See the module's page. Times are monotonic."""

    def __init__(self, monotonic: Callable[[], float], *, seconds: float, isolate_from: int) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._isolate_from = isolate_from
        self._is_reserved = False
        self._suspect: Execution | None = None
        self._ends = 0.0

    @property
    def is_on(self) -> bool:
        """Tell whether nothing else may begin here."""
        return self._is_reserved or (self._suspect is not None and self._is_alone(self._suspect))

    def reserve(self) -> None:
        """Let nothing else begin until `begin` or `release`."""
        self._is_reserved = True

    def begin(self, suspect: Execution) -> None:
        """Let nothing else begin beside a suspect that is about to run."""
        doubtful = min(max(0, suspect.crashes - self._isolate_from), MOST_GROWTH)
        self._ends = self._monotonic() + self._seconds * GROWTH**doubtful
        self._suspect = suspect

    def release(self) -> None:
        """End what `reserve` began."""
        self._is_reserved = False

    def left(self, execution: Execution) -> None:
        """Take note that a workflow has left memory."""
        if execution is self._suspect:
            self._suspect = None

    def _is_alone(self, suspect: Execution) -> bool:
        if self._monotonic() < self._ends and (suspect.is_suspected or not suspect.is_durable()):
            return True
        self._suspect = None
        return False

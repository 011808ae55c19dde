"""An accused workflow's time alone in its process: what runs beside it could kill the worker just as well.

reserved    nothing else begins here from now on; whoever reserves sees whether anything runs
alone       the accused runs; if the process dies now, there is no doubt about who killed it
over        the accused has got an outcome further and that is durable, or has left memory, or its time is up

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

    def __init__(self, monotonic: Callable[[], float], *, seconds: float, accused_from: int) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._accused_from = accused_from
        self._is_reserved = False
        self._accused: Execution | None = None
        self._ends = 0.0

    @property
    def is_on(self) -> bool:
        """Tell whether nothing else may begin here."""
        return self._is_reserved or (self._accused is not None and self._is_alone(self._accused))

    def reserve(self) -> None:
        """Let nothing else begin until `begin` or `release`."""
        self._is_reserved = True

    def begin(self, accused: Execution) -> None:
        """Let nothing else begin beside one that is about to run."""
        doubtful = min(max(0, accused.crashes - self._accused_from), MOST_GROWTH)
        self._ends = self._monotonic() + self._seconds * GROWTH**doubtful
        self._accused = accused

    def release(self) -> None:
        """End what `reserve` began."""
        self._is_reserved = False

    def left(self, execution: Execution) -> None:
        """Take note that a workflow has left memory."""
        if execution is self._accused:
            self._accused = None

    def _is_alone(self, accused: Execution) -> bool:
        if self._monotonic() < self._ends and (accused.is_suspected or not accused.is_durable()):
            return True
        self._accused = None
        return False

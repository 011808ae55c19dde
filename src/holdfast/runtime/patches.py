"""What patches decide in the branches of one workflow: read from its journal, or decided now."""

from __future__ import annotations

from holdfast.core.identity import patch_id
from holdfast.core.replay import Journal


class Patches:
    """The decisions of one stay in memory. Not thread-safe."""

    __slots__ = ("_decided", "_journal")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._decided: dict[str, bool] | None = None
        """Nearly no workflow has any."""

    def decide(self, branch: str, name: str) -> tuple[bool, bool]:
        """Return whether a patch applies in a branch, and whether that is known already."""
        step_id = patch_id(branch, name)
        known = self._decision(step_id)
        if known is not None:
            return known, True
        if self._decided is None:
            self._decided = {}
        decided = self._decided[step_id] = self._look_around(branch, name)
        return decided, False

    def _decision(self, step_id: str) -> bool | None:
        recorded = self._journal.find(step_id)
        if recorded is not None:
            return recorded.output == "true"
        return None if self._decided is None else self._decided.get(step_id)

    def _look_around(self, branch: str, name: str) -> bool:
        if self._journal.has_later(branch):
            return False
        while branch:
            branch = branch.rpartition("/")[0]
            decided = self._decision(patch_id(branch, name))
            if decided is not None:
                return decided
        return True

"""What a workflow would have to undo: its recorded steps that can be undone, and what it asked for with `on_undo`.

Nothing of it is stored: a replay finds the same by asking for the same steps. The order is that of the journal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.data import dataclass
from holdfast.core.model import Checkpoint
from holdfast.runtime.definitions import StepDefinition, TransactionDefinition, UndoDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class Undoable:
    """Something that was done, and how it is undone."""

    checkpoint: Checkpoint
    name: str
    """What the undo step is called."""
    by: UndoDefinition | None
    """None: irreversible."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: StepDefinition | TransactionDefinition | None = None
    """The step, whose result the undo function is given; None: it takes the arguments alone."""

    @property
    def step_id(self) -> str:
        """The identity of what is undone."""
        return self.checkpoint.step_id

    def call(self, codec: Codec) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the undo function is called with. Raises `PayloadError`."""
        done, by = self.done, self.by
        if done is None or by is None:
            return self.args, self.kwargs
        instance, args = (self.args[:1], self.args[1:]) if done.is_method else ((), self.args)
        bound = done.signature.signature.bind(*args, **self.kwargs)
        bound.apply_defaults()
        output = self.checkpoint.output
        result = None if output is None else codec.decode(output, done.signature.return_hint)
        return ((*(instance if by.is_method else ()), result, *bound.args), bound.kwargs)


class UndoList:
    """Collects, in whatever order branches come; gives back in the reverse order of recording."""

    __slots__ = ("_found", "may_have_more")

    def __init__(self) -> None:
        self._found: dict[str, Undoable] = {}
        self.may_have_more = False
        """A step that could be undone has begun."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be undone, nor may become so."""
        return not self._found and not self.may_have_more

    def add_step(
        self,
        definition: StepDefinition | TransactionDefinition,
        checkpoint: Checkpoint,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Note a step that has succeeded, if it has an undo function or is irreversible."""
        by = definition.undo
        if (by is None and not definition.options.irreversible) or checkpoint.error is not None:
            return
        name = f"undo:{definition.name}" if by is None else by.name
        self.add(Undoable(checkpoint=checkpoint, name=name, by=by, args=args, kwargs=kwargs, done=definition))

    def add(self, undoable: Undoable) -> None:
        """Note something to be undone."""
        self._found[undoable.step_id] = undoable

    def newest_first(self) -> list[Undoable]:
        """Return all, in the reverse order of recording."""
        return sorted(self._found.values(), key=lambda each: each.checkpoint.seq, reverse=True)


def with_key(definition: UndoDefinition, key: str) -> UndoDefinition:
    """Give an undo function the identity with which it is recorded."""
    if isinstance(definition, TransactionDefinition):
        return replace(definition, key=key)
    return replace(definition, options=replace(definition.options, key=key))

"""Starting workers anew when their program changes: for development."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from holdfast.errors import MissingExtra


class Reloader:
    """Watches the Python files below a folder from a thread. A context manager."""

    def __init__(self, folder: str, on_change: Callable[[], None]) -> None:
        """Raise `MissingExtra` without the library that watches files."""
        try:
            import watchfiles
        except ImportError:
            raise MissingExtra("--reload", "cli") from None
        self._stop = threading.Event()
        self._watched = watchfiles.watch(
            folder,
            watch_filter=watchfiles.PythonFilter(),
            stop_event=self._stop,
            rust_timeout=500,
            yield_on_timeout=False,
            raise_interrupt=False,
        )
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="holdfast-reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for _changes in self._watched:
            self._on_change()

"""A locked file for each worker: as long as its process lives, nobody else can lock it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from holdfast.core.model import WorkerRecord
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.sqlite.forks import close_in_child

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class FileWorkerLock:
    """The lock of this process's worker, and a way to try those of others."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        """Take the lock. Raises `ConfigurationError` if a living process has this worker id."""
        self._folder = folder
        self.is_first = not folder.exists()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._descriptor: int | None = _lock_own(self._path(worker_id))
        except BlockingIOError:
            raise ConfigurationError(f"another process runs as worker {worker_id!r}: worker ids are unique") from None
        except OSError as error:
            raise StoreUnavailable(f"the lock of worker {worker_id!r} can't be taken: {error}") from error
        self._own = self._path(worker_id)
        close_in_child(self)

    def release(self) -> None:
        """Give it up. Idempotent."""
        if self._descriptor is not None:
            # Removed while still locked, so that whoever opens the name later finds no file or a new one.
            self._own.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Close this process's copy of the file, as a forked child does."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_free(self, worker: WorkerRecord) -> bool:
        """Tell whether the process behind `worker` is gone; removes the file that it left."""
        path = self._path(worker.worker_id)
        if path == self._own and self._descriptor is not None:
            return False
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreUnavailable(f"the lock of worker {worker.worker_id!r} can't be tried: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    def _path(self, worker_id: str) -> Path:
        plain = _PLAIN_NAME.fullmatch(worker_id) is not None
        name = worker_id if plain else "." + hashlib.sha256(worker_id.encode()).hexdigest()
        return self._folder / f"{name}.lock"


def _lock_own(path: Path) -> int:
    """Create and lock the file; again if somebody took it for one that was left, and removed it, in between."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == path.stat().st_ino:
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


class MemoryWorkerLock:
    """A database in memory ends with its process: there is nobody to tell."""

    is_first = False

    def release(self) -> None:
        """Do nothing."""

    def is_free(self, worker: WorkerRecord) -> bool | None:
        """Leave it to the lease."""
        return None

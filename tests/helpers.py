"""What many tests need: waiting for a fact with a deadline, and killing a real process at a chosen moment."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
_POLL_SECONDS = 0.01


def eventually(condition: Callable[[], T], *, timeout: float = 10.0, message: str = "") -> T:
    """Return the condition's first true value; raise AssertionError if none comes within `timeout` seconds.

    An AssertionError raised by the condition means "not yet"; the last one is the cause of the final error.
    """
    wait = _Wait(timeout, message or getattr(condition, "__name__", "the condition"))
    while True:
        try:
            value = condition()
        except AssertionError as error:
            wait.not_yet(error)
        else:
            if value:
                return value
            wait.not_yet(value)
        time.sleep(_POLL_SECONDS)


@overload
async def aeventually(condition: Callable[[], Awaitable[T]], *, timeout: float = 10.0, message: str = "") -> T: ...
@overload
async def aeventually(condition: Callable[[], T], *, timeout: float = 10.0, message: str = "") -> T: ...
async def aeventually(condition: Callable[[], Any], *, timeout: float = 10.0, message: str = "") -> Any:
    """Do what `eventually` does without blocking the loop; the condition may be a coroutine function."""
    wait = _Wait(timeout, message or getattr(condition, "__name__", "the condition"))
    while True:
        try:
            found = condition()
            value = await found if isinstance(found, Awaitable) else found
        except AssertionError as error:
            wait.not_yet(error)
        else:
            if value:
                return value
            wait.not_yet(value)
        await asyncio.sleep(_POLL_SECONDS)


class _Wait:
    """A deadline that explains what was still missing when it passed."""

    def __init__(self, timeout: float, message: str) -> None:
        self._timeout = timeout
        self._message = message
        self._deadline = time.monotonic() + timeout

    def not_yet(self, found: object) -> None:
        if time.monotonic() < self._deadline:
            return
        cause = found if isinstance(found, AssertionError) else None
        raise AssertionError(f"not within {self._timeout} s: {self._message}; last: {found!r}") from cause


class ScriptProcess:
    """A Python program in a process of its own, whose output can be waited for line by line.

    Use as a context manager: a process that still runs at the end is killed.
    """

    def __init__(
        self,
        program: str | Path,
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        """Start `program`: a path to a file, or source code. `env` is added to the test's own environment."""
        source = [str(program)] if isinstance(program, Path) else ["-c", program]
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-u", *source, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        """All it has printed so far, standard error included."""
        with self._changed:
            return "\n".join(self._lines)

    def wait_for_line(self, line: str, *, timeout: float = 30.0) -> str:
        """Return the first printed line that begins with `line`.

        Raises:
            AssertionError: it ended, or `timeout` seconds passed, without printing one.

        """

        def seen() -> str | None:
            return next((said for said in self._lines if said.startswith(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: seen() is not None or self._ended, timeout)
            found = seen()
        if found is None:
            raise AssertionError(f"the process never printed {line!r}; it printed:\n{self.output}")
        return found

    def kill(self) -> None:
        """Send SIGKILL to the process and to all it started, and wait for its end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()

    def pause(self) -> None:
        """Stop the process where it stands, as a long garbage collection or a suspended machine would."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def unpause(self) -> None:
        """Let a paused process go on."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def finish(self, *, timeout: float = 60.0) -> str:
        """Wait for an end with exit code 0 and return the whole output.

        Raises:
            AssertionError: it failed, or still runs after `timeout` seconds (it is killed then).

        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout} s; it printed:\n{self.output}") from None
        self._close()
        if code != 0:
            raise AssertionError(f"exit code {code}; it printed:\n{self.output}")
        return self.output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _close(self) -> None:
        self._process.wait()
        self._reader.join(timeout=10)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()


def kill_at_line(
    program: str | Path,
    line: str,
    *,
    arguments: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout: float = 30.0,
) -> str:
    """Run a program, kill it with SIGKILL once it prints a line that begins with `line`; return its output."""
    with ScriptProcess(program, arguments=arguments, env=env, cwd=cwd) as process:
        process.wait_for_line(line, timeout=timeout)
        process.kill()
        return process.output


def run_script(
    program: str | Path,
    *,
    arguments: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout: float = 60.0,
) -> str:
    """Run a program to its end and return its output; raise AssertionError where it fails."""
    with ScriptProcess(program, arguments=arguments, env=env, cwd=cwd) as process:
        return process.finish(timeout=timeout)

"""`python -m apps.refund_agent`: runs the agent and what stands in for the outside world, and brings back what crashes.

supervisor        this process
services        payments sandbox, SMTP server, mailbox
web             the agent; killed by its own button, back within a second
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from types import FrameType

from apps.refund_agent.settings import Settings

PAUSE, LONGEST_PAUSE = 0.2, 5.0
LONG_LIVED = 5.0
_PR_SET_PDEATHSIG = 1


class Child:
    """A process that is started again whenever it ends."""

    def __init__(self, name: str, module: str, environment: dict[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = PAUSE

    def start(self) -> None:
        """Start it."""
        self._started_at = time.monotonic()
        # If this supervisor itself is killed, the kernel ends its children.
        self._process = subprocess.Popen(self._command, env=self._environment, preexec_fn=_die_with_parent)  # noqa: PLW1509 - this process has no other thread

    def keep_alive(self, stopping: threading.Event) -> None:
        """Start it again if it has ended, at once unless it dies again and again."""
        if self._process is None or self._process.poll() is None:
            return
        long_lived = time.monotonic() - self._started_at > LONG_LIVED
        self._pause = PAUSE if long_lived else min(self._pause * 1.5, LONGEST_PAUSE)
        say(f"{self.name} ended ({self._process.returncode}); starting it again")
        if not stopping.wait(PAUSE if long_lived else self._pause - PAUSE * 0.5):
            self.start()

    def stop(self) -> None:
        """Ask it to end, then make it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(8)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Run everything until Ctrl-C or SIGTERM."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    environment = {"HOLDFAST_DEMO": "1", **os.environ}
    settings = Settings.from_environment()
    children = [
        Child("services", "apps.refund_agent.services", environment),
        Child("agent", "apps.refund_agent.serve", environment),
    ]
    for child in children:
        child.start()
    try:
        _announce(settings, stopping)
        while not stopping.wait(0.1):
            for child in children:
                child.keep_alive(stopping)
    finally:
        for child in reversed(children):
            child.stop()


def _announce(settings: Settings, stopping: threading.Event) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{settings.port}/api/about", timeout=1).close()
        except (urllib.error.URLError, OSError):
            if stopping.wait(0.1):
                return
        else:
            say(f"\n  The refund agent is at {settings.base_url}\n  (Ctrl-C ends it)\n")
            return
    say("the refund agent does not answer; see the messages above")


if __name__ == "__main__":
    main()

"""Telling whether another process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.store.process import host_identity, is_running, process_started
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells start times")


def test_a_host_has_one_identity_in_all_its_processes() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from holdfast.store.process import host_identity; print(host_identity())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == host_identity()


def test_a_living_process_runs_and_another_one_with_its_pid_does_not() -> None:
    pid, started = os.getpid(), process_started(os.getpid())
    assert started
    assert is_running(pid, started) is True
    assert is_running(pid, "1") is False
    assert is_running(pid, "") is None


def test_a_killed_process_is_gone_even_before_its_parent_collects_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    started = process_started(child.pid)
    assert is_running(child.pid, started) is True
    child.kill()
    eventually(lambda: is_running(child.pid, started) is False)
    child.wait()
    assert is_running(child.pid, started) is False
    assert process_started(child.pid) == ""


def test_of_a_stopped_process_nobody_can_tell_whether_it_goes_on() -> None:
    with ScriptProcess("print('up'); import threading; threading.Event().wait()") as process:
        process.wait_for_line("up")
        started = process_started(process.pid)
        process.pause()
        eventually(lambda: is_running(process.pid, started) is None)
        process.unpause()
        eventually(lambda: is_running(process.pid, started) is True)


def test_a_name_with_parentheses_does_not_hide_the_start_time() -> None:
    with ScriptProcess(
        "open('/proc/self/comm', 'w').write(') R 1 ('); print('up'); import threading; threading.Event().wait()"
    ) as process:
        before = process_started(process.pid)
        process.wait_for_line("up")
        assert process_started(process.pid) == before
        assert is_running(process.pid, before) is True

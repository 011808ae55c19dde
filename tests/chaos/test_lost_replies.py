"""Replies to COMMIT are lost for every kind of write there is: each story of the kill matrix comes out the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

KINDS = {
    "Append", "Cancel", "Claim", "Create", "Decide", "Finish", "Heartbeat", "PutEvent", "PutSchedule", "Record", "Send",
    "SetAttributes", "Suspend",
}  # fmt: skip
"""Some of those whose replies must have been lost; chance decides about the others."""


@pytest.mark.timeout(1200)
def test_whatever_is_committed_without_a_reply_is_done_once(postgres_admin_url: str, tmp_path: Path) -> None:
    """Run in a process of its own, which has no threads and can be forked."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.crash.matrix.lost_replies", postgres_admin_url, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    sys.stdout.write(f"{report['lost']} replies lost in {report['stories']} stories\n")
    assert report["lost"] > 5 * report["stories"]
    assert set(report["kinds"]) >= KINDS, sorted(KINDS - set(report["kinds"]))

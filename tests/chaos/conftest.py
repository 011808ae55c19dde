from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("no strace here: apt-get install strace")
    return found

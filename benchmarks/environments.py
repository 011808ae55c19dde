"""Virtual environments of the peers', one each, with the newest versions from the package index."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.plan import ENVIRONMENTS


class Environments:
    """The folder that holds them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python(self, name: str | None) -> str:
        """Return the interpreter of an environment; None is this one."""
        return sys.executable if name is None else str(self._folder / name / "bin" / "python")

    def build(self, name: str) -> None:
        """Create an environment, or bring it up to date."""
        where = self._folder / name
        if not (where / "bin" / "python").exists():
            venv.create(where, with_pip=True)
        pip = [self.python(name), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--upgrade", *ENVIRONMENTS[name]], check=True)

    def versions(self, name: str | None) -> dict[str, str]:
        """Return what is installed, by package."""
        pip = [self.python(name), "-m", "pip", "--disable-pip-version-check", "list", "--format=json"]
        listed = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
        return {each["name"].lower(): each["version"] for each in json.loads(listed)}

"""What one driver process is told to do, and how it reports. Peers' environments have only the standard library for it.

A driver is run as `python -m benchmarks.drivers.NAME JOB`, with the job as JSON. It prints its figures as one line.
"""

from __future__ import annotations

import base64
import gc
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One workload, to be run once by one contender on one fresh database."""

    workload: str
    mode: str
    """`sync` or `async`: how the functions are written."""
    url: str
    """`sqlite:////absolute/path` or `postgresql://…`."""
    count: int
    """How many of whatever the workload counts."""
    size: int = 0
    """Bytes of a payload, or how many finished workflows the database holds already."""
    role: str = ""
    """What this process is, in workloads that take more than one."""

    @property
    def is_async(self) -> bool:
        return self.mode == "async"

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def sqlite_path(self) -> str:
        return self.url.removeprefix("sqlite:///")

    def in_role(self, role: str) -> Job:
        return replace(self, role=role)


Workload = Callable[[Job], Figures]


def main(workloads: Mapping[str, Workload]) -> None:
    """Run the job that the command line names, in this process's role, and print its figures."""
    job = Job(**json.loads(sys.argv[1]))
    name = f"{job.workload}:{job.role}" if job.role else job.workload
    figures = workloads[name](job)
    figures["peak_mb"] = figures.get("peak_mb", 0.0) + peak_mb()
    print(json.dumps(figures), flush=True)


def latencies(seconds: Sequence[float]) -> Figures:
    """Return the median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
    }


class Stopwatch:
    """Measures a `with` block; garbage of what was before is collected first."""

    def __enter__(self) -> Self:
        gc.collect()
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._began, time.process_time() - self._cpu


def rate(count: int, watch: Stopwatch) -> Figures:
    """Return how many were done a second, and the processor time that this process spent on each, in microseconds."""
    return {"per_second": count / watch.seconds, "cpu_us": 1e6 * watch.cpu / count}


def text(size: int) -> str:
    """Return so many characters that hardly compress."""
    return base64.b64encode(random.Random(1).randbytes(size * 3 // 4 + 3)).decode("ascii")[:size]


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    # getrusage would count what the parent held when it forked.
    found = _from_proc("VmHWM:")
    if found is not None:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def resident_mb() -> float:
    """Return the memory that this process holds now, in MB; its peak where the system does not tell."""
    gc.collect()
    return _from_proc("VmRSS:") or peak_mb()


def _from_proc(field: str) -> float | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field)), None)


class Partner:
    """Another process of the same driver, in a role of its own; it tells its progress by lines."""

    def __init__(self, job: Job) -> None:
        package = sys.modules["__main__"].__spec__
        assert package is not None
        module = package.name.removesuffix(".__main__")
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(asdict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Return the next line that the process prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the partner process ended with {self._process.wait()}")
        return line.rstrip("\n")

    def tell(self, line: str) -> None:
        """Write a line to the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def figures(self) -> Figures:
        """Return what the process reports at its end."""
        found: Figures = json.loads(self.line())
        self.wait()
        return found

    def wait(self) -> int:
        """Wait for the process's end and return its exit code."""
        return self._process.wait()

"""Holdfast's driver."""

from __future__ import annotations

from benchmarks.drivers.holdfast import (
    exchange,
    growth,
    idle,
    payloads,
    recovery,
    speed,
    transactions,
    waiting,
)
from benchmarks.drivers.job import main

PARTS = (speed, transactions, exchange, recovery, waiting, growth, payloads, idle)

if __name__ == "__main__":
    main({name: workload for part in PARTS for name, workload in part.WORKLOADS.items()})

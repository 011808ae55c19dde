"""Holdfast's driver."""

from __future__ import annotations

from benchmarks.drivers.holdfast import exchange, idle, speed, transactions
from benchmarks.drivers.job import main

if __name__ == "__main__":
    main({**speed.WORKLOADS, **transactions.WORKLOADS, **exchange.WORKLOADS, **idle.WORKLOADS})

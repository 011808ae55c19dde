"""DBOS's driver, run in DBOS's own environment."""

from __future__ import annotations

from benchmarks.drivers.dbos import exchange, speed, transactions
from benchmarks.drivers.job import main

if __name__ == "__main__":
    main({**speed.WORKLOADS, **transactions.WORKLOADS, **exchange.WORKLOADS})
